//! What goes wrong upstream, in the words of each era.

use bytes::Bytes;
use domain::{ConnectorKind, ToolDefinition};
use fabric::{Effect, Failure, FailureKind, InputRequired, Outcome, RpcError};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::rig::{Answer, Rig, result};

const ALL: &str = "/api/v1/acme/mcp";
const DATA: &str = r#"{"uri":"a:b","x":1.0}"#;

fn rig(version: &str) -> Rig {
    let rig = Rig::new();
    let all = json!({"prompts": {}, "resources": {}, "completions": {}});
    rig.server(0, version, all);
    rig
}

fn fails(rig: &Rig, code: i64, data: Option<&'static str>) {
    rig.worker.answers(move |_| {
        let data = data.map(|data| Bytes::from_static(data.as_bytes()));
        let message = "m".to_owned();
        Outcome::Error(RpcError {
            code,
            message,
            data,
            raw: None,
        })
    });
}

fn params(method: &str) -> Value {
    match method {
        "tools/call" => json!({"name": "echo"}),
        "prompts/get" => json!({"name": "greet"}),
        "resources/read" => json!({"uri": "one+a:b"}),
        _ => json!({"ref": {"type": "ref/prompt", "name": "greet"}}),
    }
}

fn read(answer: &Answer) -> (u16, i64, Value) {
    let error = Rig::last(answer)["error"].clone();
    let code = error["code"].as_i64().unwrap_or_default();
    (answer.status.as_u16(), code, error["data"].clone())
}

