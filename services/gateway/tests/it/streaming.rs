//! Answers that take time: progress, keep-alives, and clients that leave.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::{Answer, MODERN, Rig, meta};

const ACME: &str = "/api/v1/acme/mcp";

async fn with_token(rig: &Rig, name: &str, token: Value) -> Answer {
    let mut meta = meta();
    meta["progressToken"] = token;
    let headers = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", name),
    ];
    let params = json!({"name": name, "_meta": meta});
    let body = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params});
    rig.send(rig.post(&headers, body.to_string())).await
}

#[tokio::test]
async fn progress_comes_on_the_calls_stream_under_the_clients_own_token() {
    let rig = Rig::new();
    for token in [json!("p\"1"), json!(7)] {
        let answer = with_token(&rig, "progress", token.clone()).await;

        assert_eq!(answer.headers["content-type"], "text/event-stream");
        assert_eq!(answer.headers["x-accel-buffering"], "no");
        let events = answer.events();
        let params = |step: &Value| step["params"].clone();
        assert_eq!(events.len(), 3, "{}", answer.text);
        assert_eq!(events[0]["method"], "notifications/progress");
        assert_eq!(
            params(&events[0]),
            json!({"progressToken": token, "progress": 1})
        );
        let second = json!({"progressToken": token, "progress": 2, "message": "x"});
        assert_eq!(params(&events[1]), second);
        assert_eq!(
            (&events[2]["id"], &events[2]["result"]["echo"]),
            (&json!(5), &json!({}))
        );
    }
}

#[tokio::test]
async fn a_legacy_client_sees_progress_too() {
    let rig = Rig::new();
    let session = rig.session(ACME, &rig.keys[0]).await;
    let params = json!({"name": "progress", "_meta": {"progressToken": "t"}});

    let answer = rig.legacy(&session, "tools/call", params).await;

    let events = answer.events();
    assert_eq!(events.len(), 3, "{}", answer.text);
    assert_eq!(events[0]["params"]["progressToken"], "t");
    assert!(events[2]["result"].get("resultType").is_none());
}

#[tokio::test]
async fn who_takes_only_one_form_gets_that_form() {
    let rig = Rig::new();
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "progress", "_meta": {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "progressToken": 1,
        }},
    });
    let headers = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "progress"),
    ];
    let send = async |accept: &str| {
        let mut request = rig.post(&headers, body.to_string());
        request
            .headers_mut()
            .insert("accept", accept.parse().unwrap());
        rig.send(request).await
    };

    let whole = send("application/json").await;
    assert_eq!(whole.headers["content-type"], "application/json");
    assert_eq!(whole.json()["result"]["echo"], json!({}));
    let stream = send("text/event-stream").await;
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    assert_eq!(stream.events().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_long_silence_is_filled_with_comments() {
    let rig = std::sync::Arc::new(Rig::new());
    let other = rig.clone();
    let go = async move {
        tokio::time::sleep(Duration::from_secs(45)).await;
        other.worker.go.notify_one();
    };

    let (answer, ()) = tokio::join!(rig.modern("tools/call", json!({"name": "wait"})), go);

    assert_eq!(answer.headers["content-type"], "text/event-stream");
    // At 10 s the stream begins with one, then at 25 s and 40 s.
    assert_eq!(answer.text.matches(":\n\n").count(), 3, "{}", answer.text);
    assert_eq!(answer.events().len(), 1);
}

#[tokio::test]
async fn a_modern_client_that_leaves_cancels_its_call_and_a_legacy_one_does_not() {
    let rig = Rig::new();
    let session = rig.session(ACME, &rig.keys[0]).await;
    let begun = async || {
        while rig.worker.calls.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        rig.worker.calls.lock().unwrap().clear();
    };

    tokio::select! {
        _ = rig.modern("tools/call", json!({"name": "wait"})) => panic!("nothing ends it"),
        () = begun() => {}
    }
    rig.worker.dropped.notified().await;

    tokio::select! {
        _ = rig.legacy(&session, "tools/call", json!({"name": "wait"})) => panic!("nothing ends it"),
        () = begun() => {}
    }
    rig.worker.go.notify_one();
    rig.worker.finished.notified().await;
}

#[tokio::test]
async fn what_happened_is_counted() {
    let rig = Rig::alone(
        "the store counts sessions in its own time",
        gateway::Config::default(),
    );
    rig.modern("tools/call", json!({"name": "echo"})).await;
    with_token(&rig, "progress", json!(1)).await;
    rig.modern("tools/call", json!({"name": "nope"})).await;
    rig.session(ACME, &rig.keys[0]).await;

    let text = rig.metrics();

    let has = |line: &str| assert!(text.contains(line), "{line} in:\n{text}");
    has(r#"turnbuckle_mcp_requests_total{method="tools/call",era="modern",end="ok"} 2"#);
    has(r#"turnbuckle_mcp_requests_total{method="tools/call",era="modern",end="error"} 1"#);
    has(r#"turnbuckle_mcp_requests_total{method="initialize",era="legacy",end="ok"} 1"#);
    has(r#"turnbuckle_mcp_request_duration_seconds_count{method="tools/call"} 3"#);
    has("turnbuckle_mcp_sessions 1");
    has("turnbuckle_mcp_streams 0");
}
