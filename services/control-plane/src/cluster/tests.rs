//! Control-planes beside each other on one database.

use std::sync::Arc;
use std::time::Duration;

use ::fabric::{Cluster, NodeInfo, NodeReport, Role, Subject};
use bus::{Bus, Hint, LocalBus};
use crypto::{DerivedKey, KeyHasher};
use domain::Principal;
use runtime::{Clock, IdGen, ManualClock, Process, ShutdownTrigger, TimeOrderedIds};
use storage::testing::{TestStorage, each_storage, postgres, sqlite};
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{Behind, ClusterDeps, Leadership, Nodes};
use crate::operations::Operations;
use crate::page::PageRequest;
use crate::tenants::NewTenant;
use crate::{Config, ControlPlane, Creation, Deps};

const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);
/// Longer than anything here may take.
const LONG: Duration = Duration::from_secs(20);

struct Member {
    plane: ControlPlane,
    nodes: Nodes,
    info: NodeInfo,
    process: Process,
    trigger: ShutdownTrigger,
}

fn info(role: Role, address: &str) -> NodeInfo {
    NodeInfo {
        id: TimeOrderedIds.next().to_string(),
        role,
        version: "1.2.3".to_owned(),
        address: address.to_owned(),
        capacity: if role == Role::Worker { 8 } else { 0 },
        started_at: NOW,
    }
}

fn report(enforced: i64) -> NodeReport {
    NodeReport {
        enforced,
        ..NodeReport::default()
    }
}

impl Member {
    fn of(storage: &TestStorage, bus: Arc<dyn Bus>) -> Self {
        let (trigger, process) = Process::new();
        let deps = Deps {
            storage: (**storage).clone(),
            hasher: Arc::new(KeyHasher::new(&storage.root())),
            catalog: catalog::Catalog::builtin(),
            tokens: oauth::TokenEndpoint::new(
                egress::Client::new(&egress::EgressConfig::default()).unwrap(),
                oauth::Limits::default(),
                Arc::new(runtime::SystemClock),
            ),
            clock: Arc::new(ManualClock::new(NOW)) as Arc<dyn Clock>,
            ids: Arc::new(TimeOrderedIds),
        };
        let plane = ControlPlane::build(Config::default(), deps, &process).unwrap();
        let info = info(Role::ControlPlane, "127.0.0.1:9100");
        let key = || -> DerivedKey { KeyHasher::new(&storage.root()).into_key() };
        let nodes = plane.join(ClusterDeps {
            node: info.clone(),
            bus,
            hashing_key: key(),
            sealing_key: key(),
        });
        Self {
            plane,
            nodes,
            info,
            process,
            trigger,
        }
    }

    fn operations(&self) -> &Operations {
        self.plane.operations()
    }

    /// Makes a change; gives its revision.
    async fn change(&self, slug: &str) -> i64 {
        let tenant = NewTenant {
            slug: slug.to_owned(),
            name: slug.to_owned(),
            ..NewTenant::default()
        };
        self.operations()
            .create_tenant(&admin(), tenant, &Creation::default())
            .await
            .unwrap();
        self.operations().storage().last_revision().await.unwrap()
    }

    /// Waits until it has heard of a revision.
    async fn hears(&self, revision: i64) {
        let mut latest = self.nodes.latest();
        let heard = latest.wait_for(|latest| *latest >= revision);
        timeout(LONG, heard).await.unwrap().unwrap();
    }

    /// Waits until its workers are these.
    async fn sees_workers(&self, wanted: &[&NodeInfo]) {
        let mut wanted: Vec<&str> = wanted.iter().map(|node| node.id.as_str()).collect();
        wanted.sort_unstable();
        let mut workers = self.nodes.workers();
        let seen = workers.wait_for(|all| all.iter().map(|w| w.node.as_str()).eq(wanted.clone()));
        timeout(LONG, seen).await.unwrap().unwrap();
    }

    async fn listed(&self, node: &NodeInfo) -> Option<crate::NodeView> {
        let request = PageRequest::default();
        let all = self.operations().list_nodes(&admin(), &request).await;
        let all = all.unwrap().page.items;
        all.into_iter().find(|view| view.id.to_string() == node.id)
    }
}

fn admin() -> Principal {
    Principal {
        key: domain::KeyId::new(Uuid::from_u128(1)),
        scope: domain::Scope::PlatformAdmin,
        tenant: None,
    }
}

fn bus() -> Arc<dyn Bus> {
    Arc::new(LocalBus::new())
}

