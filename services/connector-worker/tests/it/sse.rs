//! Servers of 2024-11-05 over HTTP+SSE.

use domain::ConnectorId;
use fabric::{Effect, FailureKind, Outcome};
use serde_json::{Value, json};
use testkit::stage::{Play, Stage};
use testkit::upstream::{Posted, SseServer};

use crate::support::{Bench, failure, text};

fn said(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// Calls a tool, which the server answers with `text`; gives what the server was told.
async fn call_and_answer(
    bench: &Bench,
    server: &SseServer,
    connector: ConnectorId,
    text: &str,
) -> (Outcome, Posted) {
    let answer = async {
        let called = server.expect("tools/call").await;
        server.answer(&called, said(text)).await;
        called
    };
    tokio::join!(bench.call(connector, "t", json!({})), answer)
}

#[tokio::test]
async fn a_server_without_streamable_http_is_called_over_its_stream_and_remembered_for_it() {
    let (server, bench) = (SseServer::start(json!({"tools": {}})).await, Bench::new());
    let connector = bench.remote(&server.url());

    let (first, _) = call_and_answer(&bench, &server, connector, "one").await;
    let (second, _) = call_and_answer(&bench, &server, connector, "two").await;
    assert_eq!((text(first), text(second)), ("one".into(), "two".into()));
    assert_eq!(server.streams(), 1);
    let probes = server.refused_posts();

    server.end_stream();
    let (third, _) = call_and_answer(&bench, &server, connector, "three").await;

    assert_eq!(text(third), "three");
    assert_eq!((server.streams(), server.refused_posts()), (2, probes));
}

#[tokio::test]
async fn what_the_stream_brings_goes_to_its_own_call_and_pings_are_answered() {
    let (server, bench) = (SseServer::start(json!({"tools": {}})).await, Bench::new());
    let connector = bench.remote(&server.url());
    let slow = bench.call_with_progress(connector, "slow", json!({}));
    let fast = async {
        let slow = server.expect("tools/call").await;
        let (fast, called) = call_and_answer(&bench, &server, connector, "fast").await;
        assert_ne!(called.body["id"], slow.body["id"]);
        server
            .say(json!({"jsonrpc": "2.0", "id": "p", "method": "ping"}))
            .await;
        let pong = server.expect("(response)").await;
        assert_eq!(
            pong.body,
            json!({"jsonrpc": "2.0", "id": "p", "result": {}})
        );
        let token = &slow.body["params"]["_meta"]["progressToken"];
        server
            .say(json!({"jsonrpc": "2.0", "method": "notifications/progress",
                        "params": {"progressToken": token, "progress": 1}}))
            .await;
        server.answer(&slow, said("slow")).await;
        fast
    };

    let ((slow, progress), fast) = tokio::join!(slow, fast);

    assert_eq!((text(slow), text(fast)), ("slow".into(), "fast".into()));
    assert_eq!(progress, [json!({"progress": 1})]);
}

#[tokio::test]
async fn nothing_is_sent_to_an_endpoint_of_another_origin() {
    let server = SseServer::start(json!({})).await;
    let elsewhere = Stage::set(Play::legacy()).await;
    for endpoint in [
        elsewhere.url(),
        elsewhere.url().replace("http://", "http://user:pass@"),
        elsewhere.url().replace("http:", ""),
        "https://127.0.0.1/messages".to_owned(),
    ] {
        let bench = Bench::new();
        let connector = bench.remote(&server.url());
        server.name_endpoint(&endpoint);

        let failure = failure(bench.call(connector, "t", json!({})).await);

        assert_eq!(
            (failure.kind, failure.effect),
            (FailureKind::Unreachable, Effect::None),
            "{endpoint}"
        );
        assert_eq!(
            failure.message,
            "there is no Streamable HTTP endpoint at the connector's URL (405 Method Not Allowed).",
            "{endpoint}"
        );
    }
    assert_eq!(elsewhere.sessions(), 0);
}

#[tokio::test]
async fn the_end_of_the_stream_fails_the_calls_that_wait() {
    let (server, bench) = (SseServer::start(json!({"tools": {}})).await, Bench::new());
    let connector = bench.remote(&server.url());
    let end = async {
        server.expect("tools/call").await;
        server.end_stream();
    };

    let (outcome, ()) = tokio::join!(bench.call(connector, "t", json!({})), end);

    let failure = failure(outcome);
    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Died, Effect::Possible)
    );
    assert_eq!(failure.message, "the MCP server closed its event stream.");
}

#[tokio::test]
async fn a_stream_that_the_server_forgot_is_opened_anew_and_the_call_sent_again() {
    let (server, bench) = (SseServer::start(json!({"tools": {}})).await, Bench::new());
    let connector = bench.remote(&server.url());
    call_and_answer(&bench, &server, connector, "one").await;

    server.forget_session();
    let (outcome, _) = call_and_answer(&bench, &server, connector, "two").await;

    assert_eq!(text(outcome), "two");
    assert_eq!(server.streams(), 2);
}

#[tokio::test]
async fn a_server_that_knows_no_streams_any_more_is_asked_from_the_start() {
    let (server, bench) = (SseServer::start(json!({"tools": {}})).await, Bench::new());
    let connector = bench.remote(&server.url());
    call_and_answer(&bench, &server, connector, "one").await;
    let probes = server.refused_posts();

    server.be_gone();
    failure(bench.call(connector, "t", json!({})).await);
    failure(bench.call(connector, "t", json!({})).await);

    assert!(server.refused_posts() > probes);
}

#[tokio::test]
async fn the_stream_ends_with_its_connector() {
    use fabric::Workers as _;
    let (server, bench) = (SseServer::start(json!({"tools": {}})).await, Bench::new());
    let connector = bench.remote(&server.url());
    call_and_answer(&bench, &server, connector, "one").await;

    bench
        .worker
        .release(crate::support::TENANT, connector)
        .await;

    server.left().await;
}
