//! The standalone stream of legacy sessions: what a server says outside any call.

use domain::ConnectorId;
use serde_json::json;
use testkit::stage::{Heard, Play, Stage};

use crate::support::{Bench, text};

fn play() -> Play {
    Play {
        capabilities: json!({"tools": {"listChanged": true}}),
        listens: true,
        ..Play::legacy()
    }
}

/// A call, answered by the server; gives the request for the stream if that came before.
async fn answered(bench: &Bench, stage: &Stage, connector: ConnectorId) -> Option<Heard> {
    let server = async {
        let mut stream = None;
        loop {
            let heard = stage.next().await;
            if heard.method == "GET" {
                stream = Some(heard);
            } else {
                assert_eq!(heard.method, "tools/call");
                heard.result(json!({"content": [{"type": "text", "text": "done"}]}));
                return stream;
            }
        }
    };
    let (outcome, stream) = tokio::join!(bench.call(connector, "t", json!({})), server);
    assert_eq!(text(outcome), "done");
    stream
}

/// The same; gives the request for the stream whenever it comes.
async fn called(bench: &Bench, stage: &Stage, connector: ConnectorId) -> Heard {
    match answered(bench, stage, connector).await {
        Some(stream) => stream,
        None => stage.expect("GET").await,
    }
}

#[tokio::test]
async fn requests_outside_any_call_are_answered_in_the_session() {
    let (stage, bench) = (Stage::set(play()).await, Bench::new());
    let connector = bench.remote(&stage.url());

    let get = called(&bench, &stage, connector).await;
    assert_eq!(get.header("accept"), "text/event-stream");
    assert_eq!(get.header("mcp-session-id"), "session-1");
    assert_eq!(get.header("mcp-protocol-version"), "2025-11-25");
    assert_eq!(get.header("content-type"), "");
    let stream = get.stream();
    stream.ask(json!("p"), "ping", json!({})).await;
    let pong = stage.expect("(response)").await;
    stream.ask(json!(1), "roots/list", json!({})).await;
    let refusal = stage.expect("(response)").await;

    assert_eq!(
        pong.body,
        json!({"jsonrpc": "2.0", "id": "p", "result": {}})
    );
    assert_eq!(refusal.body["error"]["code"], -32_601);
    assert_eq!(refusal.header("mcp-session-id"), "session-1");
}

#[tokio::test]
async fn a_stream_that_breaks_is_taken_up_after_its_last_event_when_the_server_says() {
    let (stage, bench) = (Stage::set(play()).await, Bench::new());
    let connector = bench.remote(&stage.url());

    let stream = called(&bench, &stage, connector).await.stream();
    stream.event("id: s-1\nretry: 50\ndata:\n\n").await;
    stream
        .event("id: s-2\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\n")
        .await;
    stage.expect("(response)").await;
    drop(stream);
    let again = stage.expect("GET").await;
    assert_eq!(again.header("last-event-id"), "s-2");
    assert_eq!(again.header("mcp-session-id"), "session-1");
    drop(again.stream());
    let further = stage.expect("GET").await;

    assert_eq!(further.header("last-event-id"), "s-2");
    let stream = further.stream();
    stream.ask(json!(2), "ping", json!({})).await;
    assert_eq!(stage.expect("(response)").await.body["id"], 2);
}

#[tokio::test]
async fn a_stream_whose_session_is_gone_makes_the_next_call_begin_anew() {
    let (stage, bench) = (Stage::set(play()).await, Bench::new());
    let connector = bench.remote(&stage.url());

    let stream = called(&bench, &stage, connector).await.stream();
    stream.event("id: s-1\nretry: 50\ndata:\n\n").await;
    drop(stream);
    stage.expect("GET").await.status(404);
    stage.expect("GET").await.status(404);
    let mut get = None;
    // The answer is read at some time; calls before that are in the old session.
    while stage.sessions() < 2 {
        get = answered(&bench, &stage, connector).await;
    }

    let get = match get {
        Some(get) => get,
        None => stage.expect("GET").await,
    };
    assert_eq!(get.header("mcp-session-id"), "session-2");
}

#[tokio::test]
async fn a_server_that_offers_no_stream_is_asked_once() {
    let play = Play {
        listens: false,
        ..play()
    };
    let (stage, bench) = (Stage::set(play).await, Bench::new());
    let connector = bench.remote(&stage.url());

    for _ in 0..2 {
        let answer = async {
            let called = stage.expect("tools/call").await;
            called.result(json!({"content": [{"type": "text", "text": "done"}]}));
        };
        let (outcome, ()) = tokio::join!(bench.call(connector, "t", json!({})), answer);
        assert_eq!(text(outcome), "done");
    }
}
