//! The configuration line: a gateway that follows a control-plane, loses it, and starts without.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::*;
use fabric::*;
use fabric_grpc::config::*;
use fabric_grpc::{Channel, PoolConfig, WorkerPool};
use runtime::{Process, ShutdownTrigger};
use secrecy::SecretSlice;
use time::OffsetDateTime;
use tokio::sync::watch;
use uuid::Uuid;

use crate::rig::*;

/// A control-plane's memory: tenants by slug, and the log of their changes.
struct Plane {
    state: Mutex<State>,
    latest: watch::Sender<i64>,
    workers: watch::Sender<Arc<[WorkerAddress]>>,
    reports: watch::Sender<BTreeMap<String, NodeReport>>,
    /// Whether what was read of tenants is on its way for now, and how often it has been read.
    slow: watch::Sender<bool>,
    reads: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    tenants: BTreeMap<String, String>,
    log: Vec<Change>,
    /// Changes up to this one are forgotten.
    floor: i64,
    /// Whether tenants cannot be read.
    broken: bool,
}

impl Plane {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            latest: watch::Sender::new(0),
            workers: watch::Sender::new(Arc::default()),
            reports: watch::Sender::default(),
            slow: watch::Sender::default(),
            reads: watch::Sender::default(),
        })
    }

    /// Names a tenant, or takes it away, and says of which revision that is.
    fn change(&self, slug: &str, name: Option<&str>) -> i64 {
        let mut state = self.state.lock().unwrap();
        match name {
            Some(name) => state.tenants.insert(slug.to_owned(), name.to_owned()),
            None => state.tenants.remove(slug),
        };
        let revision = state.log.len() as i64 + 1;
        state.log.push(Change {
            revision,
            subject: Subject::Tenant(slug.to_owned()),
        });
        drop(state);
        self.latest.send_replace(revision);
        revision
    }

    /// Waits until the one gateway enforces `revision`.
    async fn enforced(&self, revision: i64) {
        let mut reports = self.reports.subscribe();
        let all = |nodes: &BTreeMap<String, NodeReport>| {
            !nodes.is_empty() && nodes.values().all(|report| report.enforced >= revision)
        };
        within(reports.wait_for(all)).await.unwrap();
    }
}

fn config(slug: &str, name: &str, revision: i64) -> TenantConfig {
    TenantConfig {
        revision,
        tenant: Tenant {
            id: TenantId::new(Uuid::from_u128(7)),
            slug: slug.parse().unwrap(),
            name: name.to_owned(),
            description: String::new(),
            contact_email: String::new(),
            state: TenantState::Active,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
            version: 1,
        },
        keys: Vec::new(),
        connectors: Vec::new(),
    }
}

impl ConfigSource for Plane {
    fn platform(&self) -> BoxFuture<'_, Result<PlatformConfig, SourceError>> {
        let revision = *self.latest.borrow();
        Box::pin(async move {
            Ok(PlatformConfig {
                revision,
                keys: Vec::new(),
            })
        })
    }

    fn tenant<'a>(
        &'a self,
        slug: &'a str,
    ) -> BoxFuture<'a, Result<Option<TenantConfig>, SourceError>> {
        Box::pin(async move {
            let read = {
                let state = self.state.lock().unwrap();
                if state.broken {
                    return Err(SourceError("no database".to_owned()));
                }
                let revision = state.log.len() as i64;
                let name = state.tenants.get(slug);
                name.map(|name| config(slug, name, revision))
            };
            self.reads.send_modify(|reads| *reads += 1);
            let mut slow = self.slow.subscribe();
            slow.wait_for(|slow| !slow).await.unwrap();
            Ok(read)
        })
    }

    fn subscribe(&self, _listener: Arc<dyn ConfigListener>) {}

    fn keys_used<'a>(&'a self, _keys: &'a [KeyId]) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async { Ok(()) })
    }
}

impl Cluster for Plane {
    fn latest(&self) -> watch::Receiver<i64> {
        self.latest.subscribe()
    }

