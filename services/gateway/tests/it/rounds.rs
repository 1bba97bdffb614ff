//! Upstreams that ask back in mid-call, for clients of both eras.

use std::time::Duration;

use bytes::Bytes;
use fabric::{Call, InputRequired, Method, Outcome, RpcError};
use serde_json::{Value, json};

use crate::rig::{Rig, result};

const ALL: &str = "/api/v1/acme/mcp";
const STATE_REFUSED: &str = "Invalid params: unknown or expired requestState";

pub(crate) fn able() -> Value {
    json!({"roots": {}, "sampling": {}, "elicitation": {"form": {}, "url": {}}})
}

fn asks(requests: Value, state: &str) -> Outcome {
    Outcome::InputRequired(InputRequired {
        requests: Some(Bytes::from(requests.to_string())),
        state: Some(state.to_owned()),
        meta: None,
    })
}

fn form(message: &str) -> Value {
    json!({"method": "elicitation/create", "params": {
        "mode": "form", "message": message, "requestedSchema": {"type": "object"},
    }})
}

/// Asks a name, then a page, then tells what it was answered.
fn two_rounds(call: &Call) -> Outcome {
    let Some(inputs) = &call.request.inputs else {
        return asks(json!({"name": form("Who?")}), "first");
    };
    let responses: Value = serde_json::from_slice(inputs.responses.as_deref().unwrap()).unwrap();
    match inputs.state.as_deref() {
        Some("first") => {
            let params = json!({"mode": "url", "message": "Open", "url": "https://a.test/"});
            let url = json!({"method": "elicitation/create", "params": params});
            asks(
                json!({"page": url, "roots": {"method": "roots/list"}}),
                "second",
            )
        }
        Some("second") => result(json!({"content": [], "answered": responses})),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn call(rig: &Rig, params: Value) -> crate::rig::Answer {
    rig.modern_as(ALL, able(), "tools/call", params).await
}

#[tokio::test]
async fn a_modern_client_is_told_what_is_asked_and_comes_back_with_the_answers() {
    let rig = Rig::new();
    rig.worker.answers(two_rounds);
    let arguments = json!({"b": 1.0, "a": {"d": 1, "c": 2}});

    let first = call(&rig, json!({"name": "echo", "arguments": arguments})).await;
    let first = first.json()["result"].clone();
    assert_eq!(first["resultType"], "input_required");
    assert_eq!(first["inputRequests"], json!({"name": form("Who?")}));
    assert!(first["_meta"]["io.modelcontextprotocol/serverInfo"].is_object());
    let second = call(
        &rig,
        json!({
            "name": "echo",
            // Written anew, in another order.
            "arguments": {"a": {"c": 2, "d": 1}, "b": 1.0},
            "requestState": first["requestState"],
            "inputResponses": {"name": {"action": "accept", "content": {"n": 1.0}}},
        }),
    )
    .await;
    let second = second.json()["result"].clone();
    assert_eq!(
        second["inputRequests"]["page"]["params"]["url"],
        "https://a.test/"
    );
    let last = call(
        &rig,
        json!({
            "name": "echo", "arguments": arguments,
            "requestState": second["requestState"],
            "inputResponses": {"page": {"action": "accept"}, "roots": {"roots": []}},
        }),
    )
    .await;

    let answered = &last.json()["result"]["answered"];
    assert_eq!(
        answered,
        &json!({"page": {"action": "accept"}, "roots": {"roots": []}})
    );
    let rounds = rig.worker.take_calls();
    assert_eq!(rounds.len(), 3);
    let inputs = rounds[1].request.inputs.as_ref().unwrap();
    assert_eq!(
        inputs.responses.as_deref().unwrap(),
        br#"{"name":{"action":"accept","content":{"n":1.0}}}"#
    );
    rig.counts("turnbuckle_mcp_calls_parked 0").await;
}

#[tokio::test]
async fn a_legacy_client_is_asked_on_the_calls_own_stream() {
    let rig = Rig::new();
    rig.worker.answers(two_rounds);
    let session = rig.session_as(ALL, "2025-11-25", able()).await;
    let other = rig.session_as(ALL, "2025-11-25", able()).await;
    let body =
        json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "echo"}});
    let answer = async |session: &str, id: &Value, answer: Value| {
        let mut body = json!({"jsonrpc": "2.0", "id": id});
        body.as_object_mut()
            .unwrap()
            .extend(answer.as_object().unwrap().clone());
        let sent = rig.send(rig.message(ALL, session, body)).await;
        assert_eq!((sent.status.as_u16(), sent.text.as_str()), (202, ""));
    };

    let mut live = rig.open(rig.message(ALL, &session, body)).await;
    let form = live.next().await.unwrap();
    assert_eq!(form["method"], "elicitation/create");
    assert_eq!(form["params"]["message"], "Who?");
    // Answers to nothing, of another session, or a second time, are nothing.
    answer(&session, &json!("no:1"), json!({"result": {}})).await;
    answer(&session, &json!(1), json!({"result": {}})).await;
    answer(&other, &form["id"], json!({"result": {"foreign": true}})).await;
    answer(
        &session,
        &form["id"],
        json!({"result": {"action": "decline"}}),
    )
    .await;
    answer(&session, &form["id"], json!({"result": {"late": true}})).await;
    let page = live.next().await.unwrap();
    assert_eq!(page["params"]["url"], "https://a.test/");
    assert!(page["params"]["elicitationId"].is_string());
    let roots = live.next().await.unwrap();
    assert_eq!(roots["method"], "roots/list");
    assert_ne!(page["id"], roots["id"]);
    let error = json!({"code": -1, "message": "no", "data": 1.0});
    answer(&session, &roots["id"], json!({"error": error})).await;
    answer(
        &session,
        &page["id"],
        json!({"result": {"action": "accept"}}),
    )
    .await;
    let last = live.next().await.unwrap();

    assert_eq!(last["id"], 7);
    assert_eq!(
        last["result"]["answered"],
        json!({"page": {"action": "accept"}, "roots": {"error": error}})
    );
    assert!(live.next().await.is_none());
    let calls = rig.worker.take_calls();
    let responses = |n: usize| calls[n].request.inputs.clone().unwrap().responses.unwrap();
    assert_eq!(&responses(1)[..], br#"{"name":{"action":"decline"}}"#);
    let text = rig.metrics();
    assert!(text.contains("turnbuckle_mcp_calls_parked 0"));
    assert!(text.contains("turnbuckle_mcp_requests_in_flight 0"));
}

