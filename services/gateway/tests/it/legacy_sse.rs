//! The transport of 2024-11-05, as its clients use it.

use axum::body::Body;
use fabric::{CallEvent, InputRequired, Outcome};
use http::Request;
use serde_json::{Value, json};

use crate::rig::{Answer, Rig, initialize, result};
use crate::sse::Stream;

const SINGLE: &str = "/api/v1/acme/connectors/one/mcp";

fn listen(rig: &Rig, endpoint: &str) -> Request<Body> {
    Request::get(format!("{endpoint}/sse"))
        .header("authorization", format!("Bearer {}", rig.keys[0]))
        .header("accept", "text/event-stream")
        .body(Body::empty())
        .unwrap()
}

/// Opens a stream, and reads where its messages go.
pub(crate) async fn connect(rig: &Rig, endpoint: &str) -> (Stream, String) {
    let mut stream = Stream::open(rig, listen(rig, endpoint)).await;
    assert_eq!(stream.status, 200);
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    let first = stream.event().await.unwrap();
    assert_eq!((&*first.name, first.id), ("endpoint", None));
    (stream, first.data)
}

async fn post(rig: &Rig, uri: &str, body: impl ToString) -> Answer {
    let mut request = rig.post_to(uri, &rig.keys[0], &[], body.to_string());
    request.headers_mut().remove("accept");
    rig.send(request).await
}

/// Posts a message that is taken.
pub(crate) async fn say(rig: &Rig, uri: &str, body: impl ToString) {
    let answer = post(rig, uri, body).await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (202, ""));
}

fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

#[tokio::test]
async fn a_whole_conversation_takes_place_on_one_stream() {
    let rig = Rig::new();
    for endpoint in ["/api/v1/acme/mcp", SINGLE] {
        let (mut stream, uri) = connect(&rig, endpoint).await;
        let begin = format!("{endpoint}/messages?sessionId=");
        assert!(uri.starts_with(&begin), "{uri}");

        say(&rig, &uri, initialize("2024-11-05")).await;
        let event = stream.event().await.unwrap();
        assert_eq!((&*event.name, &event.id), ("message", &None));
        assert_eq!(event.json()["result"]["protocolVersion"], "2024-11-05");
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        say(&rig, &uri, initialized).await;

        say(&rig, &uri, request(1, "tools/list", json!({}))).await;
        let list = stream.message().await.unwrap().json();
        assert_eq!(list["result"]["tools"][0]["name"], "echo");
        let params = json!({"name": "progress", "_meta": {"progressToken": "p"}});
        say(&rig, &uri, request("two", "tools/call", params)).await;
        for step in [1, 2] {
            let event = stream.message().await.unwrap().json();
            assert_eq!(event["params"]["progress"], step);
        }
        assert_eq!(stream.message().await.unwrap().json()["id"], "two");
        say(&rig, &uri, request(3, "nope", json!({}))).await;
        let unknown = stream.message().await.unwrap().json();
        assert_eq!(
            (&unknown["id"], &unknown["error"]["code"]),
            (&json!(3), &json!(-32601))
        );
    }
}

#[tokio::test]
async fn a_client_of_a_later_revision_is_asked_on_its_stream_and_answers_by_post() {
    let rig = Rig::new();
    rig.server(0, "2025-11-25", json!({"tools": {}}));
    rig.worker.script(|call, _| async move {
        match call.request.inputs {
            None => Outcome::InputRequired(InputRequired {
                requests: Some(
                    r#"{"k":{"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}}"#.into(),
                ),
                state: Some("s".to_owned()),
                meta: None,
            }),
            Some(inputs) => {
                let responses = String::from_utf8(inputs.responses.unwrap().to_vec());
                result(json!({"content": [], "got": responses.unwrap()}))
            }
        }
    });
    let (mut stream, uri) = connect(&rig, SINGLE).await;
    let client = json!({"name": "test", "version": "1"});
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": client,
    });
    say(&rig, &uri, request(0, "initialize", params)).await;
    let agreed = stream.message().await.unwrap().json();
    assert_eq!(agreed["result"]["protocolVersion"], "2025-11-25");

    say(
        &rig,
        &uri,
        request(1, "tools/call", json!({"name": "echo"})),
    )
    .await;
    let asked = stream.message().await.unwrap().json();
    assert_eq!(asked["method"], "elicitation/create");
    let answer = json!({"action": "accept", "content": {"a": 1}});
    say(
        &rig,
        &uri,
        json!({"jsonrpc": "2.0", "id": asked["id"], "result": answer}),
    )
    .await;

    let answer = stream.message().await.unwrap().json();
    assert_eq!(answer["id"], 1, "{answer}");
    assert!(answer["result"]["got"].as_str().unwrap().contains("accept"));
}