    fn changes_since(&self, known: i64) -> BoxFuture<'_, Result<Changes, SourceError>> {
        Box::pin(async move {
            let state = self.state.lock().unwrap();
            let revision = state.log.len() as i64;
            let start_over = known == 0 || known < state.floor;
            let newer = state.log.iter().filter(|change| change.revision > known);
            Ok(Changes {
                changes: match start_over {
                    true => Vec::new(),
                    false => newer.cloned().collect(),
                },
                revision,
                start_over,
            })
        })
    }

    fn workers(&self) -> watch::Receiver<Arc<[WorkerAddress]>> {
        self.workers.subscribe()
    }

    fn report<'a>(
        &'a self,
        node: &'a NodeInfo,
        report: NodeReport,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        self.reports.send_modify(|all| {
            all.insert(node.id.clone(), report);
        });
        Box::pin(async { Ok(()) })
    }

    fn lost<'a>(&'a self, node: &'a str) -> BoxFuture<'a, ()> {
        self.reports.send_modify(|all| {
            all.remove(node);
        });
        Box::pin(async {})
    }

    fn gateway_keys(&self) -> GatewayKeys {
        GatewayKeys {
            hashing: SecretSlice::from(vec![1; 32]),
            sealing: SecretSlice::from(vec![2; 32]),
        }
    }
}

fn serve(plane: &Arc<Plane>) -> Served {
    let trust = trust(&insecure(), Role::ControlPlane);
    Served::new(&trust, |process| {
        ConfigServer::new(plane.clone(), plane.clone(), process.clone()).router(&trust)
    })
}

/// Hears of changes, and keeps what it heard.
#[derive(Default)]
struct Heard(Mutex<Vec<(Subject, i64)>>);

impl ConfigListener for Heard {
    fn changed(&self, subject: &Subject, revision: i64) {
        self.0.lock().unwrap().push((subject.clone(), revision));
    }
}

/// A gateway's side.
struct Following {
    config: Arc<GatewayConfig>,
    keys: Keys,
    heard: Arc<Heard>,
    pool: Arc<WorkerPool>,
    process: Process,
    trigger: ShutdownTrigger,
}

impl Following {
    /// What its metrics say of the age of its configuration.
    fn age(&self) -> f64 {
        let text = self.process.metrics.encode();
        let name = "turnbuckle_config_line_age_seconds ";
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0.0, |age| age.parse().unwrap())
    }

    async fn start(at: &[SocketAddr], state: &Path) -> anyhow::Result<Self> {
        let trust = trust(&insecure(), Role::Gateway);
        let (trigger, process) = Process::new();
        let channels = at
            .iter()
            .map(|address| Channel::new(&address.to_string(), Role::ControlPlane, &trust).unwrap());
        let control_planes = ControlPlanes::new(channels.collect())?;
        let pool = Arc::new(WorkerPool::new(PoolConfig::default(), &trust));
        let (config, keys) = GatewayConfig::start(
            control_planes.clone(),
            LastGood::open(state)?,
            pool.clone(),
            GatewayConfigLimits::default(),
            Duration::from_millis(300),
            &process,
        )
        .await?;
        let heard = Arc::new(Heard::default());
        config.subscribe(heard.clone());
        let line = Line {
            node: NodeInfo {
                id: Uuid::new_v4().to_string(),
                role: Role::Gateway,
                version: "1".to_owned(),
                address: "127.0.0.1:1".to_owned(),
                capacity: 0,
                started_at: OffsetDateTime::UNIX_EPOCH,
            },
            follower: config.clone(),
            control_planes,
            config: LineConfig::default(),
        };
        process.tasks.essential("line", line.keep(process.clone()));
        Ok(Self {
            config,
            keys,
            heard,
            pool,
            process,
            trigger,
        })
    }

    async fn name(&self, slug: &str) -> Option<String> {
        let config = within(self.config.tenant(slug)).await.unwrap();
        config.map(|config| config.tenant.name)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.trigger.end();
    }
}

