//! Changes are enforced on all gateways, with NATS and without.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::cluster::{Cluster, Got, PAIR, Stage, Wire};
use crate::harness::eventually;

const SOON: Duration = Duration::from_secs(10);

/// How long it takes until a new tenant_user key works nowhere after it was revoked.
async fn revoke(cluster: &Cluster, wire: &Wire, through: usize) -> Duration {
    let (id, secret) = cluster.key("acme").await;
    let wire = wire.with_key(&secret);
    for gateway in 0..PAIR {
        eventually(SOON, "a new key works", async || {
            let got = wire.modern(gateway, "tools/list", json!({})).await;
            matches!(got, Got::Message(_)).then_some(())
        })
        .await;
    }
    let path = format!("/keys/{id}");
    let admin = cluster.admin(through);
    let began = Instant::now();
    let revoked = admin.delete(&path).await;
    assert!(revoked.status < 300, "{}", revoked.text);
    for gateway in 0..PAIR {
        eventually(SOON, "a revoked key is refused", async || {
            let got = wire.modern(gateway, "tools/list", json!({})).await;
            matches!(got, Got::Refused(401, _)).then_some(())
        })
        .await;
    }
    began.elapsed()
}

/// The same for a tool that is switched off and on.
async fn switch(cluster: &Cluster, wire: &Wire, enabled: bool, through: usize) -> Duration {
    let path = "/tenants/acme/connectors/legacy/tools/hold";
    let admin = cluster.admin(through);
    let began = Instant::now();
    let patch = json!({ "enabled": enabled });
    admin.patch(path, &patch).await.expect(200);
    for gateway in 0..PAIR {
        eventually(SOON, "the change is enforced", async || {
            let tools = wire.tools(gateway).await;
            (tools.contains(&"hold".to_owned()) == enabled).then_some(())
        })
        .await;
    }
    began.elapsed()
}

/// Times of twenty changes: half of them keys, half tools; the middle one and the longest.
async fn measure(stage: &Stage, what: &str) -> Duration {
    let mut times = Vec::new();
    for n in 0..10 {
        times.push(revoke(&stage.cluster, &stage.modern, n % PAIR).await);
        times.push(switch(&stage.cluster, &stage.legacy, n % 2 == 1, n % PAIR).await);
    }
    times.sort_unstable();
    let longest = times[times.len() - 1];
    println!(
        "a change is enforced on every gateway, {what}: p50 {:?}, longest of 20 {longest:?}",
        times[times.len() / 2]
    );
    longest
}

#[tokio::test]
async fn changes_are_enforced_in_time_with_nats_and_without() {
    let mut stage = Stage::open().await;
    stage.works().await;
    let with = measure(&stage, "with NATS").await;
    stage.cluster.nats().stop();
    let without = measure(&stage, "without NATS").await;
    stage.cluster.nats().restart();
    for control_plane in &stage.cluster.control_planes {
        eventually(SOON, "it has NATS again", async || {
            (control_plane.ready().await["status"] == "ready").then_some(())
        })
        .await;
    }
    let again = measure(&stage, "with NATS again").await;
    stage.cluster.nats().pause();
    let paused = measure(&stage, "while NATS is paused").await;
    stage.cluster.nats().resume();

    assert!(with <= Duration::from_millis(500), "{with:?}");
    assert!(without <= Duration::from_millis(1200), "{without:?}");
    assert!(again <= Duration::from_millis(500), "{again:?}");
    assert!(paused <= Duration::from_millis(1200), "{paused:?}");
}