#[tokio::test]
async fn a_legacy_client_that_cannot_be_asked_is_not() {
    let rig = Rig::new();
    rig.worker.answers(|call| match &call.request.inputs {
        None => asks(
            json!({
                "a": {"method": "roots/list"},
                "b": {"method": "sampling/createMessage", "params": {"messages": []}},
                "c": form("Who?"),
            }),
            "s",
        ),
        Some(inputs) => Outcome::Result(inputs.responses.clone().unwrap()),
    });
    let session = rig.session_as(ALL, "2025-11-25", json!({})).await;

    let answer = rig
        .legacy(&session, "tools/call", json!({"name": "echo"}))
        .await;

    let result = Rig::last(&answer)["result"].clone();
    let codes = ["a", "b", "c"].map(|key| result[key]["error"]["code"].as_i64());
    assert_eq!(codes, [Some(-32601), Some(-32601), Some(-32602)]);
    let calls = rig.worker.take_calls();
    assert_eq!(
        calls[0].client.capabilities,
        mcp::ClientCapabilities::default()
    );

    rig.worker.answers(|_| {
        let params = json!({"mode": "url", "message": "Log in", "url": "https://a.test/"});
        asks(
            json!({"a": {"method": "elicitation/create", "params": params}}),
            "s",
        )
    });
    let answer = rig
        .legacy(&session, "tools/call", json!({"name": "echo"}))
        .await;
    let result = Rig::last(&answer)["result"].clone();
    assert_eq!(result["isError"], true);
    let text = result["content"][0]["text"].as_str().unwrap();
    assert_eq!(
        text,
        "Log in\nOpen https://a.test/ and then call the tool again."
    );
}

