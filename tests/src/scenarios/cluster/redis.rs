//! Redis is stopped, paused, emptied or failed over, while legacy sessions listen and stream, calls
//! wait for their client, and two tenants make calls.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::redis_cluster::RedisCluster;
use testkit::redis_pair::RedisPair;
use tokio::task::JoinSet;

use crate::harness::cluster::{Cluster, Got, Legacy, Next, PAIR, Stage, Stream, Traffic, Wire};
use crate::harness::eventually;

const SOON: Duration = Duration::from_secs(15);
const OUTAGE: Duration = Duration::from_secs(5);
/// Events of the stream that runs meanwhile, 20 ms apart: it outlasts the outage.
const TICKS: u64 = 400;

/// What Redis still knows once it is there again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Knows {
    All,
    /// Nothing, and it was away before.
    Nothing,
    /// Nothing, from one moment to the next: nobody is told so.
    NothingAtOnce,
}

/// What goes on before, during and after.
struct Life {
    /// Clients of two tenants, each call with words of its own.
    traffic: Traffic,
    /// A legacy session with an open stream of its own.
    session: Legacy,
    listening: Stream,
    /// A call whose events and answer its client reads as they come.
    ticking: JoinSet<(Vec<u64>, String)>,
    /// Modern calls that wait for their client: who was asked comes back with these.
    parked: Vec<Value>,
}

/// The parameters that bring the answer to a call that asked something.
async fn park(wire: &Wire, gateway: usize) -> Value {
    let mut params = json!({ "name": "ask", "arguments": {} });
    let got = wire.modern(gateway, "tools/call", params.clone()).await;
    let result = &got.message()["result"];
    assert_eq!(result["resultType"], "input_required", "{got:?}");
    let asked = result["inputRequests"].as_object().unwrap();
    let key = asked.keys().next().unwrap();
    params["requestState"] = result["requestState"].clone();
    params["inputResponses"] = json!({ key: { "action": "accept", "content": { "name": "Ada" } } });
    params
}

/// Reads a stream to its answer: the numbers of its events, and how it ended.
async fn read(mut stream: Stream) -> (Vec<u64>, String) {
    let mut seen = Vec::new();
    loop {
        match stream.next().await {
            Next::Message(message) => match message["params"]["progress"].as_u64() {
                Some(n) => seen.push(n),
                None => return (seen, Got::Message(message).text().to_owned()),
            },
            other => return (seen, format!("{other:?}")),
        }
    }
}

impl Life {
    async fn begin(stage: &Stage) -> Self {
        let rival = stage.rival().await;
        let all = [&stage.legacy, &stage.modern, &stage.hosted, &rival];
        let session = stage.legacy.open(0).await;
        let listening = session.listen(1, "").await;
        let args = json!({ "count": TICKS, "every": 20 });
        let stream = stage.legacy.open(0).await.stream(1, "tick", args).await;
        let mut ticking = JoinSet::new();
        ticking.spawn(read(stream));
        let mut parked = Vec::new();
        for gateway in 0..PAIR {
            parked.push(park(&stage.modern, gateway).await);
            parked.push(park(&stage.legacy, gateway).await);
        }
        Self {
            traffic: Traffic::start(&all, &[0, 1]).await,
            session,
            listening,
            ticking,
            parked,
        }
    }

    /// Asserts what holds once Redis is there again, also when it knows nobody any more: what a
    /// client holds of its session says enough to go on.
    async fn goes_on(&mut self, stage: &Stage, knows: Knows) {
        eventually(SOON, "calls are made", async || {
            (self.traffic.made() > 0).then_some(())
        })
        .await;
        self.traffic.take().unharmed();
        // Its client read all the time, so nothing had to be kept for it.
        let (seen, answer) = self.ticking.join_next().await.unwrap().unwrap();
        assert!(seen.iter().copied().eq(1..=TICKS), "{seen:?}");
        assert_eq!(answer, "ticked");
        self.asks_are_answered_once(stage).await;
        self.session_is_told(stage, "hold", false, knows).await;
        let got = self.session.call(0, "echo", json!({ "text": "hi" })).await;
        assert_eq!(got.text(), "hi");
        stage.works().await;
        self.traffic.take().unharmed();
    }

    /// Who was asked before comes back, to the other gateway than before.
    async fn asks_are_answered_once(&mut self, stage: &Stage) {
        let wires = [&stage.modern, &stage.legacy];
        for (n, params) in self.parked.drain(..).enumerate() {
            let (wire, gateway) = (wires[n % 2], 1 - n / 2);
            let got = wire.modern(gateway, "tools/call", params.clone()).await;
            assert_eq!(got.text(), "Hello, Ada!");
            for gateway in 0..PAIR {
                let again = wire.modern(gateway, "tools/call", params.clone()).await;
                assert!(!again.is_result(), "a state is used once: {again:?}");
            }
        }
    }

