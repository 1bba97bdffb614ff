//! Both eras on one URL, decided for each message by itself.

use http::StatusCode;
use serde_json::{Value, json};

use crate::rig::{MODERN, Rig, initialize, meta};
use crate::sse::{ACME, Stream};

/// A request with this metadata and these headers: its status, code and data.
async fn send(rig: &Rig, meta: Option<Value>, headers: &[(&str, &str)]) -> (u16, i64, Value) {
    let params = meta.map_or_else(|| json!({}), |meta| json!({"_meta": meta}));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params});
    let answer = rig.send(rig.post(headers, body.to_string())).await;
    let (status, code, _) = answer.error();
    (status, code, answer.json()["error"]["data"].clone())
}

fn version(text: &str) -> (&'static str, &str) {
    ("mcp-protocol-version", text)
}

#[tokio::test]
async fn every_row_of_the_decision_table_has_its_answer() {
    let rig = Rig::new();
    let session = rig.session(ACME, &rig.keys[0]).await;
    let session = ("mcp-session-id", session.as_str());
    let list = ("mcp-method", "tools/list");
    let meta_of = |version: &str| {
        let mut meta = meta();
        meta["io.modelcontextprotocol/protocolVersion"] = version.into();
        Some(meta)
    };
    let unsupported = |requested: &str| json!({"supported": [MODERN], "requested": requested});
    let (new, old, odd) = (
        version(MODERN),
        version("2025-11-25"),
        version("2099-01-01"),
    );

    for (meta, headers, expected) in [
        (meta_of(MODERN), &[new, list][..], (200, 0, Value::Null)),
        (meta_of(MODERN), &[list], (400, -32020, Value::Null)),
        (meta_of(MODERN), &[old, list], (400, -32020, Value::Null)),
        (meta_of(MODERN), &[odd, list], (400, -32020, Value::Null)),
        (
            meta_of("2099-01-01"),
            &[odd, list],
            (400, -32022, unsupported("2099-01-01")),
        ),
        (
            meta_of("2025-11-25"),
            &[old, list],
            (400, -32022, unsupported("2025-11-25")),
        ),
        (None, &[new, list], (400, -32602, Value::Null)),
        (None, &[new, list, session], (400, -32602, Value::Null)),
        (None, &[odd], (400, -32022, unsupported("2099-01-01"))),
        (
            None,
            &[odd, session],
            (400, -32022, unsupported("2099-01-01")),
        ),
        (None, &[version("")], (400, -32022, unsupported(""))),
        (None, &[session], (200, 0, Value::Null)),
        (None, &[old, session], (200, 0, Value::Null)),
        (
            None,
            &[version("2024-11-05"), session],
            (200, 0, Value::Null),
        ),
        (None, &[old], (400, -32600, Value::Null)),
        (None, &[], (400, -32600, Value::Null)),
    ] {
        let text = format!("{meta:?} {headers:?}");
        assert_eq!(send(&rig, meta, headers).await, expected, "{text}");
    }
}

#[tokio::test]
async fn a_client_may_change_its_era_from_message_to_message() {
    let rig = Rig::new();

    assert_eq!(rig.modern("server/discover", json!({})).await.status, 200);
    let begun = rig.send(rig.post(&[], initialize("2025-06-18"))).await;
    let session = begun.headers["mcp-session-id"].to_str().unwrap();
    assert_eq!(rig.modern("tools/list", json!({})).await.status, 200);
    assert_eq!(rig.legacy(session, "ping", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_modern_request_neither_needs_nor_gets_what_sessions_have() {
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
        version(MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "progress"),
        ("mcp-session-id", "whatever"),
        ("last-event-id", "whatever"),
    ];

    let stream = Stream::open(&rig, rig.post(&headers, body.to_string())).await;

    assert_eq!(stream.status, StatusCode::OK);
    assert!(!stream.headers.contains_key("mcp-session-id"));
    let events = stream.rest().await;
    assert_eq!(events.len(), 3);
    assert!(
        events
            .iter()
            .all(|event| event.id.is_none() && event.retry.is_none())
    );
}

#[tokio::test]
async fn the_handshake_takes_any_legacy_version_header_and_no_session() {
    let rig = Rig::new();
    for header in ["2024-11-05", "2025-11-25"] {
        let request = rig.post(&[version(header)], initialize("2025-06-18"));
        let answer = rig.send(request).await;
        assert_eq!(answer.json()["result"]["protocolVersion"], "2025-06-18");
    }
    let dead = [("mcp-session-id", "dead")];
    let again = rig.send(rig.post(&dead, initialize("2025-06-18"))).await;
    assert_eq!(again.status, 200, "begins anew, whatever went before");
    let mut stream_only = rig.post(&[], initialize("2025-06-18"));
    let accept = "text/event-stream".parse().unwrap();
    stream_only.headers_mut().insert("accept", accept);
    let streamed = rig.send(stream_only).await;
    assert_eq!(streamed.headers["content-type"], "text/event-stream");
    assert!(streamed.headers.contains_key("mcp-session-id"));
    assert_eq!(streamed.events()[0]["id"], 0);
}