#[tokio::test]
async fn a_change_is_there_to_be_read_before_it_is_told_and_then_reported() {
    let (plane, state) = (Plane::new(), tempfile::tempdir().unwrap());
    plane.change("acme", Some("one"));
    let served = serve(&plane);
    let gateway = Following::start(&[served.address], state.path())
        .await
        .unwrap();
    assert_eq!(gateway.name("acme").await.as_deref(), Some("one"));
    assert_eq!(gateway.name("rival").await, None);
    assert_eq!(gateway.keys.hashing.as_bytes(), &[1; 32]);
    assert_eq!(gateway.keys.sealing.as_bytes(), &[2; 32]);

    let renamed = plane.change("acme", Some("two"));
    plane.enforced(renamed).await;
    assert_eq!(gateway.name("acme").await.as_deref(), Some("two"));
    let made = plane.change("rival", Some("new"));
    plane.enforced(made).await;
    assert_eq!(gateway.name("rival").await.as_deref(), Some("new"));
    let gone = plane.change("acme", None);
    plane.enforced(gone).await;
    assert_eq!(gateway.name("acme").await, None);

    let heard = gateway.heard.0.lock().unwrap();
    let tenant = |slug: &str| Subject::Tenant(slug.to_owned());
    for told in [
        (tenant("acme"), renamed),
        (tenant("rival"), made),
        (tenant("acme"), gone),
    ] {
        let it = |(subject, revision): &(Subject, i64)| *subject == told.0 && *revision >= told.1;
        assert!(heard.iter().any(it), "{told:?} in {heard:?}");
    }
}

#[tokio::test]
async fn what_changes_while_a_tenant_is_read_for_the_first_time_is_not_missed() {
    for before in [None, Some("before")] {
        let (plane, state) = (Plane::new(), tempfile::tempdir().unwrap());
        plane.change("acme", before);
        let served = serve(&plane);
        let gateway = Following::start(&[served.address], state.path())
            .await
            .unwrap();
        plane.enforced(1).await;
        plane.slow.send_replace(true);

        let (found, ()) = tokio::join!(gateway.name("acme"), async {
            let mut reads = plane.reads.subscribe();
            within(reads.wait_for(|reads| *reads == 1)).await.unwrap();
            let changed = plane.change("acme", Some("after"));
            // It is told of, and nothing that is held is older.
            plane.enforced(changed).await;
            plane.slow.send_replace(false);
        });

        assert_eq!(found.as_deref(), Some("after"), "{before:?}");
        assert_eq!(gateway.name("acme").await.as_deref(), Some("after"));
    }
}

