//! Legacy sessions: shared, mended, ended.

use domain::ConnectorSecrets;
use fabric::{Execute, FailureKind, Workers};
use serde_json::json;
use testkit::upstream::{Script, Upstream};

use crate::support::{Bench, TENANT, call, failure, text};

#[tokio::test]
async fn callers_that_come_together_share_one_handshake() {
    let (upstream, bench) = (Upstream::legacy().await, Bench::new());
    let connector = bench.remote(&upstream.url());

    let calls = (0..20).map(|n| bench.call(connector, "echo", json!({"message": n.to_string()})));
    let outcomes = futures_util::future::join_all(calls).await;

    for (n, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(text(outcome), n.to_string());
    }
    let methods = upstream.methods();
    assert_eq!(
        methods
            .iter()
            .filter(|method| *method == "initialize")
            .count(),
        1
    );
    let ids: std::collections::BTreeSet<_> = upstream
        .received()
        .iter()
        .filter(|received| received.method == "tools/call")
        .map(|received| received.body["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), 20, "every request has an id of its own");
}

#[tokio::test]
async fn a_session_that_the_server_forgot_is_made_anew_without_another_probe() {
    for unknown_session_status in [404, 400] {
        let script = Script {
            unknown_session_status,
            ..Script::legacy()
        };
        let (upstream, bench) = (Upstream::start(script).await, Bench::new());
        let connector = bench.remote(&upstream.url());
        text(bench.call(connector, "echo", json!({"message": "1"})).await);

        upstream.forget_sessions();
        let outcome = bench.call(connector, "echo", json!({"message": "2"})).await;

        assert_eq!(text(outcome), "2");
        assert_eq!(
            upstream.methods()[3..],
            [
                "tools/call",
                "tools/call",
                "initialize",
                "notifications/initialized",
                "tools/call"
            ]
        );
    }
}

#[tokio::test]
async fn releasing_a_connector_ends_its_session_and_the_next_call_begins_anew() {
    let (upstream, bench) = (Upstream::legacy().await, Bench::new());
    let connector = bench.remote(&upstream.url());
    text(bench.call(connector, "echo", json!({"message": "1"})).await);

    bench.worker.release(TENANT, connector).await;

    let ended = upstream.wait_for("DELETE").await;
    assert_eq!(ended.header("mcp-session-id"), "session-1");
    text(bench.call(connector, "echo", json!({"message": "2"})).await);
    assert_eq!(
        upstream
            .methods()
            .iter()
            .filter(|m| *m == "initialize")
            .count(),
        2
    );
}

#[tokio::test]
async fn a_call_that_is_given_up_is_cancelled_at_a_legacy_server() {
    let (upstream, bench) = (Upstream::legacy().await, Bench::new());
    let connector = bench.remote(&upstream.url());

    let hanging = bench
        .worker
        .execute(call(connector, "hang", json!({})), None);
    let called = tokio::select! {
        outcome = hanging => panic!("{outcome:?}"),
        called = upstream.wait_for("tools/call") => called,
    };

    let cancelled = upstream.wait_for("notifications/cancelled").await;
    assert_eq!(cancelled.body["params"]["requestId"], called.body["id"]);
    assert_eq!(cancelled.header("mcp-session-id"), "session-1");
    let metrics = bench.process.metrics.encode();
    assert!(
        metrics
            .contains(r#"turnbuckle_worker_calls_total{kind="remote_mcp",outcome="cancelled"} 1"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_call_that_is_given_up_is_hung_up_on_at_a_modern_server() {
    let (upstream, bench) = (Upstream::modern().await, Bench::new());
    let connector = bench.remote(&upstream.url());

    let hanging = bench
        .worker
        .execute(call(connector, "hang", json!({})), None);
    tokio::select! {
        outcome = hanging => panic!("{outcome:?}"),
        _ = upstream.wait_for("tools/call") => {}
    }

    upstream.wait_for_abandoned_call().await;
    assert!(
        !upstream
            .methods()
            .iter()
            .any(|method| method == "notifications/cancelled")
    );
}

#[tokio::test]
async fn a_call_that_is_too_slow_is_cancelled_too() {
    let (upstream, bench) = (Upstream::legacy().await, Bench::new());
    let mut call = call(bench.remote(&upstream.url()), "hang", json!({}));
    call.deadline = std::time::Duration::from_millis(300);

    let failure = failure(bench.worker.execute(call, None).await);

    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Timeout, fabric::Effect::Possible)
    );
    upstream.wait_for("notifications/cancelled").await;
}

#[tokio::test]
async fn a_stream_that_the_server_ends_early_is_taken_up_after_its_last_event() {
    let (upstream, bench) = (Upstream::legacy().await, Bench::new());
    let connector = bench.remote(&upstream.url());

    let outcome = bench.call(connector, "later", json!({})).await;

    assert_eq!(text(outcome), "at last");
    let received = upstream.received();
    let id = &upstream.wait_for("tools/call").await.body["id"];
    let gets: Vec<_> = received
        .iter()
        .filter(|received| received.method == "GET")
        .collect();
    let events: Vec<_> = gets
        .iter()
        .map(|get| get.header("last-event-id").to_owned())
        .collect();
    assert_eq!(events, [format!("later-{id}"), format!("soon-{id}")]);
    assert!(
        gets.iter()
            .all(|get| get.header("mcp-session-id") == "session-1")
    );
    assert!(
        gets.iter()
            .all(|get| get.header("mcp-protocol-version") == "2025-11-25")
    );
    assert_eq!(
        received
            .iter()
            .filter(|received| received.method == "tools/call")
            .count(),
        1
    );
}

#[tokio::test]
async fn connections_are_used_again_also_when_their_streams_end_after_the_answer() {
    for script in [
        Script::legacy(),
        Script::legacy().with_events(),
        Script::modern().with_events(),
    ] {
        let (upstream, bench) = (Upstream::start(script).await, Bench::new());
        let connector = bench.remote(&upstream.url());

        for n in 0..40 {
            text(
                bench
                    .call(connector, "echo", json!({"message": n.to_string()}))
                    .await,
            );
        }

        assert!(upstream.connections() < 40, "{}", upstream.connections());
    }
}

#[tokio::test]
async fn a_redirect_within_the_same_server_is_followed_and_one_to_another_is_not() {
    let (upstream, bench) = (Upstream::legacy().await, Bench::new());
    let other = Upstream::legacy().await;
    let near = bench.remote_with(
        1,
        &upstream.redirect_to("/mcp"),
        ConnectorSecrets::default(),
    );
    let far = bench.remote_with(
        2,
        &upstream.redirect_to(&other.url()),
        ConnectorSecrets::default(),
    );

    assert_eq!(
        text(bench.call(near, "echo", json!({"message": "hi"})).await),
        "hi"
    );
    let refused = failure(bench.call(far, "echo", json!({"message": "hi"})).await);

    assert_eq!(
        refused.message,
        "the URL redirects (308 Permanent Redirect), which is not followed: use the final URL."
    );
    assert!(other.received().is_empty());
}
