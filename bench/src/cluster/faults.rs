//! What each fault costs clients and administrators.
//!
//! Twelve clients call, each one call at a time: six prefer each gateway and go to the other one when
//! their connection breaks; modern and legacy clients of a remote server with two keys each, which
//! different workers may serve, and of a hosted server. An administrator switches a tool every 100 ms,
//! waits until that is enforced, and goes to the other control-plane when one does not answer.

mod report;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use bench::client::{Answer, Target};
use http::Method;
use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinHandle;

use super::Found;
use super::admin::Admin;
use super::prober::{Era, Plan, Prober, Sample};
use super::ready::Cluster;
use report::{Cost, found};

const TENANT: &str = "faults";
const PAUSE: Duration = Duration::from_millis(10);
const CHANGE_EVERY: Duration = Duration::from_millis(100);
/// Without a failure for so long, it is over.
const QUIET: Duration = Duration::from_secs(2);

/// What is ended, and how.
struct Fault {
    name: &'static str,
    members: Vec<String>,
    signal: Signal,
    /// How long it stays away. Absent: until the clients are served without it.
    away: Option<Duration>,
}

/// Where clients go.
struct Stage {
    endpoints: Vec<(Vec<Target>, Era)>,
}

/// # Errors
/// The cluster cannot be reached, or clients are not served again after a fault.
pub(super) async fn measure(
    mut cluster: Cluster,
    upstream: &str,
    program: &str,
    away: u64,
) -> anyhow::Result<Found> {
    let stage = Stage::set(&cluster, upstream, program).await?;
    let away = Duration::from_secs(away);
    let all = |role: &str| {
        let of_role = cluster.of_role(role);
        of_role
            .map(|member| member.name().to_owned())
            .collect::<Vec<_>>()
    };
    let (control_planes, one) = (all("control-plane"), |name: &str| vec![name.to_owned()]);
    let killed = |name, members, away| Fault {
        name,
        members,
        signal: Signal::KILL,
        away,
    };
    let stopped = |name, member, signal| Fault {
        name,
        members: one(member),
        signal,
        away: Some(away),
    };
    let faults = [
        killed("gateway killed", one("gateway-1"), None),
        // Which one is known once its hosted server runs.
        killed("worker killed", Vec::new(), None),
        killed("control-plane killed", one("control-plane-1"), None),
        killed("all control-planes killed", control_planes, Some(away)),
        stopped("Redis stopped", "redis", Signal::TERM),
        stopped("NATS stopped", "nats", Signal::TERM),
        stopped("Postgres stopped", "postgres", Signal::INT),
    ];
    let mut costs = Vec::new();
    for fault in faults {
        let name = fault.name;
        let cost = stage.suffer(&mut cluster, fault).await;
        costs.push(cost.with_context(|| name)?);
    }
    Ok(found(&costs, away))
}

impl Stage {
    async fn set(cluster: &Cluster, upstream: &str, program: &str) -> anyhow::Result<Self> {
        let mut admin = cluster.admin();
        admin.tenant(TENANT).await?;
        let url = format!("{upstream}/tools/3");
        admin.remote(TENANT, "remote", &url).await?;
        let hosted = json!({ "command": [program, "stdio"] });
        let hosted = json!({ "slug": "hosted", "type": "hosted_mcp", "config": hosted });
        admin.connector(TENANT, &hosted, true).await?;
        let mut endpoints = Vec::new();
        for era in [Era::Modern, Era::Legacy] {
            for connector in ["remote", "remote", "hosted"] {
                let key = admin.key(TENANT).await?.secret;
                endpoints.push((cluster.endpoints(TENANT, connector, &key)?, era));
            }
        }
        Ok(Self { endpoints })
    }

    fn clients(&self) -> Prober {
        let plans = self.endpoints.iter().flat_map(|(gateways, era)| {
            (0..gateways.len()).map(|first| {
                let mut gateways = gateways.clone();
                gateways.rotate_left(first);
                Plan {
                    gateways,
                    era: *era,
                    tool: "tool_0000",
                    pause: PAUSE,
                }
            })
        });
        Prober::start(plans.collect())
    }

    async fn suffer(&self, cluster: &mut Cluster, mut fault: Fault) -> anyhow::Result<Cost> {
        for member in cluster.members() {
            member.ready().await?;
        }
        let (clients, writer) = (self.clients(), Writer::start(cluster.admin()));
        clients.well(Instant::now(), QUIET).await?;
        if fault.members.is_empty() {
            let mut workers = cluster.of_role("worker");
            let host = workers.find(|worker| worker.has_children());
            fault.members = vec![host.context("no worker hosts")?.name().to_owned()];
        }

        let began = Instant::now();
        for member in &fault.members {
            cluster.named_mut(member)?.end(fault.signal).await?;
        }
        match fault.away {
            Some(away) => tokio::time::sleep_until((began + away).into()).await,
            None => clients.well(began, QUIET).await?,
        }
        let restarted = Instant::now();
        for member in &fault.members {
            cluster.named_mut(member)?.start()?;
        }
        for member in cluster.members() {
            member.ready().await?;
        }
        let back = restarted.elapsed();
        clients.well(restarted, QUIET).await?;
        writer.well(restarted).await?;
        let cost = Cost::of(fault.name, began, back, &clients, &writer.end().await);
        Ok(cost)
    }
}

/// Changes something again and again.
struct Writer {
    prober: JoinHandle<()>,
    samples: Arc<Mutex<Vec<Sample>>>,
}

impl Writer {
    #[expect(
        clippy::disallowed_methods,
        reason = "ends with its measurement, and the process"
    )]
    fn start(mut admin: Admin) -> Self {
        let samples = Arc::<Mutex<Vec<Sample>>>::default();
        let noted = samples.clone();
        let prober = tokio::spawn(async move {
            let mut enabled = false;
            loop {
                let began = Instant::now();
                let path = format!("/tenants/{TENANT}/connectors/remote/tools/tool_0001?wait=10");
                let patch = json!({ "enabled": enabled });
                let answer = admin.send(Method::PATCH, &path, &patch).await;
                let good = answer.as_ref().is_ok_and(is_enforced);
                if good {
                    enabled = !enabled;
                }
                noted.lock().expect("no panic while held").push(Sample {
                    client: 0,
                    began,
                    ended: Instant::now(),
                    good,
                });
                tokio::time::sleep(CHANGE_EVERY).await;
            }
        });
        Self { prober, samples }
    }

    /// Waits until a change that was begun after `since` is enforced.
    async fn well(&self, since: Instant) -> anyhow::Result<()> {
        let is_well = || {
            let samples = self.samples.lock().expect("no panic while held");
            samples
                .iter()
                .any(|sample| sample.good && sample.began >= since)
        };
        let wait = async {
            while !is_well() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait)
            .await
            .context("nothing can be changed")
    }

    /// What it noted.
    async fn end(self) -> Vec<Sample> {
        self.prober.abort();
        // It says only that it was ended.
        self.prober.await.ok();
        let samples = self.samples.lock().expect("no panic while held");
        samples.clone()
    }
}

fn is_enforced(answer: &Answer) -> bool {
    let said = answer.headers.get("turnbuckle-enforced");
    answer.status.is_success() && said.is_none_or(|said| said == "true")
}
