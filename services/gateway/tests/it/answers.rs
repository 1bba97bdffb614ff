//! What clients answer to what upstreams ask, where it is no answer, and what they cannot be asked.

use bytes::Bytes;
use fabric::{Call, InputRequired, Method, Outcome};
use serde_json::{Value, json};

use crate::rig::{Rig, result};
use crate::rounds::{able, call};
use crate::websocket::{Served, modern};

const ALL: &str = "/api/v1/acme/mcp";

fn asks(requests: Value) -> Outcome {
    Outcome::InputRequired(InputRequired {
        requests: Some(Bytes::from(requests.to_string())),
        state: Some("s".to_owned()),
        meta: None,
    })
}

/// Asks once everything that can be asked, and repeats what it was answered.
fn asks_all(call: &Call) -> Outcome {
    let Some(inputs) = &call.request.inputs else {
        return asks(json!({
            "e": {"method": "elicitation/create", "params": {"message": "Who?", "requestedSchema": {}}},
            "s": {"method": "sampling/createMessage", "params": {"messages": []}},
            "r": {"method": "roots/list"},
        }));
    };
    let given = inputs.responses.as_deref().unwrap_or(b"{}");
    result(json!({"content": [], "given": serde_json::from_slice::<Value>(given).unwrap()}))
}

/// Answers of each kind that are none, and what they must be.
fn malformed() -> Vec<(&'static str, Value, &'static str)> {
    const ACTION: &str = "must have an action: accept, decline or cancel";
    const ROLE: &str = "must have a role: user or assistant";
    const BLOCKS: &str = "must have content: one block, or an array of them";
    const ROOTS: &str = "must have an array of roots, each with a uri";
    vec![
        ("e", json!("x"), "must be an object"),
        ("e", json!(null), "must be an object"),
        ("e", json!([]), "must be an object"),
        ("e", json!({}), ACTION),
        ("e", json!({"action": "dance"}), ACTION),
        ("e", json!({"error": {"code": -1, "message": "no"}}), ACTION),
        (
            "e",
            json!({"action": "accept", "content": "x"}),
            "must have content that is an object",
        ),
        ("s", json!({}), ROLE),
        (
            "s",
            json!({"role": "system", "content": {}, "model": "m"}),
            ROLE,
        ),
        ("s", json!({"role": "user", "model": "m"}), BLOCKS),
        (
            "s",
            json!({"role": "user", "content": "x", "model": "m"}),
            BLOCKS,
        ),
        (
            "s",
            json!({"role": "user", "content": ["x"], "model": "m"}),
            BLOCKS,
        ),
        (
            "s",
            json!({"role": "user", "content": {}}),
            "must have a model",
        ),
        ("r", json!({}), ROOTS),
        ("r", json!({"roots": {}}), ROOTS),
        ("r", json!({"roots": [{"name": "x"}]}), ROOTS),
    ]
}

#[tokio::test]
async fn a_malformed_answer_is_refused_in_either_bridge_and_the_state_stays_good() {
    for version in ["2025-11-25", "2026-07-28"] {
        let rig = Rig::new();
        rig.server(0, version, json!({}));
        rig.worker.answers(asks_all);
        let first = call(&rig, json!({"name": "echo"})).await.json()["result"].clone();
        let retry = async |responses: Value| {
            let state = &first["requestState"];
            let params = json!({
                "name": "echo", "requestState": state, "inputResponses": responses,
            });
            call(&rig, params).await
        };

        for (key, wrong, why) in malformed() {
            let refused = retry(json!({key: wrong})).await;
            let message = format!("Invalid params: inputResponses[{key:?}] {why}");
            assert_eq!(refused.error(), (200, -32602, message), "{wrong}");
        }
        for wrong in [json!("x"), json!(["x"])] {
            let message = "params.inputResponses must be an object".to_owned();
            assert_eq!(retry(wrong).await.error(), (200, -32602, message));
        }
        assert_eq!(
            rig.worker.take_calls().len(),
            1,
            "nothing reached the upstream"
        );

        let right = json!({
            "e": {"action": "decline", "content": null},
            "s": {"role": "assistant", "content": [{"type": "text", "text": "x"}], "model": "m"},
            "r": {"roots": [{"uri": "file:///x"}]},
            "more": {"nobody": "asked"},
        });
        let answered = retry(right.clone()).await.json()["result"].clone();
        assert_eq!(answered["given"], right);
        let used = "Invalid params: unknown or expired requestState".to_owned();
        assert_eq!(retry(right).await.error(), (200, -32602, used));
    }
}

#[tokio::test]
async fn answers_are_given_once_each_and_are_objects_without_a_state_too() {
    let rig = Rig::new();
    let text = r#"{"k":{"a":1},"k":{"a":2}}"#;
    let meta = crate::rig::meta();
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","inputResponses":{text},"_meta":{meta}}}}}"#
    );
    let headers = [
        ("mcp-protocol-version", crate::rig::MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
    ];
    let twice = rig.send(rig.post(&headers, body)).await;
    let message = "Invalid params: inputResponses[\"k\"] is given twice".to_owned();
    assert_eq!(twice.error(), (200, -32602, message));

    for wrong in [json!("x"), json!(null), json!(1)] {
        let refused = call(
            &rig,
            json!({"name": "echo", "inputResponses": {"k": wrong}}),
        )
        .await;
        let message = "Invalid params: inputResponses[\"k\"] must be an object".to_owned();
        assert_eq!(refused.error(), (200, -32602, message));
    }
    assert!(rig.worker.take_calls().is_empty());
}