#[tokio::test]
async fn a_call_is_cancelled_by_its_notification() {
    let rig = Rig::new();
    let (mut stream, uri) = connect(&rig, SINGLE).await;
    say(&rig, &uri, initialize("2024-11-05")).await;
    stream.message().await.unwrap();
    say(
        &rig,
        &uri,
        request(1, "tools/call", json!({"name": "wait"})),
    )
    .await;
    while rig.worker.calls.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }

    let params = json!({"requestId": 1});
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
    say(&rig, &uri, cancelled).await;

    rig.worker.dropped.notified().await;
    say(&rig, &uri, request(2, "ping", json!({}))).await;
    assert_eq!(
        stream.message().await.unwrap().json()["id"],
        2,
        "and nothing for 1"
    );
}

#[tokio::test]
async fn before_the_handshake_there_is_only_the_handshake_and_only_once() {
    let rig = Rig::new();
    let (mut stream, uri) = connect(&rig, SINGLE).await;
    let answer = async |stream: &mut Stream| stream.message().await.unwrap().json();

    say(&rig, &uri, request(1, "ping", json!({}))).await;
    assert_eq!(answer(&mut stream).await["result"], json!({}));
    say(&rig, &uri, request(2, "tools/list", json!({}))).await;
    let early = answer(&mut stream).await["error"].clone();
    let message = "Invalid Request: initialize comes first";
    assert_eq!(early, json!({"code": -32600, "message": message}));
    say(&rig, &uri, request(3, "initialize", json!({}))).await;
    assert_eq!(answer(&mut stream).await["error"]["code"], -32602);
    say(&rig, &uri, initialize("2024-11-05")).await;
    assert!(answer(&mut stream).await.get("result").is_some());
    say(&rig, &uri, initialize("2024-11-05")).await;
    let again = answer(&mut stream).await["error"].clone();
    let message = "Invalid Request: the session is initialized already";
    assert_eq!(again, json!({"code": -32600, "message": message}));
}

#[tokio::test]
async fn the_session_ends_with_its_connection_and_calls_go_on() {
    let rig = Rig::new();
    let (mut stream, uri) = connect(&rig, SINGLE).await;
    say(&rig, &uri, initialize("2024-11-05")).await;
    stream.message().await.unwrap();
    say(
        &rig,
        &uri,
        request(1, "tools/call", json!({"name": "wait"})),
    )
    .await;

    drop(stream);

    while post(&rig, &uri, request(2, "ping", json!({}))).await.status != 404 {
        tokio::task::yield_now().await;
    }
    rig.worker.go.notify_one();
    rig.worker.finished.notified().await;
}