    /// A change reaches the session's stream, which may have to be taken up again.
    async fn session_is_told(&mut self, stage: &Stage, tool: &str, enabled: bool, knows: Knows) {
        let path = format!("/tenants/acme/connectors/legacy/tools/{tool}");
        let patch = json!({ "enabled": enabled });
        let admin = stage.cluster.admin(0);
        admin.patch(&path, &patch).await.expect(200);
        let told = loop {
            match tokio::time::timeout(SOON, self.listening.next()).await {
                Ok(Next::Message(message)) => break message,
                Ok(ended) => {
                    assert!(knows != Knows::NothingAtOnce, "{ended:?}");
                    // An id that nobody knows any more is refused.
                    let known = knows == Knows::All;
                    let last = self.listening.last_id.clone();
                    let last = if known { last } else { String::new() };
                    self.listening = self.session.listen(0, &last).await;
                }
                Err(_) => panic!("the stream of the session is told nothing"),
            }
        };
        assert_eq!(told["method"], "notifications/tools/list_changed", "{told}");
    }
}

async fn all_say(stage: &Stage, status: &str) {
    for gateway in &stage.cluster.gateways {
        eventually(SOON, &format!("it says {status}"), async || {
            (gateway.ready().await["status"] == status).then_some(())
        })
        .await;
    }
}

/// Strikes, waits until readiness says so, lets the outage last, mends, and asserts that all goes
/// on.
async fn life_goes_on(
    what: &str,
    mut stage: Stage,
    strike: impl FnOnce(&mut Cluster),
    lasts: Duration,
    mend: impl FnOnce(&mut Cluster),
    knows: Knows,
) {
    stage.works().await;
    let mut life = Life::begin(&stage).await;
    life.traffic.take();
    strike(&mut stage.cluster);
    let began = Instant::now();
    all_say(&stage, "degraded").await;
    println!("{what}: readiness says so after {:?}", began.elapsed());
    tokio::time::sleep(lasts.saturating_sub(began.elapsed())).await;
    let during = life.traffic.take();
    println!("{what}: {during:?}");
    mend(&mut stage.cluster);
    let back = Instant::now();
    all_say(&stage, "ready").await;
    println!("{what}: ready again after {:?}", back.elapsed());
    during.unharmed();
    life.goes_on(&stage, knows).await;
}

#[tokio::test]
async fn all_goes_on_while_redis_is_stopped_and_when_it_is_back_empty() {
    let stage = Stage::open().await;
    let strike = |cluster: &mut Cluster| cluster.redis().stop();
    let mend = |cluster: &mut Cluster| cluster.redis().restart();
    life_goes_on("stopped", stage, strike, OUTAGE, mend, Knows::Nothing).await;
}

#[tokio::test]
async fn all_goes_on_while_redis_is_paused() {
    let stage = Stage::open().await;
    let strike = |cluster: &mut Cluster| cluster.redis().pause();
    let mend = |cluster: &mut Cluster| cluster.redis().resume();
    life_goes_on("paused", stage, strike, OUTAGE, mend, Knows::All).await;
}

#[tokio::test]
async fn all_goes_on_when_redis_forgets_everything() {
    let mut stage = Stage::open().await;
    stage.works().await;
    let mut life = Life::begin(&stage).await;
    life.traffic.take();
    stage.cluster.redis().flush();
    life.goes_on(&stage, Knows::NothingAtOnce).await;
    all_say(&stage, "ready").await;

    // The stream that went on is known again, where its client comes back for it.
    stage.cluster.gateways[1].kill();
    life.listening = life.session.listen(0, &life.listening.last_id).await;
    life.session_is_told(&stage, "hold", true, Knows::All).await;
}

/// A cluster of ours whose gateways use this Redis.
async fn stage_with(redis: &str) -> Stage {
    let mut cluster = Cluster::prepare();
    let own = format!("nodes = [\"{}\"]", cluster.redis().url());
    cluster.configure_further("gateway", |toml| {
        assert!(toml.contains(&own), "{toml}");
        toml.replace(&own, redis)
    });
    // Nobody is to use it.
    cluster.redis().stop();
    cluster.launch().await;
    Stage::on(cluster).await
}

#[tokio::test]
async fn all_goes_on_when_the_replica_takes_the_place_of_a_primary_that_died() {
    let mut pair = RedisPair::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("redis.nodes");
    std::fs::write(&file, pair.urls().join("\n")).unwrap();
    let stage = stage_with(&format!("nodes_file = {file:?}\nreplicated = true")).await;
    let RedisPair { first, second } = &mut pair;

    let strike = |_: &mut Cluster| first.kill();
    let mend = |_: &mut Cluster| {
        second.run(&["REPLICAOF", "NO", "ONE"]);
    };
    life_goes_on(
        "failed over",
        stage,
        strike,
        Duration::ZERO,
        mend,
        Knows::All,
    )
    .await;
}

#[tokio::test]
async fn all_goes_on_when_a_cluster_promotes_a_replica_of_a_master_that_died() {
    let mut redis = RedisCluster::with_replicas(3);
    let urls: Vec<String> = redis.urls().iter().map(|url| format!("{url:?}")).collect();
    let stage = stage_with(&format!("nodes = [{}]", urls.join(", "))).await;

    // Nobody mends it: it does so itself.
    let strike = |_: &mut Cluster| redis.nodes[0].kill();
    let mend = |_: &mut Cluster| {};
    life_goes_on("cluster", stage, strike, Duration::ZERO, mend, Knows::All).await;
}
