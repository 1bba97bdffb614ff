//! Arrays of messages, which 2025-03-26 alone has.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::{Answer, Rig, result};
use crate::sse::{ACME, Stream, session};

fn request(id: impl Into<Value>, method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method})
}

fn calling(id: u32, tool: &str) -> Value {
    let params = json!({"name": tool, "_meta": {"progressToken": id}});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
}

async fn send(rig: &Rig, session: &str, batch: Value) -> Answer {
    rig.send(rig.message(ACME, session, batch)).await
}

fn refusal(message: &str) -> (u16, i64, String) {
    (400, -32600, message.to_owned())
}

#[tokio::test]
async fn requests_are_answered_by_one_array_in_their_order() {
    let rig = Rig::new();
    let session = session(&rig, "2025-03-26").await;
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let response = json!({"jsonrpc": "2.0", "id": "x:1", "result": {}});

    let batch = json!([
        request(1, "ping"),
        notification,
        request("b", "nope"),
        response,
        calling(3, "echo"),
    ]);
    let answer = send(&rig, &session, batch).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    let answers = answer.json();
    assert_eq!(answers[0], json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    let error = (&answers[1]["id"], &answers[1]["error"]["code"]);
    assert_eq!(error, (&json!("b"), &json!(-32601)));
    assert_eq!(answers[2]["result"]["echo"], json!({}));
    assert_eq!(answers.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_batch_that_wants_no_answer_gets_none() {
    let rig = Rig::new();
    let session = session(&rig, "2025-03-26").await;
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let response = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "x"}});

    let answer = send(&rig, &session, json!([notification, response])).await;

    assert_eq!((answer.status.as_u16(), &*answer.text), (202, ""));
}

#[tokio::test]
async fn once_a_request_has_more_to_say_all_of_them_are_answered_on_one_stream() {
    let rig = Rig::new();
    let session = session(&rig, "2025-03-26").await;

    let batch = json!([
        request("a", "ping"),
        calling(2, "progress"),
        calling(3, "progress")
    ]);
    let stream = Stream::open(&rig, rig.message(ACME, &session, batch)).await;

    assert_eq!(stream.headers["content-type"], "text/event-stream");
    let events = stream.rest().await;
    let messages: Vec<Value> = events.iter().map(|event| event.json()).collect();
    let mut answered: Vec<String> = messages
        .iter()
        .filter(|message| message.get("result").is_some())
        .map(|message| message["id"].to_string())
        .collect();
    answered.sort();
    assert_eq!(answered, ["\"a\"", "2", "3"]);
    for token in [2, 3] {
        let of = |message: &&Value| message["params"]["progressToken"] == token;
        assert_eq!(messages.iter().filter(of).count(), 2);
        let last = messages.iter().rposition(|message| of(&message)).unwrap();
        let answer = messages.iter().position(|message| message["id"] == token);
        assert!(last < answer.unwrap(), "progress after the answer");
    }
    assert!(events.iter().all(|event| event.id.is_some()));
}

#[tokio::test]
async fn the_number_of_messages_is_bounded() {
    let config = gateway::Config {
        batch_max: 3,
        ..gateway::Config::default()
    };
    let rig = Rig::with(config);
    let session = session(&rig, "2025-03-26").await;
    let pings = |count: u32| Value::from_iter((0..count).map(|id| request(id, "ping")));

    let empty = send(&rig, &session, pings(0)).await;
    assert_eq!(
        empty.error(),
        refusal("Invalid Request: a batch must not be empty")
    );
    let full = send(&rig, &session, pings(3)).await;
    assert_eq!(full.json().as_array().unwrap().len(), 3);
    let more = send(&rig, &session, pings(4)).await;
    let message = "Invalid Request: a batch may hold at most 3 messages";
    assert_eq!(more.error(), refusal(message));
}