#[tokio::test]
async fn a_malformed_answer_of_a_legacy_client_ends_its_call_in_words_and_gives_it_up_upstream() {
    for (version, method) in [
        ("2025-11-25", "tools/call"),
        ("2026-07-28", "tools/call"),
        ("2025-11-25", "prompts/get"),
    ] {
        let rig = Rig::new();
        rig.server(0, version, json!({"prompts": {}}));
        let (given_up, mut told) = tokio::sync::mpsc::unbounded_channel();
        rig.worker.answers(move |call| {
            if call.request.method == Method::GiveUp {
                let inputs = call.request.inputs.clone().unwrap();
                given_up.send(inputs.state.unwrap()).unwrap();
                return result("{}");
            }
            asks_all(call)
        });
        let session = rig.session_as(ALL, "2025-11-25", able()).await;
        let name = if method == "tools/call" {
            "echo"
        } else {
            "greet"
        };
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": name}});
        let mut live = rig.open(rig.message(ALL, &session, body)).await;
        let (form, sampling) = (live.next().await.unwrap(), live.next().await.unwrap());
        let roots = live.next().await.unwrap();

        let answer = json!({"jsonrpc": "2.0", "id": roots["id"], "result": {"roots": []}});
        rig.send(rig.message(ALL, &session, answer)).await;
        let dance = json!({"jsonrpc": "2.0", "id": form["id"], "result": {"action": "dance"}});
        rig.send(rig.message(ALL, &session, dance)).await;

        let mut taken_back = Vec::new();
        let last = loop {
            let next = live.next().await.unwrap();
            match next["method"].as_str() {
                Some("notifications/cancelled") => {
                    taken_back.push(next["params"]["requestId"].clone());
                }
                _ => break next,
            }
        };
        // What came to another gateway may come after what came to this one.
        taken_back.retain(|id| crate::GATEWAYS == 1 || *id != roots["id"]);
        assert_eq!(taken_back, [sampling["id"].clone()]);
        let text = "The client's answer to elicitation/create must have an action: accept, decline or cancel.";
        match method {
            "tools/call" => {
                let content = json!([{"type": "text", "text": text}]);
                assert_eq!(last["result"], json!({"content": content, "isError": true}));
            }
            _ => assert_eq!(last["error"], json!({"code": -32603, "message": text})),
        }
        assert!(live.next().await.is_none());
        assert_eq!(told.recv().await.unwrap(), "s");
    }
}

#[tokio::test]
async fn what_a_modern_server_asks_and_the_client_cannot_is_said_in_its_eras_words() {
    let rig = Rig::new();
    rig.server(0, "2026-07-28", json!({}));
    let url = json!({"method": "elicitation/create", "params": {
        "mode": "url", "message": "Log in", "url": "https://a.test/", "elicitationId": "e",
    }});
    let form = json!({"method": "elicitation/create", "params": {"message": "Who?"}});
    let sampling = json!({"method": "sampling/createMessage", "params": {"messages": []}});
    let roots = json!({"method": "roots/list"});
    for (asked, able, required) in [
        (&form, json!({}), json!({"elicitation": {"form": {}}})),
        (
            &form,
            json!({"elicitation": {"url": {}}}),
            json!({"elicitation": {"form": {}}}),
        ),
        (
            &url,
            json!({"elicitation": {}}),
            json!({"elicitation": {"url": {}}}),
        ),
        (
            &sampling,
            json!({"elicitation": {}}),
            json!({"sampling": {}}),
        ),
        (&roots, json!({"sampling": {}}), json!({"roots": {}})),
    ] {
        let requests = json!({"k": asked});
        rig.worker.answers(move |_| asks(requests.clone()));
        let params = json!({"name": "echo"});
        let refused = rig.modern_as(ALL, able, "tools/call", params).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        assert_eq!(
            refused.json()["error"],
            json!({
                "code": -32021,
                "message": "The client did not declare a capability that this needs",
                "data": {"requiredCapabilities": required},
            })
        );
    }

    rig.worker.answers(move |_| asks(json!({"k": url})));
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = rig
            .session_as(ALL, version, json!({"elicitation": {}}))
            .await;
        let params = json!({"name": "echo"});
        let answer = rig.legacy_at(ALL, &session, "tools/call", params).await;
        let text = "Log in\nOpen https://a.test/ and then call the tool again.";
        let content = json!([{"type": "text", "text": text}]);
        let result = &Rig::last(&answer)["result"];
        assert_eq!(
            result,
            &json!({"content": content, "isError": true}),
            "{version}"
        );
    }
}

#[tokio::test]
async fn a_modern_client_of_a_websocket_is_told_the_same() {
    let served = Served::new().await;
    served.rig.server(0, "2026-07-28", json!({}));
    served.rig.worker.answers(asks_all);
    let mut socket = served.open().await;

    let refused = socket
        .ask(&modern(json!("w"), "tools/call", json!({"name": "echo"})))
        .await;

    let error = json!({
        "code": -32021,
        "message": "The client did not declare a capability that this needs",
        "data": {"requiredCapabilities": {"elicitation": {"form": {}}}},
    });
    assert_eq!(
        refused,
        json!({"jsonrpc": "2.0", "id": "w", "error": error})
    );
}
