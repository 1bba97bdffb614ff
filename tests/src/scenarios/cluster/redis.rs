//! Redis is stopped, paused or emptied.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::cluster::{PAIR, Stage, Traffic};
use crate::harness::eventually;

const SOON: Duration = Duration::from_secs(10);
const OUTAGE: Duration = Duration::from_secs(5);

/// What happens to Redis.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Stopped,
    Paused,
}

async fn calls_go_on_while_redis_is(fault: Fault) {
    let mut stage = Stage::open().await;
    let all = [&stage.legacy, &stage.modern, &stage.hosted];
    let traffic = Traffic::start(&all, &[0, 1]).await;
    match fault {
        Fault::Stopped => stage.cluster.redis().stop(),
        Fault::Paused => stage.cluster.redis().pause(),
    }
    let began = Instant::now();
    for gateway in &stage.cluster.gateways {
        eventually(SOON, "it says that it is degraded", async || {
            (gateway.ready().await["status"] == "degraded").then_some(())
        })
        .await;
    }
    println!("{fault:?}: readiness says so after {:?}", began.elapsed());
    tokio::time::sleep(OUTAGE.saturating_sub(began.elapsed())).await;
    let during = traffic.take();
    println!("{fault:?}: {during:?}");

    match fault {
        Fault::Stopped => stage.cluster.redis().restart(),
        Fault::Paused => stage.cluster.redis().resume(),
    }
    let back = Instant::now();
    for gateway in &stage.cluster.gateways {
        eventually(SOON, "it is ready again", async || {
            (gateway.ready().await["status"] == "ready").then_some(())
        })
        .await;
    }
    println!("{fault:?}: ready again after {:?}", back.elapsed());
    during.unharmed();
    stage.works().await;
    traffic.take();
    let session = stage.legacy.open(0).await;
    for gateway in 0..PAIR {
        let got = session.call(gateway, "echo", json!({ "text": "hi" })).await;
        assert_eq!(got.text(), "hi");
    }
}

#[tokio::test]
async fn calls_go_on_while_redis_is_stopped() {
    calls_go_on_while_redis_is(Fault::Stopped).await;
}

#[tokio::test]
async fn calls_go_on_while_redis_is_paused() {
    calls_go_on_while_redis_is(Fault::Paused).await;
}

#[tokio::test]
async fn modern_calls_go_on_when_redis_forgets_everything_and_legacy_clients_begin_anew() {
    let mut stage = Stage::open().await;
    let session = stage.legacy.open(0).await;
    let all = [&stage.legacy, &stage.modern, &stage.hosted];
    let traffic = Traffic::start(&all, &[0, 1]).await;
    stage.cluster.redis().flush();
    let ended = session.call(1, "echo", json!({ "text": "hi" })).await;
    println!("a session after the flush: {ended:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let tally = traffic.take();
    println!("after the flush: {tally:?}");
    // A session that is unknown is 404: the client opens another.
    assert!(
        tally.bad.keys().all(|how| how.starts_with("legacy: 404")),
        "{tally:?}"
    );
    let session = stage.legacy.open(0).await;
    let got = session.call(1, "echo", json!({ "text": "hi" })).await;
    assert_eq!(got.text(), "hi");
    stage.works().await;
}