#[tokio::test]
async fn only_so_many_requests_of_a_batch_run_at_once() {
    let config = gateway::Config {
        batch_concurrency: 2,
        ..gateway::Config::default()
    };
    let rig = Rig::with(config);
    let session = session(&rig, "2025-03-26").await;
    let running = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let seen = running.clone();
    rig.worker.script(move |_, _| {
        let running = running.clone();
        async move {
            use std::sync::atomic::Ordering::SeqCst;
            let now = running.fetch_add(1, SeqCst) + 1;
            tokio::task::yield_now().await;
            running.fetch_sub(1, SeqCst);
            result(json!({"now": now}))
        }
    });

    let batch = Value::from_iter((0..6).map(|id| calling(id, "echo")));
    let answers = send(&rig, &session, batch).await.json();

    let most = answers.as_array().unwrap().iter();
    let most = most.map(|answer| answer["result"]["now"].as_u64().unwrap());
    assert_eq!(most.max(), Some(2));
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_wrong_in_a_batch_is_answered_in_its_place() {
    let rig = Rig::new();
    let session = session(&rig, "2025-03-26").await;

    let batch = json!([
        request(1, "initialize"),
        [request(2, "ping")],
        7,
        request(3, "ping"),
        request(3, "ping"),
        {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": []},
    ]);
    let answer = send(&rig, &session, batch).await;

    assert_eq!(answer.status, 200);
    let answers = answer.json();
    let error = |place: usize| {
        let answer = &answers[place];
        let message = answer["error"]["message"].as_str().unwrap();
        (
            answer["id"].clone(),
            answer["error"]["code"].clone(),
            message,
        )
    };
    let refused = json!(-32600);
    let message = "initialize must not be part of a batch";
    assert_eq!(error(0), (json!(1), refused.clone(), message));
    let message = "Invalid Request: a batch within a batch";
    assert_eq!(error(1), (Value::Null, refused.clone(), message));
    let message = "Invalid Request: not a JSON object";
    assert_eq!(error(2), (Value::Null, refused.clone(), message));
    assert_eq!(answers[3]["result"], json!({}));
    let message = "Invalid Request: the id is used twice in the batch";
    assert_eq!(error(4), (json!(3), refused, message));
    let message = "Invalid params: params must be an object";
    assert_eq!(error(5), (json!(4), json!(-32602), message));

    let nothing = send(&rig, &session, json!([1, 2])).await;
    assert_eq!(nothing.status, 400, "no message at all");
    assert_eq!(nothing.json().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn batches_belong_to_sessions_of_one_revision() {
    let rig = Rig::new();
    let no_batches = refusal("Invalid Request: a batch of messages is not accepted here");
    for version in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let session = session(&rig, version).await;
        let refused = send(&rig, &session, json!([request(1, "ping")])).await;
        assert_eq!(refused.error(), no_batches, "{version}");
    }
    let handshake: Value = serde_json::from_str(&crate::rig::initialize("2025-03-26")).unwrap();
    let without = rig
        .send(rig.post(&[], json!([handshake]).to_string()))
        .await;
    assert_eq!(without.error(), no_batches);

    let session = session(&rig, "2025-03-26").await;
    let headers = [
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", "2026-07-28"),
    ];
    let modern = rig.post(&headers, json!([request(1, "ping")]).to_string());
    assert_eq!(rig.send(modern).await.error(), no_batches);
    let forged = rig.message(ACME, "forged", json!([request(1, "ping")]));
    assert_eq!(rig.send(forged).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_slow_batch_becomes_a_stream_and_who_takes_json_alone_waits() {
    let rig = Rig::new();
    let session = session(&rig, "2025-03-26").await;
    rig.worker.script(|_, _| async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        result(json!({"content": []}))
    });
    let batch = json!([request(1, "ping"), calling(2, "echo")]);

    let streamed = send(&rig, &session, batch.clone()).await;
    assert_eq!(streamed.headers["content-type"], "text/event-stream");
    let ids: Vec<Value> = streamed
        .events()
        .iter()
        .map(|event| event["id"].clone())
        .collect();
    assert_eq!(ids, [1, 2]);

    let mut request = rig.message(ACME, &session, batch);
    let json_only = "application/json".parse().unwrap();
    request.headers_mut().insert("accept", json_only);
    let whole = rig.send(request).await;
    assert_eq!(whole.headers["content-type"], "application/json");
    assert_eq!(whole.json().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_batch_goes_on_when_its_client_leaves() {
    let rig = Rig::new();
    let session = session(&rig, "2025-03-26").await;
    let batch = json!([calling(1, "wait"), calling(2, "wait")]);
    let begun = async {
        while rig.worker.calls.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
    };

    tokio::select! {
        _ = send(&rig, &session, batch) => panic!("nothing ends it"),
        () = begun => {}
    }

    for _ in 0..2 {
        rig.worker.go.notify_one();
        rig.worker.finished.notified().await;
    }
}
