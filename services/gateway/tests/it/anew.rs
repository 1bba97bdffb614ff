//! Calls that wait for their client while the worker, or the server, that they are at ends.

use bytes::Bytes;
use domain::ToolDefinition;
use fabric::{Call, Effect, Failure, FailureKind, InputRequired, Outcome};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::rig::{Answer, Rig, result};
use crate::rounds::{able, call};

const ALL: &str = "/api/v1/acme/mcp";
const GONE: &str = "Internal error: it is gone; what became of it is unknown.";

/// The tools of acme's first connector say this of themselves.
fn rig(annotations: &Value) -> Rig {
    let rig = Rig::new();
    rig.server(0, "2025-11-25", json!({"prompts": {}}));
    let tool =
        json!({"name": "echo", "inputSchema": {"type": "object"}, "annotations": annotations});
    let tool = RawValue::from_string(tool.to_string()).unwrap();
    rig.source.change("acme", |config| {
        config.connectors[0].tools[0].definition = ToolDefinition::parse(tool).unwrap();
    });
    rig
}

fn form(message: &str) -> Value {
    json!({"method": "elicitation/create", "params": {
        "mode": "form", "message": message, "requestedSchema": {"type": "object"},
    }})
}

fn asks(requests: Value, state: &str) -> Outcome {
    Outcome::InputRequired(InputRequired {
        requests: Some(Bytes::from(requests.to_string())),
        state: Some(state.to_owned()),
        meta: None,
    })
}

fn gone() -> Outcome {
    Outcome::Failed(Failure {
        kind: FailureKind::Forgotten,
        message: GONE.to_owned(),
        effect: Effect::Possible,
    })
}

/// Asks a name, then an age. The first life of the call ends when it has been told the age.
fn two_lives(call: &Call) -> Outcome {
    let inputs = call.request.inputs.clone();
    match inputs.and_then(|inputs| inputs.state).as_deref() {
        None => asks(json!({"k1": form("Name?")}), "1"),
        Some("1") => asks(json!({"k2": form("Age?")}), "2"),
        Some("2") => gone(),
        other => panic!("{other:?}"),
    }
}

/// What the second life is told, in the order that it asks.
fn second_life(call: &Call) -> Outcome {
    let inputs = call.request.inputs.clone();
    let told = inputs
        .clone()
        .and_then(|inputs| inputs.responses)
        .map(|raw| String::from_utf8(raw.to_vec()).unwrap());
    match inputs.and_then(|inputs| inputs.state).as_deref() {
        Some("2") => gone(),
        None => asks(json!({"n": form("Name?")}), "a"),
        Some("a") => {
            assert_eq!(
                told.as_deref(),
                Some(r#"{"n":{"action":"accept","x":1.0}}"#)
            );
            asks(json!({"age": form("Age?"), "new": form("Sure?")}), "b")
        }
        Some("b") => {
            assert_eq!(told.as_deref(), Some(r#"{"age":{"action":"decline"}}"#));
            asks(json!({"new": form("Sure?")}), "c")
        }
        Some("c") => result(json!({"content": [], "told": told})),
        other => panic!("{other:?}"),
    }
}

/// Two rounds of a modern client; gives what it is told when it has answered both.
async fn answered_twice(rig: &Rig, then: fn(&Call) -> Outcome) -> Answer {
    rig.worker.answers(two_lives);
    let first = call(rig, json!({"name": "echo"})).await.json()["result"].clone();
    let params = json!({
        "name": "echo", "requestState": first["requestState"],
        "inputResponses": {"k1": {"action": "accept", "x": 1.0}},
    });
    let second = call(rig, params).await.json()["result"].clone();
    assert_eq!(second["inputRequests"], json!({"k2": form("Age?")}));
    rig.worker.answers(then);
    let params = json!({
        "name": "echo", "requestState": second["requestState"],
        "inputResponses": {"k2": {"action": "decline"}},
    });
    call(rig, params).await
}

#[tokio::test]
async fn a_call_that_may_be_repeated_begins_anew_and_asks_only_what_was_not_answered() {
    for hint in ["readOnlyHint", "idempotentHint"] {
        let rig = rig(&json!({hint: true}));

        let third = answered_twice(&rig, second_life).await.json()["result"].clone();
        assert_eq!(
            third["inputRequests"],
            json!({"new": form("Sure?")}),
            "{hint}"
        );
        let params = json!({
            "name": "echo", "requestState": third["requestState"],
            "inputResponses": {"new": {"action": "accept"}},
        });
        let last = call(&rig, params).await.json()["result"].clone();
        assert_eq!(last["told"], r#"{"new":{"action":"accept"}}"#);
    }
}

#[tokio::test]
async fn any_other_call_ends_with_a_clear_word() {
    for annotations in [
        json!({}),
        json!({"readOnlyHint": false, "idempotentHint": "yes"}),
    ] {
        let rig = rig(&annotations);

        let answer = answered_twice(&rig, second_life).await;

        assert_eq!(answer.error(), (200, -32603, GONE.to_owned()));
    }
}

#[tokio::test]
async fn a_call_of_a_legacy_client_begins_anew_on_the_same_stream() {
    let rig = rig(&json!({"readOnlyHint": true}));
    rig.worker.answers(|call| {
        let inputs = call.request.inputs.clone();
        match inputs.and_then(|inputs| inputs.state).as_deref() {
            None => asks(json!({"k": form("Name?")}), "1"),
            Some("1") => {
                static LIVES: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
                match LIVES.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                    0 => gone(),
                    _ => result(json!({"content": []})),
                }
            }
            other => panic!("{other:?}"),
        }
    });
    let session = rig.session_as(ALL, "2025-11-25", able()).await;
    let body =
        json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "echo"}});

    let mut live = rig.open(rig.message(ALL, &session, body)).await;
    let question = live.next().await.unwrap();
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "cancel"}});
    rig.send(rig.message(ALL, &session, answer)).await;
    let last = live.next().await.unwrap();

    assert_eq!(
        (&last["id"], &last["result"]),
        (&json!(7), &json!({"content": []})),
        "it is not asked again"
    );
    assert_eq!(rig.worker.take_calls().len(), 4);
}
