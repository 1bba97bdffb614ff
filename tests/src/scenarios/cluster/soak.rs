//! Kills without end, under traffic: nothing piles up in those that stay.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::cluster::{Cluster, Holds, Member, Stage, Traffic};
use crate::harness::eventually;

/// How long it runs when `TURNBUCKLE_SOAK_MINUTES` does not say so.
const SHORT: Duration = Duration::from_secs(40);
const SOON: Duration = Duration::from_secs(20);
/// Nothing is compared before so much of the time has gone: pools and caches fill first.
const WARM: u32 = 3;
/// MiB that a process that is warm may still grow by.
const GROWTH: u64 = 24;

fn length() -> Duration {
    let minutes = std::env::var_os("TURNBUCKLE_SOAK_MINUTES");
    let minutes = minutes.map(|text| text.to_str().unwrap().parse().unwrap());
    minutes.map_or(SHORT, |minutes: u64| Duration::from_secs(60 * minutes))
}

/// Those that are never killed: the second of each role.
fn stays(cluster: &Cluster) -> [&Member; 3] {
    [&cluster.control_planes, &cluster.workers, &cluster.gateways].map(|members| &members[1])
}

fn holds(cluster: &Cluster) -> [Holds; 3] {
    stays(cluster).map(Member::holds)
}

/// Kills the first of a role, lets the traffic go on without it, and starts it again.
async fn strike(stage: &mut Stage, role: u64) {
    let cluster = &mut stage.cluster;
    let members = match role % 3 {
        0 => &mut cluster.control_planes,
        1 => &mut cluster.workers,
        _ => &mut cluster.gateways,
    };
    members[0].kill();
    tokio::time::sleep(Duration::from_millis(700)).await;
    members[0].restart().await;
    eventually(SOON, "all answers again", async || {
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

#[tokio::test]
async fn nothing_piles_up_while_processes_are_killed_under_traffic() {
    let mut stage = Stage::open().await;
    let wires = [
        stage.legacy.clone(),
        stage.modern.clone(),
        stage.hosted.clone(),
    ];
    let all = [&wires[0], &wires[1], &wires[2]];
    // Those at the gateway that stays are to notice next to nothing.
    let steady = Traffic::start(&all, &[1]).await;
    let other = Traffic::start(&all, &[0, 1]).await;
    let (began, length) = (Instant::now(), length());
    let random = RandomState::new();
    let (mut strikes, mut before) = (0, None);
    while began.elapsed() < length {
        strike(&mut stage, random.hash_one(strikes)).await;
        // A client that comes and goes.
        let session = stage.legacy.open(1).await;
        let got = session.call(0, "echo", json!({ "text": "hi" })).await;
        assert_eq!(got.text(), "hi");
        session.delete(1).await;
        strikes += 1;
        if before.is_none() && began.elapsed() > length / WARM {
            before = Some((
                holds(&stage.cluster),
                stage.cluster.redis().keys().0,
                strikes,
            ));
        }
    }
    let (keys, expire) = stage.cluster.redis().keys();
    let after = (holds(&stage.cluster), keys);
    let before = before.expect("it takes longer than it warms up");
    let (steady, other) = (steady.take(), other.take());
    println!("{strikes} kills within {:?}", began.elapsed());
    println!("before: {before:?}\nafter: {after:?}");
    println!("at the gateway that stayed: {steady:?}\nat both: {other:?}");

    for ((member, before), after) in stays(&stage.cluster).iter().zip(before.0).zip(after.0) {
        let (name, what) = (member.name(), format!("{before:?} -> {after:?}"));
        assert!(after.memory <= before.memory + GROWTH, "{name}: {what}");
        assert!(
            after.descriptors <= before.descriptors + 16,
            "{name}: {what}"
        );
        assert!(after.processes <= before.processes + 3, "{name}: {what}");
    }
    // Of a session that has ended, a mark stays until it would have ended anyway.
    let ended = strikes - before.2;
    assert!(
        expire && keys <= before.1 + ended + 10,
        "keys in Redis: {} -> {keys}",
        before.1
    );
    // A call is lost only with the worker that had it: at most one of each client.
    let lost: usize = steady.bad.values().sum();
    assert!(
        lost <= strikes * 6 && steady.good > 100 * lost,
        "{steady:?}"
    );
    let told = steady
        .bad
        .keys()
        .all(|how| how.contains("effect") || how.contains("unknown"));
    assert!(told, "{steady:?}");
}