#[tokio::test]
async fn a_change_is_heard_of_at_once_where_it_is_made_and_by_hint_or_looking_elsewhere() {
    for storage in each_storage().await {
        let shared = bus();
        let here = Member::of(&storage, shared.clone());
        let there = Member::of(&storage, shared.clone());
        let deaf = Member::of(&storage, bus());

        here.change("first").await;
        let revision = here.change("acme").await;
        assert_eq!(*here.nodes.latest().borrow(), revision);
        there.hears(revision).await;
        // No hint reaches it: it looks.
        deaf.hears(revision).await;

        // Of a revision that nobody who looks can find, only a hint can have told.
        shared.publish(Hint {
            subject: Subject::Platform,
            revision: revision + 1_000,
        });
        there.hears(revision + 1_000).await;
        assert_eq!(*deaf.nodes.latest().borrow(), revision);

        let changes = there.nodes.changes_since(revision - 1).await.unwrap();
        assert_eq!((changes.revision, changes.changes.len()), (revision, 1));
        assert!(there.nodes.changes_since(0).await.unwrap().start_over);
    }
}

#[tokio::test]
async fn workers_are_known_everywhere_and_leave_with_their_line() {
    for storage in each_storage().await {
        let (here, there) = (Member::of(&storage, bus()), Member::of(&storage, bus()));
        let (one, two) = (info(Role::Worker, "one:1"), info(Role::Worker, "two:1"));

        let busy = NodeReport {
            load: 3,
            ..report(0)
        };
        here.nodes.report(&one, busy).await.unwrap();
        there.nodes.report(&two, report(0)).await.unwrap();
        here.sees_workers(&[&one, &two]).await;
        there.sees_workers(&[&one, &two]).await;
        let found = there.nodes.workers().borrow().to_vec();
        let found = found.iter().find(|worker| worker.node == one.id).unwrap();
        assert_eq!(
            (found.address.as_str(), found.capacity, found.load),
            ("one:1", 8, 3)
        );

        // One that drains is told of at once, so that it gets nothing new.
        let draining = NodeReport {
            draining: true,
            ..report(0)
        };
        here.nodes.report(&one, draining).await.unwrap();
        let told = here.nodes.workers().borrow().to_vec();
        assert!(told.iter().any(|w| w.node == one.id && w.draining));
        assert_eq!(here.listed(&one).await.unwrap().state, "draining");

        // Without a line it is gone here at once, and soon everywhere.
        here.nodes.lost(&one.id).await;
        let left = here.nodes.workers().borrow().to_vec();
        assert!(left.iter().all(|worker| worker.node != one.id));
        // Others say once a second that they are there.
        let speaking = async {
            loop {
                there.nodes.report(&two, report(0)).await.unwrap();
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        };
        let left = [&two];
        tokio::select! {
            () = speaking => {}
            () = there.sees_workers(&left) => {}
        }
        assert_eq!(there.listed(&one).await, None);

        // It may come back by either.
        there.nodes.report(&one, report(0)).await.unwrap();
        there.sees_workers(&[&one, &two]).await;
    }
}

#[tokio::test]
async fn a_node_that_says_nothing_is_listed_as_silent_and_not_counted_on() {
    let storage = postgres().await;
    let here = Member::of(&storage, bus());
    let (gateway, worker) = (info(Role::Gateway, "g:1"), info(Role::Worker, "w:1"));
    for node in [&gateway, &worker] {
        here.nodes.report(node, report(0)).await.unwrap();
    }
    here.sees_workers(&[&worker]).await;
    let revision = here.change("acme").await;
    let hurried = here.operations().wait_enforced(revision, Duration::ZERO);
    assert!(hurried.await.unwrap().is_err());

    let database = storage.database().unwrap();
    database.psql("UPDATE nodes SET last_seen = last_seen - 6000000");

    here.sees_workers(&[]).await;
    assert_eq!(here.listed(&gateway).await.unwrap().state, "silent");
    let waited = here.operations().wait_enforced(revision, Duration::ZERO);
    assert_eq!(waited.await.unwrap(), Ok(()));
    assert_eq!(here.listed(&here.info).await.unwrap().state, "ready");
}

#[tokio::test]
async fn one_of_two_leads_and_hands_over_when_it_drains() {
    for storage in each_storage().await {
        let (first, second) = (Member::of(&storage, bus()), Member::of(&storage, bus()));
        let (begun, mut leads) = mpsc::channel(8);
        let lead = |member: &Member, name: &'static str| {
            let (operations, begun) = (member.operations().clone(), begun.clone());
            let leadership = Leadership::of(&member.info).unwrap();
            member.process.tasks.joinable(async move {
                let work = || async {
                    begun.send(name).await.unwrap();
                    std::future::pending().await
                };
                Leadership::lead(Some(leadership), &operations, "test", work).await
            })
        };

        let leading = lead(&first, "first");
        assert_eq!(timeout(LONG, leads.recv()).await.unwrap(), Some("first"));
        let waiting = lead(&second, "second");
        let other = Uuid::from_u128(7);
        let taken = storage.lead("test", other, Duration::from_secs(1)).await;
        assert!(taken.unwrap().is_none());
        assert!(leads.try_recv().is_err());

        first.trigger.drain();
        timeout(LONG, leading).await.unwrap().unwrap().unwrap();
        // Before the term of the first is over.
        let handed_over = timeout(Duration::from_secs(5), leads.recv()).await;
        assert_eq!(handed_over.unwrap(), Some("second"));
        second.trigger.drain();
        timeout(LONG, waiting).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_change_is_waited_for_until_every_gateway_enforces_it() {
    for storage in each_storage().await {
        let here = Member::of(&storage, bus());
        let operations = here.operations();
        let (quick, slow) = (info(Role::Gateway, "q:1"), info(Role::Gateway, "s:1"));
        let worker = info(Role::Worker, "w:1");
        let revision = here.change("acme").await;
        here.nodes.report(&quick, report(revision)).await.unwrap();
        here.nodes
            .report(&slow, report(revision - 1))
            .await
            .unwrap();
        here.nodes.report(&worker, report(0)).await.unwrap();

        let in_vain = operations.wait_enforced(revision, Duration::from_millis(50));
        let behind = Behind {
            nodes: vec![slow.id.clone()],
            ..Behind::default()
        };
        assert_eq!(in_vain.await.unwrap(), Err(behind));
        let before = operations.wait_enforced(revision - 1, Duration::ZERO);
        assert_eq!(before.await.unwrap(), Ok(()));

        let catches_up = async {
            tokio::task::yield_now().await;
            here.nodes.report(&slow, report(revision)).await.unwrap();
        };
        let (waited, ()) = tokio::join!(operations.wait_enforced(revision, LONG), catches_up);
        assert_eq!(waited.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn a_gateway_that_died_holds_nobody_up_and_one_that_moved_is_still_waited_for() {
    let storage = sqlite().await;
    let (here, there) = (Member::of(&storage, bus()), Member::of(&storage, bus()));
    let (dead, moved) = (info(Role::Gateway, "d:1"), info(Role::Gateway, "m:1"));
    let revision = here.change("acme").await;
    for gateway in [&dead, &moved] {
        here.nodes
            .report(gateway, report(revision - 1))
            .await
            .unwrap();
    }

    here.nodes.lost(&dead.id).await;
    here.nodes.lost(&moved.id).await;
    there
        .nodes
        .report(&moved, report(revision - 1))
        .await
        .unwrap();

    let start = Instant::now();
    while there.listed(&dead).await.is_some() {
        assert!(start.elapsed() < Duration::from_secs(4), "it is waited for");
        there
            .nodes
            .report(&moved, report(revision - 1))
            .await
            .unwrap();
        tokio::task::yield_now().await;
    }
    let waited = there.operations().wait_enforced(revision, Duration::ZERO);
    let behind = Behind {
        nodes: vec![moved.id.clone()],
        ..Behind::default()
    };
    assert_eq!(waited.await.unwrap(), Err(behind));
    there.nodes.report(&moved, report(revision)).await.unwrap();
    let waited = there.operations().wait_enforced(revision, Duration::ZERO);
    assert_eq!(waited.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn two_that_start_at_once_on_an_empty_database_make_one_admin_key() {
    for storage in each_storage().await {
        let (one, two) = (Member::of(&storage, bus()), Member::of(&storage, bus()));

        let (first, second) = tokio::join!(
            one.plane.bootstrap(|_| Ok(())),
            two.plane.bootstrap(|_| Ok(()))
        );

        let made = [first.unwrap(), second.unwrap()];
        let tokens: Vec<_> = made.iter().flatten().collect();
        assert_eq!(tokens.len(), 1);
        let caller = two
            .operations()
            .authenticate(Some(&tokens[0].expose()))
            .await;
        let name = "first start of 127.0.0.1:9100";
        assert_eq!(caller.unwrap().key.name, name);
        // Who did not make it can say who did.
        for member in [&one, &two] {
            let told = member.plane.oldest_admin_key().await.unwrap();
            assert_eq!(told.as_deref(), Some(name));
        }
        assert_eq!(storage.platform_config().await.unwrap().keys.len(), 1);
    }
}
