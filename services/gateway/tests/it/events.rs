//! What a client is told in mid-call, and what it tells besides requests.

use bytes::Bytes;
use fabric::CallEvent;
use serde_json::{Value, json};

use crate::rig::{Rig, result};
use crate::rounds::{able, call};

const ALL: &str = "/api/v1/acme/mcp";

#[tokio::test]
async fn servers_are_told_of_changed_roots_of_clients_that_have_some() {
    let rig = Rig::new();
    rig.server(1, "2025-11-25", json!({}));
    rig.worker.answers(|_| result("{}"));
    let notes = [
        "notifications/initialized",
        "notifications/roots/list_changed",
    ];
    for (capabilities, calls) in [(json!({}), 0), (json!({"roots": {}}), 2)] {
        let session = rig.session_as(ALL, "2025-11-25", capabilities).await;
        for note in notes {
            let body = json!({"jsonrpc": "2.0", "method": note});
            assert_eq!(rig.send(rig.message(ALL, &session, body)).await.status, 202);
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let told = rig.worker.take_calls();
        assert_eq!(told.len(), calls);
        for call in told {
            assert_eq!(call.request.method, fabric::Method::RootsChanged);
            assert_eq!(
                call.connector.as_uuid().as_u128(),
                12,
                "the MCP server alone"
            );
            assert!(call.client.capabilities.roots);
        }
    }
}

#[tokio::test]
async fn what_a_session_declares_and_how_it_takes_answers_says_what_may_be_asked() {
    let rig = Rig::new();
    let capabilities = async |version: &str, accept: &'static str| {
        let session = rig.session_as(ALL, version, able()).await;
        let params = json!({"name": "echo"});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let mut request = rig.message(ALL, &session, body);
        request
            .headers_mut()
            .insert("accept", accept.parse().unwrap());
        rig.send(request).await;
        let client = rig.worker.take_calls().remove(0).client;
        let can = &client.capabilities;
        (
            can.roots,
            can.elicitation_form,
            can.elicitation_url,
            client.log_level.is_some(),
        )
    };
    let both = "application/json, text/event-stream";
    assert_eq!(
        capabilities("2025-11-25", both).await,
        (true, true, true, true)
    );
    assert_eq!(
        capabilities("2025-06-18", both).await,
        (true, true, false, true)
    );
    assert_eq!(
        capabilities("2025-03-26", both).await,
        (true, false, false, true)
    );
    let none = (false, false, false, false);
    assert_eq!(capabilities("2025-11-25", "application/json").await, none);
}

#[tokio::test]
async fn log_messages_reach_who_wants_them_at_its_level() {
    let rig = Rig::new();
    rig.worker.script(|call, events| async move {
        let params = Bytes::from_static(br#"{"level":"info","data":1.0}"#);
        match events {
            Some(events) => drop(events.send(CallEvent::Log(params)).await),
            None => assert!(call.client.log_level.is_none()),
        }
        result(json!({"content": []}))
    });
    let level = |rig: &Rig| {
        rig.worker.take_calls()[0]
            .client
            .log_level
            .map(|l| l.as_str())
    };

    let quiet = call(&rig, json!({"name": "echo"})).await;
    assert_eq!(quiet.headers["content-type"], "application/json");
    assert_eq!(level(&rig), None);
    let meta = json!({"io.modelcontextprotocol/logLevel": "debug"});
    let told = call(&rig, json!({"name": "echo", "_meta": meta})).await;
    assert_eq!(
        told.events()[0]["params"],
        json!({"level": "info", "data": 1.0})
    );
    assert_eq!(level(&rig), Some("debug"));
    let meta = json!({"io.modelcontextprotocol/logLevel": "loud"});
    let wrong = call(&rig, json!({"name": "echo", "_meta": meta})).await;
    assert_eq!((wrong.error().0, wrong.error().1), (400, -32602));

    rig.server(0, "2025-11-25", json!({"logging": {}}));
    let session = rig.session_as(ALL, "2025-11-25", json!({})).await;
    let told = rig
        .legacy(&session, "tools/call", json!({"name": "echo"}))
        .await;
    assert_eq!(told.events()[0]["method"], "notifications/message");
    assert_eq!(level(&rig), Some("info"), "the server's own choice");
    for (wanted, code) in [
        (json!("warning"), None),
        (json!("loud"), Some(-32602)),
        (json!(1), Some(-32602)),
    ] {
        let set = rig
            .legacy(&session, "logging/setLevel", json!({"level": wanted}))
            .await;
        assert_eq!(set.json()["error"]["code"].as_i64(), code);
    }
    rig.legacy(&session, "tools/call", json!({"name": "echo"}))
        .await;
    assert_eq!(level(&rig), Some("warning"));
}

#[tokio::test]
async fn a_cancelled_call_has_no_answer_and_its_upstream_is_told() {
    let rig = Rig::new();
    let session = rig.session_as(ALL, "2025-11-25", able()).await;
    let call =
        json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": {"name": "wait"}});
    let cancel = |id: Value| {
        let params = json!({"requestId": id});
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
    };
    let begun = async {
        while rig.worker.calls.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        for id in [json!("d"), json!(7), json!("c")] {
            assert_eq!(
                rig.send(rig.message(ALL, &session, cancel(id)))
                    .await
                    .status,
                202
            );
        }
        rig.worker.dropped.notified().await;
    };

    let (answer, ()) = tokio::join!(rig.send(rig.message(ALL, &session, call)), begun);

    assert!(
        !answer.text.contains("\"result\"") && !answer.text.contains("\"error\""),
        "{}",
        answer.text
    );
    assert!(
        rig.metrics()
            .contains("turnbuckle_mcp_requests_in_flight 0")
    );
}

#[tokio::test]
async fn the_end_of_a_session_is_the_end_of_what_runs_for_it() {
    let rig = Rig::new();
    let session = rig.session_as(ALL, "2025-11-25", able()).await;
    let other = rig.session_as(ALL, "2025-11-25", able()).await;
    let calls = |session: &str| {
        let params = json!({"name": "wait"});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        rig.send(rig.message(ALL, session, body))
    };
    let end = async {
        while rig.worker.calls.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
        let mut delete = rig.message(ALL, &session, json!({}));
        *delete.method_mut() = http::Method::DELETE;
        assert_eq!(rig.send(delete).await.status, 204);
        rig.worker.dropped.notified().await;
        rig.worker.go.notify_one();
    };

    let (ended, goes_on, ()) = tokio::join!(calls(&session), calls(&other), end);

    assert!(!ended.text.contains("\"result\""), "{}", ended.text);
    assert_eq!(Rig::last(&goes_on)["result"]["echo"], json!({}));
    assert_eq!(rig.open_mailboxes(), 0);
}