#[tokio::test]
async fn a_listener_hears_of_changes() {
    let rig = Rig::new();
    let (mut stream, uri) = connect(&rig, SINGLE).await;
    say(&rig, &uri, initialize("2024-11-05")).await;
    stream.message().await.unwrap();

    rig.source.change("acme", |config| {
        config.connectors[0].tools[0].enabled = false
    });

    let event = stream.message().await.unwrap().json();
    assert_eq!(event["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn messages_that_cannot_be_taken_are_refused_where_they_are_posted() {
    let rig = Rig::new();
    let (mut stream, uri) = connect(&rig, SINGLE).await;
    let ping = request(1, "ping", json!({}));
    let messages = format!("{SINGLE}/messages");

    for (uri, body, expected) in [
        (uri.as_str(), "{", (400, -32700)),
        (&uri, "3", (400, -32600)),
        (&uri, "[]", (400, -32600)),
        (&messages, &ping.to_string(), (400, -32600)),
        (
            &format!("{messages}?sessionId=forged"),
            &ping.to_string(),
            (404, -32600),
        ),
        (
            &format!("{uri}&sessionId=x"),
            &ping.to_string(),
            (400, -32600),
        ),
        (
            &uri.replace("connectors/one/", ""),
            &ping.to_string(),
            (404, -32600),
        ),
    ] {
        let (status, code, message) = post(&rig, uri, body).await.error();
        assert_eq!((status, code), expected, "{uri} {body}: {message}");
    }
    let rival = rig.post_to(
        &uri.replace("acme", "rival"),
        &rig.keys[1],
        &[],
        ping.to_string(),
    );
    assert_eq!(rig.send(rival).await.status, 404);
    let plain = [("content-type", "text/plain")];
    let plain = rig.post_to(&uri, &rig.keys[0], &plain, ping.to_string());
    assert_eq!(rig.send(plain).await.status, 415);
    let modern = [("mcp-protocol-version", "2026-07-28")];
    let modern = rig.post_to(&uri, &rig.keys[0], &modern, ping.to_string());
    assert_eq!(rig.send(modern).await.error().0, 400);
    say(&rig, &uri, &ping).await;
    assert_eq!(
        stream.message().await.unwrap().json()["id"],
        1,
        "no harm done"
    );
}

#[tokio::test]
async fn its_sessions_and_those_of_the_other_transport_are_not_each_others() {
    let rig = Rig::new();
    let (_stream, uri) = connect(&rig, "/api/v1/acme/mcp").await;
    let (_, sealed) = uri.split_once("sessionId=").unwrap();
    let other = rig.session("/api/v1/acme/mcp", &rig.keys[0]).await;
    let ping = request(1, "ping", json!({}));

    let streamable = rig.message("/api/v1/acme/mcp", sealed, ping.clone());
    assert_eq!(rig.send(streamable).await.status, 404);
    let uri = format!("/api/v1/acme/mcp/messages?sessionId={other}");
    assert_eq!(post(&rig, &uri, &ping).await.status, 404);
}

#[tokio::test]
async fn a_batch_is_served_where_it_was_agreed_on() {
    let rig = Rig::new();
    let (mut stream, uri) = connect(&rig, SINGLE).await;
    say(&rig, &uri, initialize("2025-03-26")).await;
    stream.message().await.unwrap();

    let batch = json!([request(1, "ping", json!({})), request(2, "ping", json!({}))]);
    say(&rig, &uri, batch).await;

    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(stream.message().await.unwrap().json()["id"].as_u64());
    }
    ids.sort();
    assert_eq!(ids, [Some(1), Some(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_what_is_under_way_and_then_ends_the_stream() {
    let rig = Rig::alone(
        "a gateway that drains waits for what runs there",
        gateway::Config::default(),
    );
    let (mut stream, uri) = connect(&rig, SINGLE).await;
    say(&rig, &uri, initialize("2024-11-05")).await;
    stream.message().await.unwrap();
    let go = std::sync::Arc::new(tokio::sync::Notify::new());
    let held = go.clone();
    rig.worker.script(move |_, events| {
        let held = held.clone();
        async move {
            let event = CallEvent::Progress(r#"{"progress":1}"#.into());
            events.unwrap().send(event).await.unwrap();
            held.notified().await;
            result(json!({"content": []}))
        }
    });
    let params = json!({"name": "echo", "_meta": {"progressToken": "p"}});
    say(&rig, &uri, request(1, "tools/call", params)).await;
    assert_eq!(
        stream.message().await.unwrap().json()["params"]["progress"],
        1
    );

    rig.drain();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    go.notify_one();

    assert_eq!(stream.message().await.unwrap().json()["id"], 1);
    let rest = stream.rest().await;
    assert_eq!(
        (rest.len(), rest[0].retry, &*rest[0].data),
        (1, Some(1_000), "")
    );
}

#[tokio::test]
async fn only_a_get_listens_and_only_a_post_speaks() {
    let rig = Rig::new();
    for (path, method, allowed) in [
        ("sse", http::Method::POST, "GET"),
        ("sse", http::Method::DELETE, "GET"),
        ("messages", http::Method::GET, "POST"),
    ] {
        let mut request = rig.post_to(&format!("{SINGLE}/{path}"), &rig.keys[0], &[], "");
        *request.method_mut() = method;
        let refused = rig.send(request).await;
        assert_eq!(refused.status, 405);
        assert_eq!(refused.headers["allow"], allowed);
    }
    let mut nothing = listen(&rig, SINGLE);
    let json_only = "application/json".parse().unwrap();
    nothing.headers_mut().insert("accept", json_only);
    assert_eq!(rig.send(nothing).await.status, 406);
    let mut stranger = listen(&rig, SINGLE);
    stranger.headers_mut().remove("authorization");
    assert_eq!(rig.send(stranger).await.status, 401);
}
