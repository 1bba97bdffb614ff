//! A key that expires ends what it holds open, as one that is revoked does.

use std::time::Duration;

use serde_json::json;

use crate::rig::{MODERN, NOW, Rig, meta};
use crate::websocket::Served;

const ALL: &str = "/api/v1/acme/mcp";

#[tokio::test(start_paused = true)]
async fn listens_and_streams_end_in_the_second_in_which_their_key_expires() {
    let rig = Rig::new();
    let headers = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "subscriptions/listen"),
    ];
    let params = json!({"notifications": {"toolsListChanged": true}, "_meta": meta()});
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params});
    let mut listen = rig.open(rig.post(&headers, body.to_string())).await;
    listen.next().await.unwrap();
    let session = rig.session(ALL, &rig.keys[0]).await;
    let standalone = http::Request::get(ALL)
        .header("authorization", format!("Bearer {}", rig.keys[0]))
        .header("accept", "text/event-stream")
        .header("mcp-session-id", &session);
    let mut standalone = rig.open(standalone.body("".into()).unwrap()).await;

    rig.clock.advance(Duration::from_secs(3_599));
    tokio::time::sleep(Duration::from_secs(1_200)).await;
    rig.source.change("acme", |config| {
        config.connectors[0].tools[0].enabled = false;
    });
    let method = "notifications/tools/list_changed";
    assert_eq!(listen.next().await.unwrap()["method"], method);
    assert_eq!(standalone.next().await.unwrap()["method"], method);

    rig.clock.advance(Duration::from_secs(1));
    let last = listen.next().await.unwrap();
    assert_eq!(
        (&last["id"], &last["result"]["resultType"]),
        (&json!(1), &json!("complete"))
    );
    assert!(listen.next().await.is_none());
    assert!(standalone.next().await.is_none());
}

#[tokio::test]
async fn a_websocket_is_closed_when_its_key_expires() {
    let served = Served::new().await;
    let left = Duration::from_millis(20);
    served.rig.source.change("acme", |config| {
        config.keys[0].key.expires_at = Some(NOW + left);
    });
    let mut socket = served.open().await;
    socket.initialize("2025-11-25", json!({})).await;

    served.rig.clock.advance(left);

    assert_eq!(socket.closed().await, 4401);
}