#[tokio::test]
async fn an_upstreams_error_keeps_its_text_and_has_the_code_of_the_clients_era() {
    const CALLS: [&str; 4] = [
        "tools/call",
        "prompts/get",
        "resources/read",
        "completion/complete",
    ];
    for upstream in ["2025-11-25", "2026-07-28"] {
        let rig = rig(upstream);
        let session = rig.session_as(ALL, "2025-11-25", json!({})).await;
        for method in CALLS {
            for (code, modern, legacy) in [
                (-32602, (200, -32602), -32602),
                (-32002, (200, -32602), -32002),
                (-32601, (404, -32601), -32601),
                (-32603, (200, -32603), -32603),
                (-32020, (200, -32603), -32603),
                (-32022, (200, -32603), -32603),
                (-32000, (200, -32000), -32000),
                (7, (200, 7), 7),
            ] {
                fails(&rig, code, Some(r#"{"d":1.0}"#));
                let answer = rig.modern(method, params(method)).await;
                assert_eq!(
                    (answer.status.as_u16(), answer.error().1),
                    modern,
                    "{method} {code}"
                );
                assert!(answer.text.contains(r#""message":"m","data":{"d":1.0}"#));
                let answer = rig.legacy(&session, method, params(method)).await;
                assert_eq!(
                    read(&answer),
                    (200, legacy, json!({"d": 1.0})),
                    "{method} {code}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_resource_that_there_is_not_is_named_as_the_client_knows_it() {
    let exposed = json!({"uri": "one+a:b", "x": 1.0});
    for (upstream, code, legacy_code) in [
        ("2025-11-25", -32002, -32002),
        ("2026-07-28", -32602, -32002),
        // An older server means something else by it.
        ("2025-11-25", -32602, -32602),
    ] {
        let rig = rig(upstream);
        let session = rig.session_as(ALL, "2025-11-25", json!({})).await;
        fails(&rig, code, Some(DATA));
        let modern = rig.modern("resources/read", params("resources/read")).await;
        assert_eq!(read(&modern), (200, -32602, exposed.clone()));
        let legacy = rig
            .legacy(&session, "resources/read", params("resources/read"))
            .await;
        assert_eq!(read(&legacy), (200, legacy_code, exposed.clone()));

        let one = "/api/v1/acme/connectors/one/mcp";
        let direct = rig
            .modern_as(one, json!({}), "resources/read", json!({"uri": "a:b"}))
            .await;
        assert!(direct.text.contains(DATA), "byte for byte: {}", direct.text);
    }
}

#[tokio::test]
async fn a_capability_that_a_client_lacks_is_told_in_its_own_way() {
    let rig = rig("2026-07-28");
    let session = rig.session_as(ALL, "2025-11-25", json!({})).await;
    let data = r#"{"requiredCapabilities":{"sampling":{}}}"#;
    fails(&rig, -32021, Some(data));
    let data: Value = serde_json::from_str(data).unwrap();

    for method in ["tools/call", "prompts/get", "resources/read"] {
        let modern = rig.modern(method, params(method)).await;
        assert_eq!(read(&modern), (400, -32021, data.clone()), "{method}");
        let legacy = rig.legacy(&session, method, params(method)).await;
        if method == "tools/call" {
            let result = Rig::last(&legacy)["result"].clone();
            let text = "The server needs what this client cannot do: m";
            assert_eq!(result["content"][0]["text"], text);
            assert_eq!(result["isError"], true);
        } else {
            assert_eq!(read(&legacy), (200, -32602, data.clone()), "{method}");
        }
    }
}

#[tokio::test]
async fn what_has_no_answer_is_an_error_where_no_model_reads_along() {
    let rig = rig("2025-11-25");
    for method in ["prompts/get", "resources/read", "completion/complete"] {
        rig.worker.answers(|_| {
            let (kind, effect) = (FailureKind::Died, Effect::Possible);
            let message = "It died.".to_owned();
            Outcome::Failed(Failure {
                kind,
                message,
                effect,
            })
        });
        let answer = rig.modern(method, params(method)).await;
        let text = "It died. The call may have had an effect: check before trying again.";
        assert_eq!(answer.error(), (200, -32603, text.to_owned()));
        rig.worker.answers(|_| result("[]"));
        let answer = rig.modern(method, params(method)).await;
        assert_eq!((answer.status.as_u16(), answer.error().1), (200, -32603));
    }
    rig.worker.answers(|_| {
        Outcome::InputRequired(InputRequired {
            requests: None,
            state: None,
            meta: None,
        })
    });
    let answer = rig.modern("completion/complete", params("")).await;
    let text = "The upstream asked back where it may not.";
    assert!(answer.error().2.starts_with(text), "{}", answer.text);
}

#[tokio::test]
async fn more_requests_than_a_key_may_have_under_way_are_refused() {
    let config = gateway::Config {
        calls_in_flight_per_key: 2,
        ..gateway::Config::default()
    };
    let rig = Rig::alone("bounds are those of each gateway", config);
    let wait = || rig.modern("tools/call", json!({"name": "wait"}));
    let third = async {
        while rig.worker.calls.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
        let third = rig.modern("tools/call", json!({"name": "echo"})).await;
        let text = "Too many requests: a key may have 2 under way".to_owned();
        assert_eq!(third.error(), (429, -32603, text));
        let list = rig.modern("tools/list", json!({})).await;
        assert_eq!(list.status, 200, "what runs nowhere needs no place");
        rig.worker.go.notify_one();
        rig.worker.finished.notified().await;
        rig.worker.go.notify_one();
    };

    let (one, two, ()) = tokio::join!(wait(), wait(), third);

    assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200));
    assert_eq!(
        rig.modern("tools/call", json!({"name": "echo"}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn subscriptions_are_kept_within_bounds_and_for_resources_that_have_them() {
    let config = gateway::Config {
        subscriptions_per_session: 2,
        ..gateway::Config::default()
    };
    let rig = Rig::with(config);
    rig.server(0, "2025-11-25", json!({"resources": {"subscribe": true}}));
    rig.server(1, "2025-11-25", json!({"resources": {}}));
    let session = rig.session_as(ALL, "2025-11-25", json!({})).await;
    let ask = async |method: &str, params: Value| {
        let answer = rig.legacy(&session, method, params).await;
        let code = answer.json()["error"]["code"].as_i64();
        (answer.status.as_u16(), code)
    };

    for uri in ["one+a:1", "one+a:2", "one+a:2"] {
        assert_eq!(
            ask("resources/subscribe", json!({"uri": uri})).await,
            (200, None)
        );
    }
    assert_eq!(
        ask("resources/subscribe", json!({"uri": "one+a:3"})).await,
        (200, Some(-32603))
    );
    assert_eq!(
        ask("resources/unsubscribe", json!({"uri": "one+a:1"})).await,
        (200, None)
    );
    assert_eq!(
        ask("resources/unsubscribe", json!({"uri": "one+a:9"})).await,
        (200, None)
    );
    assert_eq!(
        ask("resources/subscribe", json!({"uri": "one+a:3"})).await,
        (200, None)
    );
    assert_eq!(
        ask("resources/subscribe", json!({"uri": "two+a:1"})).await,
        (200, Some(-32602))
    );
    assert_eq!(
        ask("resources/subscribe", json!({"uri": "x"})).await,
        (200, Some(-32002))
    );
    assert_eq!(
        ask("resources/subscribe", json!({})).await,
        (200, Some(-32602))
    );
}

#[tokio::test]
async fn unknown_members_and_the_trace_of_a_request_travel_and_what_is_ours_does_not() {
    let rig = rig("2025-11-25");
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut meta = crate::rig::meta();
    meta["x"] = json!(1.0);
    meta["baggage"] = json!("secret=1");
    meta["progressToken"] = json!(1);
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","y":[1.0],"_meta":{meta},"z":{{ }}}}}}"#
    );
    let headers = [
        ("mcp-protocol-version", crate::rig::MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
        ("traceparent", parent),
    ];

    rig.send(rig.post(&headers, text)).await;

    let call = rig.worker.take_calls().remove(0);
    assert_eq!(&call.request.rest[..], br#""y":[1.0],"z":{ }"#);
    let meta = String::from_utf8(call.request.meta.unwrap().to_vec()).unwrap();
    assert_eq!(meta, format!(r#"{{"x":1.0,"traceparent":"{parent}"}}"#));
    assert!(call.request.progress);
}

#[tokio::test]
async fn of_a_call_that_was_lost_is_said_what_it_may_have_done() {
    const LOST: &str = "the worker has gone";
    let lost = || {
        Outcome::Failed(Failure {
            kind: FailureKind::Died,
            message: LOST.to_owned(),
            effect: Effect::Possible,
        })
    };
    for (native, annotations, said) in [
        (false, json!({}), "The call may have had an effect"),
        (true, json!({}), "The call may have had an effect"),
        (
            false,
            json!({"readOnlyHint": true}),
            "The tool is declared read-only: trying again should do no harm.",
        ),
        (true, json!({"readOnlyHint": true}), ""),
    ] {
        let rig = Rig::new();
        rig.source.change("acme", |config| {
            let one = &mut config.connectors[0];
            let tool = json!({
                "name": "echo", "inputSchema": {"type": "object"}, "annotations": annotations,
            });
            let tool = RawValue::from_string(tool.to_string()).unwrap();
            one.tools[0].definition = ToolDefinition::parse(tool).unwrap();
            if native {
                one.connector.kind = ConnectorKind::Native {
                    catalog: "gitlab".to_owned(),
                    base_url: None,
                };
            }
        });
        rig.worker.answers(move |_| lost());

        let answer = rig.modern("tools/call", params("tools/call")).await.json();

        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        let (first, rest) = text.split_at(LOST.len());
        assert_eq!(first, LOST, "{answer}");
        assert!(rest.trim_start_matches(". ").starts_with(said), "{text}");
        assert_eq!(rest.is_empty(), said.is_empty(), "{text}");
        let calls = rig.worker.take_calls();
        // Who chooses workers may choose another one for it, and is told so.
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].request.only_reads, said.is_empty());
    }
}
