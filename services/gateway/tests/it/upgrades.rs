//! Where WebSocket begins, and how it ends.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::rig::Rig;
use crate::websocket::{Served, modern};

const WS: &str = "/api/v1/acme/mcp/ws";
const ONE_WS: &str = "/api/v1/acme/connectors/one/mcp/ws";

#[tokio::test]
async fn either_endpoint_has_a_url_for_websocket_alone() {
    let served = Served::new().await;
    let bearer = format!("Bearer {}", served.rig.keys[0]);
    let headers = [
        ("authorization", &*bearer),
        ("sec-websocket-protocol", "mcp"),
    ];

    for (path, server) in [(WS, "acme"), (ONE_WS, "one")] {
        let mut socket = served.try_open(path, &headers).await.unwrap();
        let answer = socket.initialize("2025-11-25", json!({})).await;
        let name = answer["result"]["serverInfo"]["name"].as_str().unwrap();
        assert!(name.contains(server), "{name}");
    }
    assert_eq!(served.refused(WS, &headers[1..]).await, 401);
    assert_eq!(served.refused(&format!("{WS}?key=x"), &headers).await, 400);
    let unknown = "/api/v1/acme/connectors/no/mcp/ws";
    assert_eq!(served.refused(unknown, &headers).await, 404);
}

#[tokio::test]
async fn plain_http_where_only_websocket_is_told_so() {
    let rig = Rig::new();
    for path in [WS, ONE_WS] {
        let request = |method: &str| {
            Request::builder()
                .method(method)
                .uri(path)
                .header("authorization", format!("Bearer {}", rig.keys[0]))
                .body(Body::empty())
                .unwrap()
        };
        let plain = rig.send(request("GET")).await;
        assert_eq!(plain.status, 426);
        assert_eq!(plain.headers["upgrade"], "websocket");
        let detail = plain.json()["detail"].clone();
        let expected = "this URL speaks WebSocket: ask for an upgrade, subprotocol mcp";
        assert_eq!(detail, expected);
        for method in ["POST", "DELETE"] {
            let refused = rig.send(request(method)).await;
            assert_eq!(refused.status, 405);
            assert_eq!(refused.headers["allow"], "GET");
        }
    }
}

#[tokio::test]
async fn a_server_that_goes_ends_listens_with_their_results_before_the_connection() {
    let served = Served::new().await;
    let mut socket = served.open().await;
    let wish = json!({"notifications": {"toolsListChanged": true}});
    for id in [json!(1), json!("two")] {
        let listen = modern(id, "subscriptions/listen", wish.clone());
        let told = socket.ask(&listen).await;
        assert_eq!(told["method"], "notifications/subscriptions/acknowledged");
    }

    served.rig.drain();

    let ends = [socket.next().await, socket.next().await];
    let mut ids: Vec<Value> = ends.iter().map(|end| end["id"].clone()).collect();
    ids.sort_by_key(Value::is_string);
    assert_eq!(ids, [json!(1), json!("two")]);
    for end in ends {
        let result = &end["result"];
        assert_eq!(result["resultType"], "complete");
        let id = &result["_meta"]["io.modelcontextprotocol/subscriptionId"];
        assert_eq!(id, &end["id"]);
    }
    assert_eq!(socket.closed().await, 1001);
}
