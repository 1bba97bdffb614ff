//! NATS is stopped, stands still, or is cut off without a word.

use std::time::Duration;

use testkit::cutting_proxy::{CuttingProxy, Network};

use super::changes::{Times, measure};
use crate::harness::cluster::{Cluster, Stage, Traffic};
use crate::harness::eventually;

/// Until a server that is silent is held to be away: it is asked every two seconds.
const NOTICED: Duration = Duration::from_secs(20);
/// How much longer a change may take without NATS than with it.
const LONGER: Duration = Duration::from_secs(1);
/// What 99 of 100 changes may take with it. Far more than they do where nothing else runs.
const WITH: Duration = Duration::from_secs(1);
/// Pairs of changes while it is away, and once it is back.
const FEW: usize = 10;
const MANY: usize = 25;

/// Waits until the control-planes say that hints reach them, or that they do not.
async fn all_say(stage: &Stage, status: &str) {
    for control_plane in &stage.cluster.control_planes {
        let what = format!("{} says {status}", control_plane.name());
        eventually(NOTICED, &what, async || {
            let ready = control_plane.ready().await;
            let hints = ready["degraded"]["change hints"].is_string();
            (ready["status"] == status && hints == (status == "degraded")).then_some(())
        })
        .await;
    }
}

/// Asserts that 99 of 100 changes took no longer than they do with NATS. On a machine that is busy
/// with something else, all take longer: `before` says how long.
fn are_in_time(times: &Times, before: &Times) {
    let limit = WITH.max(2 * before.longest());
    assert!(times.percentile(99) <= limit, "{times:?}");
}

/// Asserts that being without NATS cost no more than it may.
fn are_late_at_most(times: &Times, before: &Times) {
    let limit = before.longest() + LONGER;
    assert!(times.longest() <= limit, "{limit:?}: {times:?}");
}

#[tokio::test]
async fn changes_are_enforced_in_time_while_nats_is_stopped_or_stands_still() {
    let mut stage = Stage::open().await;
    stage.works().await;
    let with = measure(&stage, "with NATS", FEW).await;
    stage.cluster.nats().stop();
    let without = measure(&stage, "without NATS", FEW).await;
    all_say(&stage, "degraded").await;
    stage.cluster.nats().restart();
    all_say(&stage, "ready").await;
    let again = measure(&stage, "with NATS again", MANY).await;
    stage.cluster.nats().pause();
    let paused = measure(&stage, "while NATS is paused", FEW).await;
    stage.cluster.nats().resume();

    are_late_at_most(&without, &with);
    are_in_time(&again, &with);
    are_late_at_most(&paused, &again);
}

#[tokio::test]
async fn changes_are_enforced_in_time_while_nats_is_cut_off_without_a_word() {
    let mut cluster = Cluster::prepare();
    let server = cluster.nats().address();
    let proxy = CuttingProxy::start(server.clone()).await;
    let through = proxy.address().to_string();
    cluster.configure_further("control-plane", |toml| {
        assert!(toml.contains(&server), "{toml}");
        toml.replace(&server, &through)
    });
    cluster.launch().await;
    let stage = Stage::on(cluster).await;
    stage.works().await;
    all_say(&stage, "ready").await;
    let traffic = Traffic::start(&[&stage.legacy], &[0, 1]).await;
    let mut before = measure(&stage, "with NATS", FEW).await;

    for network in [Network::Stalled, Network::HalfOpen] {
        proxy.set(network);
        // At first nobody can know that hints go nowhere.
        let unnoticed = measure(&stage, &format!("{network:?}, just now"), FEW).await;
        all_say(&stage, "degraded").await;
        let noticed = measure(&stage, &format!("{network:?}, noticed"), FEW).await;
        proxy.set(Network::Fine);
        all_say(&stage, "ready").await;
        let again = measure(&stage, "with NATS again", MANY).await;

        are_late_at_most(&unnoticed, &before);
        are_late_at_most(&noticed, &before);
        are_in_time(&again, &before);
        before = again;
        traffic.take().unharmed();
    }
}
