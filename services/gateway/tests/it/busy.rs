//! What cannot be served just now is said in one form: a JSON-RPC error with the request's id,
//! and when to come again.

use bytes::Bytes;
use fabric::{Effect, Failure, FailureKind, InputRequired, Outcome};
use gateway::Config;
use serde_json::{Value, json};

use crate::rig::{MODERN, Rig, meta};
use crate::rounds::{able, call};
use crate::websocket::{Served, modern};

const ALL: &str = "/api/v1/acme/mcp";

fn asks() -> Outcome {
    Outcome::InputRequired(InputRequired {
        requests: Some(Bytes::from_static(
            br#"{"k":{"method":"elicitation/create","params":{"message":"Who?"}}}"#,
        )),
        state: None,
        meta: None,
    })
}

fn listen(rig: &Rig, id: Value, accept: &str) -> http::Request<axum::body::Body> {
    let headers = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "subscriptions/listen"),
    ];
    let params = json!({"notifications": {"toolsListChanged": true}, "_meta": meta()});
    let body = json!({
        "jsonrpc": "2.0", "id": id, "method": "subscriptions/listen", "params": params,
    });
    let mut request = rig.post(&headers, body.to_string());
    request
        .headers_mut()
        .insert("accept", accept.parse().unwrap());
    request
}

#[tokio::test]
async fn a_listen_too_many_is_refused_as_the_request_that_it_is() {
    let both = "application/json, text/event-stream";
    for (config, whose) in [
        (
            Config {
                listeners_per_key: 1,
                ..Config::default()
            },
            "this key",
        ),
        (
            Config {
                listeners_per_tenant: 1,
                ..Config::default()
            },
            "this tenant",
        ),
        (
            Config {
                listeners_total: 1,
                ..Config::default()
            },
            "this gateway",
        ),
    ] {
        let rig = Rig::alone("bounds are those of each gateway", config);
        let mut first = rig.open(listen(&rig, json!(1), both)).await;
        first.next().await.unwrap();

        let refused = rig.send(listen(&rig, json!("two"), both)).await;

        let message = format!(
            "Too many requests: too many streams of notifications are open for {whose}: close some, or try again later"
        );
        let error = json!({"code": -32603, "message": message});
        assert_eq!(refused.status, 429);
        assert_eq!(refused.headers["retry-after"], "1");
        assert_eq!(refused.headers["content-type"], "application/json");
        let whole = json!({"jsonrpc": "2.0", "id": "two", "error": error});
        assert_eq!(refused.json(), whole);
    }

    let rig = Rig::new();
    let refused = rig.send(listen(&rig, json!(3), "application/json")).await;
    let message = "Not Acceptable: the answer is a stream of events".to_owned();
    assert_eq!(refused.error(), (406, -32600, message));
    assert_eq!(refused.json()["id"], 3);
}

#[tokio::test]
async fn a_listen_too_many_on_a_websocket_is_answered_there() {
    let config = Config {
        listeners_per_key: 2,
        ..Config::default()
    };
    let served = Served::by(Rig::alone("bounds are those of each gateway", config)).await;
    let mut socket = served.open().await;
    let wish = json!({"notifications": {"toolsListChanged": true}});
    let listen = |id| modern(json!(id), "subscriptions/listen", wish.clone());
    socket.ask(&listen(1)).await;

    let refused = socket.ask(&listen(2)).await;

    let message = "Too many requests: too many streams of notifications are open for this key: close some, or try again later";
    let error = json!({"code": -32603, "message": message});
    assert_eq!(refused, json!({"jsonrpc": "2.0", "id": 2, "error": error}));
}

#[tokio::test]
async fn who_comes_while_all_is_busy_is_told_when_to_come_again() {
    let config = Config {
        parked_per_key: 1,
        ..Config::default()
    };
    let rig = Rig::alone("bounds are those of each gateway", config);
    rig.worker.answers(|_| asks());
    call(&rig, json!({"name": "echo"})).await;
    let session = rig.session_as(ALL, "2025-11-25", able()).await;
    let text = "Too many calls wait for answers of their clients; try again later".to_owned();
    let modern = call(&rig, json!({"name": "echo"})).await;
    let legacy = rig
        .legacy(&session, "tools/call", json!({"name": "echo"}))
        .await;
    for refused in [modern, legacy] {
        assert_eq!(refused.error(), (200, -32603, text.clone()));
        assert_eq!(refused.headers["retry-after"], "1");
    }

    let failure = |kind| {
        Outcome::Failed(Failure {
            kind,
            message: "upstream busy: all sessions with the MCP server are in use by other callers."
                .to_owned(),
            effect: Effect::None,
        })
    };
    rig.worker.answers(move |_| failure(FailureKind::Busy));
    let busy = "upstream busy: all sessions with the MCP server are in use by other callers.";
    let modern = call(&rig, json!({"name": "echo"})).await;
    let legacy = rig
        .legacy(&session, "tools/call", json!({"name": "echo"}))
        .await;
    for refused in [modern, legacy] {
        assert_eq!(refused.error(), (200, -32603, busy.to_owned()));
        assert_eq!(refused.headers["retry-after"], "1");
    }
    rig.worker.answers(move |_| failure(FailureKind::Internal));
    let other = call(&rig, json!({"name": "echo"})).await;
    assert!(!other.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn an_id_is_of_one_request_in_flight_in_a_session() {
    let rig = Rig::alone(
        "the rule binds clients; each gateway holds them to it for itself",
        Config::default(),
    );
    rig.worker.answers(|call| match &call.request.inputs {
        None => asks(),
        Some(_) => crate::rig::result(json!({"content": []})),
    });
    let sessions = [
        rig.session_as(ALL, "2025-11-25", able()).await,
        rig.session_as(ALL, "2025-11-25", able()).await,
    ];
    let request = |session: &str, id: Value| {
        let params = json!({"name": "echo"});
        let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        rig.message(ALL, session, body)
    };
    let mut live = rig.open(request(&sessions[0], json!(7))).await;
    let question = live.next().await.unwrap();

    let refused = rig.send(request(&sessions[0], json!(7))).await;
    let message = "Invalid Request: a request with this id is in flight".to_owned();
    assert_eq!(refused.error(), (400, -32600, message));
    assert_eq!(refused.json()["id"], 7);
    for (session, id) in [(&sessions[0], json!("7")), (&sessions[1], json!(7))] {
        let mut other = rig.open(request(session, id)).await;
        assert_eq!(other.next().await.unwrap()["method"], "elicitation/create");
    }

    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "cancel"}});
    rig.send(rig.message(ALL, &sessions[0], answer)).await;
    assert_eq!(live.next().await.unwrap()["id"], 7);
    assert!(live.next().await.is_none());
    let mut again = rig.open(request(&sessions[0], json!(7))).await;
    assert_eq!(again.next().await.unwrap()["method"], "elicitation/create");
}

#[tokio::test]
async fn an_id_is_of_one_request_in_flight_on_a_websocket() {
    let served = Served::new().await;
    let mut socket = served.open().await;
    socket.initialize("2025-11-25", json!({})).await;
    let call = |name: &str| {
        let params = json!({"name": name});
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    };
    socket.send(&call("wait")).await;

    let refused = socket.ask(&call("echo")).await;

    let message = "Invalid Request: a request with this id is in flight";
    let error = json!({"code": -32600, "message": message});
    assert_eq!(refused, json!({"jsonrpc": "2.0", "id": 1, "error": error}));
    served.rig.worker.go.notify_one();
    assert!(socket.next().await["result"].is_object());
}