#[tokio::test]
async fn a_modern_server_that_a_legacy_client_cannot_or_will_not_answer_ends_the_call() {
    let rig = Rig::new();
    rig.server(0, "2026-07-28", json!({"prompts": {}}));
    rig.worker.answers(|_| {
        let roots = json!({"method": "roots/list"});
        asks(json!({"a": roots, "b": form("Who?")}), "s")
    });

    let bare = rig.session_as(ALL, "2025-11-25", json!({})).await;
    let answer = rig
        .legacy(&bare, "tools/call", json!({"name": "echo"}))
        .await;
    let result = Rig::last(&answer)["result"].clone();
    let text = "The server needs what this client cannot do: it asks for a capability that was not declared";
    assert_eq!(
        (&result["isError"], &result["content"][0]["text"]),
        (&json!(true), &json!(text))
    );
    let answer = rig
        .legacy(&bare, "prompts/get", json!({"name": "greet"}))
        .await;
    let error = Rig::last(&answer)["error"].clone();
    let required = json!({"requiredCapabilities": {"roots": {}}});
    assert_eq!(
        (&error["code"], &error["data"]),
        (&json!(-32602), &required)
    );

    let session = rig.session_as(ALL, "2025-11-25", able()).await;
    for method in ["tools/call", "prompts/get"] {
        rig.worker.take_calls();
        let name = if method == "tools/call" {
            "echo"
        } else {
            "greet"
        };
        let params = json!({"name": name});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut live = rig.open(rig.message(ALL, &session, body)).await;
        let roots = live.next().await.unwrap();
        let question = live.next().await.unwrap();
        let error = json!({"code": -1, "message": "The person said no."});
        let refusal = json!({"jsonrpc": "2.0", "id": roots["id"], "error": error});
        rig.send(rig.message(ALL, &session, refusal)).await;
        let taken_back = live.next().await.unwrap();
        assert_eq!(taken_back["params"]["requestId"], question["id"]);
        let last = live.next().await.unwrap();
        let text = "The client did not do what the server asked: The person said no.";
        match method {
            "tools/call" => assert_eq!(last["result"]["content"][0]["text"], text),
            _ => assert_eq!(last["error"], json!({"code": -32603, "message": text})),
        }
        let calls = rig.worker.take_calls();
        let sent = calls
            .iter()
            .filter(|call| call.request.method != Method::GiveUp);
        assert_eq!(sent.count(), 1, "nothing more is sent upstream");
    }
}

#[tokio::test]
async fn a_modern_client_is_asked_only_what_it_declared_on_that_request() {
    let rig = Rig::new();
    rig.worker.answers(two_rounds);

    let answer = rig.modern("tools/call", json!({"name": "echo"})).await;

    let error = answer.json()["error"].clone();
    assert_eq!(
        (answer.status.as_u16(), &error["code"]),
        (400, &json!(-32021))
    );
    assert_eq!(
        error["data"],
        json!({"requiredCapabilities": {"elicitation": {"form": {}}}})
    );
}