#[tokio::test]
async fn workers_are_told_as_they_come_and_go() {
    let (plane, state) = (Plane::new(), tempfile::tempdir().unwrap());
    let served = serve(&plane);
    let gateway = Following::start(&[served.address], state.path())
        .await
        .unwrap();

    for count in [2_usize, 1, 0] {
        let worker = |number: usize| WorkerAddress {
            node: format!("w{number}"),
            address: "127.0.0.1:1".to_owned(),
            capacity: 1,
            load: 0,
            draining: false,
        };
        plane.workers.send_replace((0..count).map(worker).collect());
        within(async {
            while gateway.pool.len() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_node_knows_how_long_it_has_heard_of_no_control_plane() {
    let (plane, state) = (Plane::new(), tempfile::tempdir().unwrap());
    let served = serve(&plane);
    let gateway = Following::start(&[served.address], state.path())
        .await
        .unwrap();
    let age_becomes = async |right: fn(f64) -> bool| {
        within(async {
            while !right(gateway.age()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    };

    // There is nothing to tell, and it is spoken to all the same.
    for _ in 0..2 {
        age_becomes(|age| age > 0.6).await;
        age_becomes(|age| age < 0.4).await;
    }
    served.kill();
    age_becomes(|age| age > 2.5).await;
}

#[tokio::test]
async fn what_cannot_be_read_yet_is_served_as_it_was_and_said() {
    let (plane, state) = (Plane::new(), tempfile::tempdir().unwrap());
    plane.change("acme", Some("one"));
    let served = serve(&plane);
    let gateway = Following::start(&[served.address], state.path())
        .await
        .unwrap();
    gateway.name("acme").await;

    plane.state.lock().unwrap().broken = true;
    let renamed = plane.change("acme", Some("two"));
    within(async {
        while !gateway
            .process
            .readiness
            .degraded()
            .contains_key("configuration")
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(gateway.name("acme").await.as_deref(), Some("one"));
    assert!(
        plane
            .reports
            .borrow()
            .values()
            .all(|report| report.enforced < renamed)
    );

    plane.state.lock().unwrap().broken = false;
    plane.enforced(renamed).await;
    assert_eq!(gateway.name("acme").await.as_deref(), Some("two"));
    assert!(
        !gateway
            .process
            .readiness
            .degraded()
            .contains_key("configuration")
    );
}

#[tokio::test]
async fn a_gateway_starts_and_serves_without_any_control_plane_and_catches_up_after() {
    let (plane, state) = (Plane::new(), tempfile::tempdir().unwrap());
    plane.change("acme", Some("one"));
    let served = serve(&plane);
    let address = served.address;
    plane.workers.send_replace(Arc::new([WorkerAddress {
        node: "w".to_owned(),
        address: "127.0.0.1:1".to_owned(),
        capacity: 1,
        load: 0,
        draining: false,
    }]));
    let gateway = Following::start(&[address], state.path()).await.unwrap();
    gateway.name("acme").await;
    within(async {
        let kept = ["tenants/acme", "platform", "workers"];
        while !kept.iter().all(|name| state.path().join(name).exists()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    drop(served);
    assert_eq!(
        gateway.name("acme").await.as_deref(),
        Some("one"),
        "goes on"
    );
    drop(gateway);

    let alone = Following::start(&[address], state.path()).await.unwrap();
    assert_eq!(alone.keys.sealing.as_bytes(), &[2; 32]);
    assert_eq!(alone.pool.len(), 1, "it knows where the workers were");
    assert_eq!(alone.name("acme").await.as_deref(), Some("one"));
    let degraded = alone.process.readiness.degraded();
    assert!(degraded.contains_key("configuration"), "{degraded:?}");
    assert!(
        within(alone.config.tenant("rival")).await.is_err(),
        "never seen"
    );
    drop(alone);

    // Another control-plane answers, and meanwhile things have changed.
    let revision = plane.change("acme", Some("two"));
    plane.state.lock().unwrap().floor = revision;
    let again = serve(&plane);
    let late = Following::start(&[address, again.address], state.path())
        .await
        .unwrap();
    plane.enforced(revision).await;
    assert_eq!(late.name("acme").await.as_deref(), Some("two"));
}

#[tokio::test]
async fn a_line_moves_to_another_control_plane_and_misses_nothing() {
    let (plane, state) = (Plane::new(), tempfile::tempdir().unwrap());
    plane.change("acme", Some("one"));
    let (first, second) = (serve(&plane), serve(&plane));
    let gateway = Following::start(&[first.address, second.address], state.path())
        .await
        .unwrap();
    gateway.name("acme").await;
    plane.enforced(1).await;

    drop(first);
    let renamed = plane.change("acme", Some("two"));
    plane.enforced(renamed).await;

    assert_eq!(gateway.name("acme").await.as_deref(), Some("two"));
}

#[tokio::test]
async fn a_worker_gets_no_configuration() {
    let plane = Plane::new();
    let served = serve(&plane);
    let trust = trust(&insecure(), Role::Worker);
    let address = served.address.to_string();
    let channel = Channel::new(&address, Role::ControlPlane, &trust).unwrap();
    let mut client = proto::fabric::v1::config_service_client::ConfigServiceClient::new(channel);

    let platform = client
        .get_platform(proto::fabric::v1::GetPlatformRequest {})
        .await;
    let tenant = proto::fabric::v1::GetTenantRequest {
        slug: "acme".to_owned(),
    };
    let tenant = client.get_tenant(tenant).await;

    assert_eq!(platform.unwrap_err().code(), tonic::Code::PermissionDenied);
    assert_eq!(tenant.unwrap_err().code(), tonic::Code::PermissionDenied);
}
