//! What a worker holds of a connector, for how long, and how many calls it takes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::ConnectorSecrets;
use fabric::{Effect, Execute, FailureKind, Workers};
use serde_json::json;
use testkit::upstream::Upstream;

use crate::support::{Bench, TENANT, Table, call, failure, text};

#[tokio::test]
async fn a_lease_is_asked_for_once_and_again_only_for_a_newer_version() {
    let (old, new, bench) = (
        Upstream::legacy().await,
        Upstream::modern().await,
        Bench::new(),
    );
    let connector = bench.remote(&old.url());
    let echo = |version: i64| {
        let mut call = call(connector, "echo", json!({"message": "hi"}));
        call.version = version;
        bench.worker.execute(call, None)
    };
    let asked = || bench.leases.asked.load(Ordering::Relaxed);

    text(echo(1).await);
    text(echo(1).await);
    text(echo(0).await);
    assert_eq!(asked(), 1);

    bench.remote(&new.url());
    text(echo(1).await);
    assert_eq!(asked(), 1, "nobody has told the worker yet");
    text(echo(2).await);
    text(echo(1).await);
    assert_eq!(asked(), 2);
    assert_eq!(
        new.methods()
            .iter()
            .filter(|method| *method == "tools/call")
            .count(),
        2
    );
    old.wait_for("DELETE").await;
}

#[tokio::test]
async fn callers_that_come_together_share_one_lease() {
    let upstream = Upstream::modern().await;
    let bench = Bench::with(|_| {}, Table::gated());
    let connector = bench.remote(&upstream.url());

    let calls = (0..10).map(|_| bench.call(connector, "echo", json!({"message": "hi"})));
    let all = futures_util::future::join_all(calls);
    bench.leases.gate.as_ref().unwrap().notify_one();

    assert!(all.await.into_iter().all(|outcome| text(outcome) == "hi"));
    assert_eq!(bench.leases.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connector_that_is_gone_is_said_to_be_and_a_released_one_is_asked_for_again() {
    let (upstream, bench) = (Upstream::modern().await, Bench::new());
    let connector = bench.remote(&upstream.url());
    text(
        bench
            .call(connector, "echo", json!({"message": "hi"}))
            .await,
    );

    bench.remove(connector);
    bench.worker.release(TENANT, connector).await;
    let failure = failure(bench.call(connector, "echo", json!({})).await);

    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Gone, Effect::None)
    );
    assert_eq!(failure.message, "there is no such connector any more.");
}

#[tokio::test]
async fn calls_beyond_the_limit_of_a_connector_or_of_the_worker_are_refused_at_once() {
    let upstream = Upstream::modern().await;
    let bench = Bench::with(
        |config| {
            config.max_calls_per_connector = 2;
            config.max_calls = 3;
        },
        Table::default(),
    );
    let first = bench.remote(&upstream.url());
    let second = bench.remote_with(2, &upstream.url(), ConnectorSecrets::default());
    let held = futures_util::future::join_all([
        bench.call(first, "hold", json!({})),
        bench.call(first, "hold", json!({})),
        bench.call(second, "hold", json!({})),
    ]);
    let refused = async {
        while upstream
            .methods()
            .iter()
            .filter(|method| *method == "tools/call")
            .count()
            < 3
        {
            tokio::task::yield_now().await;
        }
        let of_first = failure(bench.call(first, "echo", json!({})).await);
        let of_second = failure(bench.call(second, "echo", json!({})).await);
        upstream.let_go();
        [of_first, of_second]
    };

    let (held, [of_first, of_second]) = tokio::join!(held, refused);

    assert_eq!(
        of_first.message,
        "the connector runs 2 calls already, no more at once: try again later."
    );
    assert_eq!(
        of_second.message,
        "the worker runs 3 calls already, no more at once: try again later."
    );
    for failure in [of_first, of_second] {
        assert_eq!(
            (failure.kind, failure.effect),
            (FailureKind::Busy, Effect::None)
        );
    }
    assert!(
        held.iter()
            .all(|outcome| matches!(outcome, fabric::Outcome::Result(_)))
    );
    text(
        bench
            .call(first, "echo", json!({"message": "free again"}))
            .await,
    );
}

#[tokio::test]
async fn a_lease_that_does_not_come_costs_the_deadline_and_nothing_was_sent() {
    let upstream = Upstream::modern().await;
    let bench = Bench::with(|_| {}, Table::gated());
    let mut call = call(bench.remote(&upstream.url()), "echo", json!({}));
    call.deadline = Duration::from_millis(50);

    let failure = failure(bench.worker.execute(call, None).await);

    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Timeout, Effect::None)
    );
    assert!(upstream.received().is_empty());
}

#[tokio::test]
async fn a_connector_that_nobody_calls_is_dropped_with_its_session() {
    let upstream = Upstream::legacy().await;
    let bench = Bench::with(
        |config| config.lease_idle_timeout = Duration::from_millis(100),
        Table::default(),
    );
    let connector = bench.remote(&upstream.url());
    text(
        bench
            .call(connector, "echo", json!({"message": "hi"}))
            .await,
    );

    upstream.wait_for("DELETE").await;

    text(
        bench
            .call(connector, "echo", json!({"message": "hi"}))
            .await,
    );
    assert_eq!(bench.leases.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_old_lease_is_used_while_no_new_one_can_be_had_but_not_for_a_newer_version() {
    let (upstream, bench) = (
        Upstream::legacy().await,
        Bench::with(
            |config| config.lease_max_age = Duration::ZERO,
            Table::default(),
        ),
    );
    let connector = bench.remote(&upstream.url());
    let echo = |version: i64| {
        let mut call = call(connector, "echo", json!({"message": "hi"}));
        call.version = version;
        bench.worker.execute(call, None)
    };
    text(echo(1).await);
    text(echo(1).await);
    assert_eq!(
        bench.leases.asked.load(Ordering::Relaxed),
        2,
        "each one is too old at once"
    );

    bench.leases.is_down.store(true, Ordering::Relaxed);
    text(echo(1).await);
    let failure = failure(echo(2).await);

    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Busy, Effect::None)
    );
    assert_eq!(
        failure.message,
        "the connector's credential cannot be had at the moment."
    );
    let handshakes = upstream
        .methods()
        .iter()
        .filter(|method| *method == "initialize")
        .count();
    assert_eq!(
        handshakes, 1,
        "a lease that says the same leaves the session as it is"
    );
}
