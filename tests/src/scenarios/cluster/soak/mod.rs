//! Faults without end, under traffic of every kind: nothing piles up in the processes that stay,
//! and nothing is lost without a cause.

mod table;

use std::time::{Duration, Instant};

use serde_json::json;

use super::crowd::{Crowd, Fault, Front, Ledger, SESSION_AGE, STAYS, chance, open};
use crate::harness::cluster::{Cluster, Stage};
use crate::harness::eventually;
use table::Table;

/// Minutes that it takes when `TURNBUCKLE_SOAK_MINUTES` does not say so.
const SHORT: u32 = 2;
/// By when Redis has forgotten what clients left there: the mark of a question that was answered stays
/// for a minute beyond the question's own time.
const FORGOTTEN: Duration = Duration::from_secs(90);
/// Keys in Redis that are of no session.
const LEFT: usize = 64;
/// Other work may be done on the machine meanwhile; how long it took at most is told.
const SOON: Duration = Duration::from_secs(60);

fn length() -> Duration {
    let minutes = std::env::var_os("TURNBUCKLE_SOAK_MINUTES");
    let minutes = minutes.map(|text| text.to_str().unwrap().parse().unwrap());
    Duration::from_secs(60) * minutes.unwrap_or(SHORT)
}

/// Takes something away, lets the traffic go on without it, and brings it back; how long it took
/// from then on until all answered again.
async fn strike(stage: &mut Stage, crowd: &Crowd, fault: Fault, change: bool) -> Duration {
    crowd.ledger.strike(fault);
    let cluster = &mut stage.cluster;
    match fault {
        Fault::ControlPlane => cluster.control_planes[0].kill(),
        Fault::Worker => cluster.workers[0].kill(),
        Fault::Gateway => cluster.gateways[0].kill(),
        Fault::Redis => cluster.redis().kill(),
        Fault::Nats => cluster.nats().kill(),
    }
    tokio::time::sleep(Duration::from_millis(500 + chance() % 1500)).await;
    // Changes are possible whatever is away.
    switch(cluster, change).await;
    let back = Instant::now();
    match fault {
        Fault::ControlPlane => drop(cluster.control_planes[0].restart().await),
        Fault::Worker => drop(cluster.workers[0].restart().await),
        Fault::Gateway => drop(cluster.gateways[0].restart().await),
        Fault::Redis => cluster.redis().restart(),
        Fault::Nats => cluster.nats().restart(),
    }
    well(stage).await;
    crowd.ledger.mended();
    back.elapsed()
}

/// Switches a tool that nobody calls, of which all listeners are told.
async fn switch(cluster: &Cluster, enabled: bool) {
    let admin = cluster.admin(STAYS);
    for connector in ["legacy", "modern", "hosted"] {
        let path = format!("/tenants/acme/connectors/{connector}/tools/hold");
        let patch = json!({ "enabled": enabled });
        admin.patch(&path, &patch).await.expect(200);
    }
}

/// All answers again, and nobody says that something is missing.
async fn well(stage: &Stage) {
    eventually(SOON, "all answers again", async || {
        for member in stage.cluster.members() {
            if member.ready().await["status"] != "ready" {
                return None;
            }
        }
        for wire in [&stage.legacy, &stage.modern, &stage.hosted] {
            for gateway in [0, 1] {
                if !stage.echoes(wire, gateway).await {
                    return None;
                }
            }
        }
        Some(())
    })
    .await;
}

/// What a process says of itself.
async fn gauge(member: &crate::harness::cluster::Member, name: &str) -> u64 {
    let text = member.operator().get("/metrics").await.text;
    let line = text.lines().find_map(|line| {
        let rest = line.strip_prefix("turnbuckle_")?.strip_prefix(name)?;
        rest.strip_prefix(' ')
    });
    let value = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    value.parse::<f64>().unwrap() as u64
}

/// Once the clients have gone, what they left behind goes too, from Redis too.
async fn all_is_quiet(stage: &mut Stage) {
    let (gateway, worker) = (
        &stage.cluster.gateways[STAYS],
        &stage.cluster.workers[STAYS],
    );
    let limit = SESSION_AGE + SOON;
    for (member, names) in [
        (
            gateway,
            ["mcp_requests_in_flight", "mcp_calls_parked", "mcp_streams"],
        ),
        (
            worker,
            [
                "worker_calls_in_flight",
                "worker_calls_parked",
                "worker_breakers_open",
            ],
        ),
    ] {
        for name in names {
            let what = format!("{name} of {} is 0", member.name());
            eventually(limit, &what, async || {
                // Questions that nobody answered are given up with the next one.
                let question = stage.modern.ask(STAYS).await.unwrap();
                assert!(stage.modern.answer(STAYS, &question).await.is_result());
                (gauge(member, name).await == 0).then_some(())
            })
            .await;
        }
    }
    // But for what gateways keep for themselves, and lists of sessions that are gone.
    let redis = stage.cluster.redis();
    eventually(FORGOTTEN, "sessions are gone from Redis", async || {
        let (keys, expire) = redis.keys();
        assert!(expire, "each key in Redis expires");
        (keys < LEFT).then_some(())
    })
    .await;
}

/// What was done, and what clients got.
fn report(ledger: &Ledger, recoveries: &[(Fault, Duration)]) {
    println!("strikes, and how long it took at most until all answered again:");
    for fault in Fault::ALL {
        let took = recoveries.iter().filter(|(of, _)| *of == fault);
        let slowest = took.map(|(_, took)| *took).max().unwrap_or_default();
        println!("  {fault:?}: {}, {slowest:?}", ledger.count(fault));
    }
    println!("what clients got:");
    for (kind, count) in ledger.kinds() {
        println!("  {kind}: {count:?}");
    }
    println!("how the lost ones ended:");
    for (way, count) in ledger.ways() {
        println!("  {count} {way}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_piles_up_while_processes_are_killed_under_traffic() {
    let length = length();
    let mut stage = open().await;
    stage.works().await;
    let mut crowd = Crowd::gather(&stage, Front::Stays, Front::Any).await;
    // What the machine carries, and from then on half of it.
    let began = Instant::now();
    tokio::time::sleep(length / 24).await;
    let full = crowd.calls() as f64 / began.elapsed().as_secs_f64();
    crowd.pace(full / 2.0);
    println!("{full:.0} calls/s at full load; half of it from now on");

    let mut table = Table::new((length / 24).min(Duration::from_secs(60)));
    let began = Instant::now();
    let (mut change, mut recoveries) = (false, Vec::new());
    while began.elapsed() < length {
        let fault = Fault::ALL[usize::try_from(chance() % 5).unwrap()];
        recoveries.push((fault, strike(&mut stage, &crowd, fault, change).await));
        change = !change;
        tokio::time::sleep(Duration::from_millis(chance() % 3000)).await;
        table.look(&mut stage.cluster, &crowd);
        crowd.assert_none_has_ended();
    }
    report(&crowd.ledger, &recoveries);
    let told = Duration::from_secs(10);
    crowd
        .all_are_told(told, async || switch(&stage.cluster, change).await)
        .await;
    let ledger = crowd.ledger.clone();
    drop(crowd);

    ledger.assert_all_is_explained();
    table.assert_flat(&stage.cluster);
    all_is_quiet(&mut stage).await;
}