#[tokio::test]
async fn a_state_opens_once_for_the_same_request_of_the_same_caller_in_its_time() {
    let rig = Rig::new();
    rig.worker.answers(|call| match &call.request.inputs {
        None => asks(json!({"name": form("Who?")}), "first"),
        Some(_) => result(json!({"content": []})),
    });
    let state = async || {
        let params = json!({"name": "echo", "arguments": {"a": 1}});
        call(&rig, params).await.json()["result"]["requestState"].clone()
    };
    let retry = async |params: Value| {
        let answer = call(&rig, params).await;
        (answer.status.as_u16(), answer.json()["error"].clone())
    };
    let params =
        |state: &Value| json!({"name": "echo", "arguments": {"a": 1}, "requestState": state});
    let refused = (200, json!({"code": -32602, "message": STATE_REFUSED}));

    let forged = state().await.as_str().unwrap().to_owned();
    let mut bytes = forged.clone().into_bytes();
    let at = bytes.len() / 2;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    let forged = json!(String::from_utf8(bytes).unwrap());
    for forged in [forged, json!(""), json!("x".repeat(300_000))] {
        assert_eq!(retry(params(&forged)).await, refused);
    }
    for (name, arguments) in [
        ("echo", json!({"a": 2})),
        ("echo", json!({})),
        ("two_echo", json!({"a": 1})),
    ] {
        let other = json!({"name": name, "arguments": arguments, "requestState": state().await});
        assert_eq!(retry(other).await, refused, "another request");
    }
    let used = state().await;
    assert_eq!(retry(params(&used)).await.0, 200);
    assert_eq!(retry(params(&used)).await, refused, "a second time");
    let foreign = state().await;
    let one = "/api/v1/acme/connectors/one/mcp";
    let elsewhere = rig
        .modern_as(one, able(), "tools/call", params(&foreign))
        .await;
    assert_eq!(elsewhere.json()["error"], refused.1, "another endpoint");
    let late = [state().await, state().await];
    rig.clock.advance(Duration::from_secs(299));
    assert_eq!(retry(params(&late[0])).await.0, 200);
    assert_eq!(retry(params(&late[0])).await, refused, "that was its time");
    let late = late[1].clone();
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(retry(params(&late)).await, refused, "expired");
    for wrong in [json!([]), json!(1)] {
        let mut params = json!({"name": "echo"});
        params["inputResponses"] = wrong;
        let (status, error) = retry(params).await;
        assert_eq!((status, &error["code"]), (200, &json!(-32602)));
    }
    let (status, error) = retry(json!({"name": "echo", "requestState": 1})).await;
    assert_eq!((status, &error["code"]), (400, &json!(-32602)));
}

#[tokio::test]
async fn answers_without_a_state_reach_the_upstream() {
    let rig = Rig::new();
    call(
        &rig,
        json!({"name": "echo", "inputResponses": {"k": {"x": 1.0}}}),
    )
    .await;
    let inputs = rig.worker.take_calls()[0].request.inputs.clone().unwrap();
    assert_eq!(
        inputs.responses.as_deref(),
        Some(br#"{"k":{"x":1.0}}"#.as_slice())
    );
    assert_eq!(inputs.state, None);
}

#[tokio::test]
async fn an_upstream_that_asks_back_without_end_is_given_up() {
    let config = gateway::Config {
        input_rounds: 2,
        ..gateway::Config::default()
    };
    let rig = Rig::with(config);
    rig.worker
        .answers(|_| asks(json!({"name": form("Who?")}), "again"));
    let mut params = json!({"name": "echo"});
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let result = call(&rig, params.clone()).await.json()["result"].clone();
        kinds.push(result["resultType"].as_str().unwrap().to_owned());
        params["requestState"] = result["requestState"].clone();
        if result["isError"] == true {
            let text = &result["content"][0]["text"];
            assert_eq!(text, "The upstream asked back too often.");
        }
    }
    assert_eq!(kinds, ["input_required", "input_required", "complete"]);
}

#[tokio::test(start_paused = true)]
async fn a_legacy_client_that_does_not_answer_in_time_ends_its_call() {
    let rig = Rig::new();
    rig.worker
        .answers(|_| asks(json!({"name": form("Who?")}), "s"));
    let session = rig.session_as(ALL, "2025-11-25", able()).await;
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo"}});

    let mut live = rig.open(rig.message(ALL, &session, body)).await;
    let question = live.next().await.unwrap();
    let taken_back = live.next().await.unwrap();
    let answer = live.next().await.unwrap();

    assert_eq!(taken_back["method"], "notifications/cancelled");
    assert_eq!(taken_back["params"]["requestId"], question["id"]);
    let result = &answer["result"];
    assert_eq!(result["isError"], true);
    let text = "The client did not answer in time what the server asked.";
    assert_eq!(result["content"][0]["text"], text);
    rig.counts("turnbuckle_mcp_calls_parked 0").await;
}

