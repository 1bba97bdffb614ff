//! Clients of every kind at a cluster, all at once, and what they got.

mod clients;
mod front;
mod ledger;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::cluster::{Cluster, Got, PAIR, Stage, Wire};
use crate::harness::eventually;
use clients::Client;
pub(super) use clients::{BEGIN, chance};
pub(super) use front::Front;
pub(super) use ledger::{Fault, Ledger};

/// The second of each role is never killed, the first one may be.
pub(super) const STAYS: usize = 1;
/// So short that sessions come of age within the two minutes that a soak takes at least.
pub(super) const SESSION_AGE: Duration = Duration::from_secs(30);
const GATEWAY: &str = "
[gateway]
session_age = 30
session_idle = 15
keep_alive = 2
input_timeout = 10
stream_age = 10
stream_unread = 10
";
const WORKER: &str = "
[worker.upstream]
parked_ttl = 10
lane_idle = 10
";

/// A cluster in which what clients leave behind goes soon.
pub(super) async fn open() -> Stage {
    let mut cluster = Cluster::prepare();
    cluster.configure_further("gateway", |toml| toml + GATEWAY);
    cluster.configure_further("worker", |toml| toml + WORKER);
    if let Some(filter) = std::env::var_os("TURNBUCKLE_SOAK_LOG") {
        let log = format!("[log]\nfilter = {filter:?}\n");
        cluster.configure_further("gateway", |toml| toml + &log);
    }
    cluster.launch().await;
    Stage::on(cluster).await
}

/// Callers at each endpoint: two eras, at the gateway that stays and at all.
const CALLERS_PER_WIRE: usize = 4;

/// Clients that go on until this is dropped.
pub(super) struct Crowd {
    pub(super) ledger: Arc<Ledger>,
    period: Arc<AtomicU64>,
    callers: usize,
    /// By listener: how often it was told of changed tools.
    told: Vec<Arc<AtomicUsize>>,
    tasks: JoinSet<()>,
}

impl Crowd {
    /// Clients at each connector and at the tenant's endpoint, as fast as they can. Half of the
    /// callers come through `steady`, everybody else through `front`.
    pub(super) async fn gather(stage: &Stage, steady: Front, front: Front) -> Self {
        let mut crowd = Self {
            ledger: Arc::default(),
            period: Arc::default(),
            callers: 0,
            told: Vec::new(),
            tasks: JoinSet::new(),
        };
        let among_all = stage.legacy.among_all();
        let wires = [&stage.legacy, &stage.modern, &stage.hosted, &among_all];
        for wire in wires {
            for front in [&steady, &front] {
                let client = crowd.client(wire, front);
                crowd.tasks.spawn(client.clone().modern_calls());
                crowd.tasks.spawn(client.legacy_calls());
            }
            crowd.callers += CALLERS_PER_WIRE;
            // Over stdio a question names no call: who is asked has calls of no other kind.
            let asked = with_new_key(stage, wire).await;
            crowd
                .tasks
                .spawn(crowd.client(&asked, &front).modern_questions());
            let asked = with_new_key(stage, wire).await;
            crowd
                .tasks
                .spawn(crowd.client(&asked, &front).legacy_questions());
            let told = crowd.listener();
            crowd.tasks.spawn(crowd.client(wire, &front).listens(told));
            let told = crowd.listener();
            crowd.tasks.spawn(crowd.client(wire, &front).watches(told));
        }
        for wire in [&stage.legacy, &among_all] {
            crowd.tasks.spawn(crowd.client(wire, &front).streams());
            crowd.tasks.spawn(crowd.client(wire, &steady).streams());
            crowd.tasks.spawn(crowd.client(wire, &front).visits());
        }
        crowd
    }

    fn client(&self, wire: &Wire, front: &Front) -> Client {
        Client {
            wire: wire.clone(),
            ledger: self.ledger.clone(),
            period: self.period.clone(),
            front: front.clone(),
        }
    }

    fn listener(&mut self) -> Arc<AtomicUsize> {
        let told = Arc::new(AtomicUsize::new(0));
        self.told.push(told.clone());
        told
    }

    /// From now on callers make so many calls in a second together.
    pub(super) fn pace(&self, calls_per_second: f64) {
        let period = self.callers as f64 / calls_per_second;
        let micros = Duration::from_secs_f64(period).as_micros();
        self.period
            .store(u64::try_from(micros).unwrap(), Ordering::Relaxed);
    }

    /// Calls of callers so far, however they ended.
    pub(super) fn calls(&self) -> usize {
        let kinds = self.ledger.kinds();
        let calls = ["modern call", "legacy call"].map(|kind| kinds.get(kind).copied());
        calls.into_iter().flatten().map(|c| c.good + c.lost).sum()
    }

    /// Each listener is told of what `change` does.
    pub(super) async fn all_are_told(&self, limit: Duration, change: impl AsyncFnOnce()) {
        let read = || self.told.iter().map(|told| told.load(Ordering::Relaxed));
        let before: Vec<usize> = read().collect();
        change().await;
        let what = format!("each listener is told; before: {before:?}");
        eventually(limit, &what, async || {
            read()
                .zip(&before)
                .all(|(now, then)| now > *then)
                .then_some(())
        })
        .await;
    }

    /// A client that has failed fails the test.
    pub(super) fn assert_none_has_ended(&mut self) {
        if let Some(ended) = self.tasks.try_join_next() {
            panic!("a client has ended: {ended:?}");
        }
    }
}

/// The same endpoint with a key of its own that works at all gateways.
async fn with_new_key(stage: &Stage, wire: &Wire) -> Wire {
    let (_, key) = stage.cluster.key("acme").await;
    let wire = wire.with_key(&key);
    for gateway in 0..PAIR {
        eventually(Duration::from_secs(10), "a new key works", async || {
            let got = wire.modern(gateway, "tools/list", json!({})).await;
            matches!(got, Got::Message(_)).then_some(())
        })
        .await;
    }
    wire
}