#[tokio::test]
async fn more_calls_than_may_wait_for_their_clients_are_ended() {
    for (per_key, per_tenant) in [(1, 10), (10, 1)] {
        let config = gateway::Config {
            parked_per_key: per_key,
            parked_per_tenant: per_tenant,
            ..gateway::Config::default()
        };
        let rig = Rig::alone("bounds are those of each gateway", config);
        rig.worker
            .answers(|_| asks(json!({"name": form("Who?")}), "s"));

        let first = call(&rig, json!({"name": "echo"})).await.json()["result"].clone();
        let second = call(&rig, json!({"name": "echo"})).await;
        let text = "Too many calls wait for answers of their clients; try again later";
        assert_eq!(second.error(), (200, -32603, text.to_owned()));
        let again = json!({"name": "echo", "requestState": first["requestState"]});
        let third = call(&rig, again).await.json()["result"].clone();
        assert_eq!(
            third["resultType"], "input_required",
            "its own place is free"
        );
        rig.clock.advance(Duration::from_secs(301));
        let fourth = call(&rig, json!({"name": "echo"})).await.json()["result"].clone();
        assert_eq!(
            fourth["resultType"], "input_required",
            "the time of the third is over"
        );
    }
}

#[tokio::test]
async fn a_page_that_must_be_opened_first_is_told_in_each_clients_own_way() {
    let rig = Rig::new();
    let error = || {
        let elicitations = json!({"elicitations": [
            {"mode": "url", "message": "Log in", "url": "https://a.test/", "elicitationId": "e"},
        ]});
        Outcome::Error(RpcError {
            code: -32042,
            message: "URL elicitation required".to_owned(),
            data: Some(Bytes::from(elicitations.to_string())),
            raw: None,
        })
    };
    rig.worker.answers(move |_| error());
    let params = json!({"name": "echo"});

    let session = rig.session_as(ALL, "2025-11-25", able()).await;
    let answer = rig.legacy(&session, "tools/call", params.clone()).await;
    let told = Rig::last(&answer)["error"].clone();
    assert_eq!(told["code"], -32042);
    assert_eq!(told["data"]["elicitations"][0]["elicitationId"], "e");

    let older = rig.session_as(ALL, "2025-06-18", able()).await;
    let answer = rig
        .legacy_at(ALL, &older, "tools/call", params.clone())
        .await;
    let told = Rig::last(&answer)["result"].clone();
    assert_eq!(told["isError"], true);
    let text = "URL elicitation required\nLog in: https://a.test/";
    assert_eq!(told["content"][0]["text"], text);

    let bare = rig.modern("tools/call", params.clone()).await;
    let told = bare.json()["error"].clone();
    assert_eq!((bare.status.as_u16(), &told["code"]), (400, &json!(-32021)));
    let required = json!({"requiredCapabilities": {"elicitation": {"url": {}}}});
    assert_eq!(told["data"], required);

    let asked = call(&rig, params.clone()).await.json()["result"].clone();
    assert_eq!(asked["resultType"], "input_required");
    assert_eq!(
        asked["inputRequests"],
        json!({"url1": {"method": "elicitation/create", "params": {
            "mode": "url", "message": "Log in", "url": "https://a.test/",
        }}})
    );
    rig.worker.answers(|call| {
        assert!(call.request.inputs.is_none(), "the same call is made again");
        result(json!({"content": []}))
    });
    let mut again = params;
    again["requestState"] = asked["requestState"].clone();
    again["inputResponses"] = json!({"url1": {"action": "accept"}});
    assert_eq!(
        call(&rig, again).await.json()["result"]["resultType"],
        "complete"
    );
}
