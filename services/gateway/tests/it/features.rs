//! Everything that servers offer, through one endpoint of one and one of all.

use fabric::{Call, Method, Outcome, RpcError};
use serde_json::{Value, json};

use crate::rig::{Answer, Rig, result};

const ALL: &str = "/api/v1/acme/mcp";
const ONE: &str = "/api/v1/acme/connectors/one/mcp";
const LEGACY: &str = "2025-11-25";

fn everything() -> Value {
    json!({
        "prompts": {"listChanged": true},
        "resources": {"subscribe": true, "listChanged": true},
        "completions": {},
        "logging": {},
        "extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}},
    })
}

/// Both connectors of acme are servers with everything; each answers in its own name.
fn rig() -> Rig {
    let rig = Rig::new();
    rig.server(0, LEGACY, everything());
    rig.server(1, LEGACY, everything());
    rig.worker.answers(answer);
    rig
}

fn answer(call: &Call) -> Outcome {
    let own = match call.connector.as_uuid().as_u128() {
        11 => "one",
        _ => "two",
    };
    let name = call.request.name.as_deref().unwrap_or_default();
    let (link, view) = (format!("file:///{own}"), "ui://view/1");
    match call.request.method {
        Method::ListPrompts => result(r#"{"prompts":[{"name":"greet","x":1.0}]}"#),
        Method::ListResources => result(json!({"resources": [
            {"uri": link, "name": own}, {"uri": view, "name": "view"},
        ]})),
        Method::ListResourceTemplates => result(json!({"resourceTemplates": [
            {"uriTemplate": "file:///{path}", "name": own},
        ]})),
        Method::ReadResource => result(format!(
            r#"{{"contents":[{{"uri":"{name}","text":"{own}"}}],"x":1.0}}"#
        )),
        Method::GetPrompt => result(json!({"messages": [{"role": "user", "content": {
            "type": "resource", "resource": {"uri": link, "text": ""},
        }}]})),
        Method::Complete => {
            let asked = format!("{{{}}}", std::str::from_utf8(&call.request.rest).unwrap());
            let asked: Value = serde_json::from_str(&asked).unwrap();
            result(json!({"completion": {"values": [own]}, "asked": asked}))
        }
        Method::CallTool => result(json!({
            "content": [
                {"type": "resource_link", "uri": link, "name": own},
                {"type": "resource", "resource": {"uri": view, "text": ""}},
            ],
            "_meta": {"ui": {"resourceUri": view}, "x": 1},
        })),
        other => panic!("{other:?}"),
    }
}

/// Asks in both eras, compares what both say but for what only one of them has, and returns it.
async fn ask(rig: &Rig, path: &str, method: &str, params: Value) -> Value {
    let modern = rig.modern_as(path, json!({}), method, params.clone()).await;
    assert_eq!(modern.status, 200, "{}", modern.text);
    let mut modern = Rig::last(&modern)["result"].clone();
    assert_eq!(modern["resultType"], "complete", "{method}");
    let all = modern.as_object_mut().unwrap();
    all.shift_remove("resultType");
    let meta = all["_meta"].as_object_mut().unwrap();
    assert!(
        meta.shift_remove("io.modelcontextprotocol/serverInfo")
            .is_some()
    );
    if meta.is_empty() {
        all.shift_remove("_meta");
    }
    let cached = !matches!(method, "tools/call" | "prompts/get" | "completion/complete");
    assert_eq!(
        (all.shift_remove("ttlMs"), all.shift_remove("cacheScope")),
        (
            cached.then(|| json!(60_000)),
            cached.then(|| json!("private"))
        ),
        "{method}"
    );

    let session = rig.session_as(path, LEGACY, json!({})).await;
    let legacy = rig.legacy_at(path, &session, method, params).await;
    assert_eq!(legacy.status, 200);
    assert_eq!(Rig::last(&legacy)["result"], modern, "{method}");
    modern
}

#[tokio::test]
async fn one_connector_is_passed_through_as_it_is() {
    let rig = rig();
    let ask = async |method, params| ask(&rig, ONE, method, params).await;

    let prompts = ask("prompts/list", json!({})).await;
    assert_eq!(prompts, json!({"prompts": [{"name": "greet", "x": 1.0}]}));
    let resources = ask("resources/list", json!({})).await;
    assert_eq!(resources["resources"][0]["uri"], "file:///one");
    assert_eq!(resources["resources"][1]["uri"], "ui://view/1");
    let templates = ask("resources/templates/list", json!({})).await;
    let template = &templates["resourceTemplates"][0];
    assert_eq!(template["uriTemplate"], "file:///{path}");
    let read = ask("resources/read", json!({"uri": "a+b:c"})).await;
    assert_eq!(
        read,
        json!({"contents": [{"uri": "a+b:c", "text": "one"}], "x": 1.0})
    );
    let prompt = ask("prompts/get", json!({"name": "greet"})).await;
    assert_eq!(
        prompt["messages"][0]["content"]["resource"]["uri"],
        "file:///one"
    );
    let call = ask("tools/call", json!({"name": "echo"})).await;
    assert_eq!(call["content"][0]["uri"], "file:///one");
    assert_eq!(
        call["_meta"],
        json!({"ui": {"resourceUri": "ui://view/1"}, "x": 1})
    );
    let params = json!({"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"x": 1.0}});
    let completed = ask("completion/complete", params.clone()).await;
    assert_eq!(completed["asked"], params);
}

#[tokio::test]
async fn all_connectors_are_one_server_with_names_and_uris_of_its_own() {
    let rig = rig();
    let ask = async |method, params| ask(&rig, ALL, method, params).await;

    let prompts = ask("prompts/list", json!({})).await;
    assert_eq!(
        prompts,
        json!({"prompts": [{"name": "greet", "x": 1.0}, {"name": "two_greet", "x": 1.0}]})
    );
    let resources = ask("resources/list", json!({})).await;
    let uris = resources["resources"].as_array().unwrap().iter();
    let uris: Vec<&str> = uris
        .map(|resource| resource["uri"].as_str().unwrap())
        .collect();
    assert_eq!(
        uris,
        [
            "one+file:///one",
            "ui://one/view/1",
            "two+file:///two",
            "ui://two/view/1"
        ]
    );
    let templates = ask("resources/templates/list", json!({})).await;
    let template = &templates["resourceTemplates"][1];
    assert_eq!(template["uriTemplate"], "two+file:///{path}");
    for (uri, own) in [("two+a+b:c", "a+b:c"), ("ui://two/view/1", "ui://view/1")] {
        rig.worker.take_calls();
        let read = ask("resources/read", json!({"uri": uri})).await;
        assert_eq!(
            read,
            json!({"contents": [{"uri": uri, "text": "two"}], "x": 1.0})
        );
        for call in rig.worker.take_calls() {
            assert_eq!(call.request.name.as_deref(), Some(own));
        }
    }
    let prompt = ask("prompts/get", json!({"name": "two_greet"})).await;
    let content = &prompt["messages"][0]["content"];
    assert_eq!(content["resource"]["uri"], "two+file:///two");
    let call = ask("tools/call", json!({"name": "two_echo"})).await;
    assert_eq!(call["content"][0]["uri"], "two+file:///two");
    assert_eq!(call["content"][1]["resource"]["uri"], "ui://two/view/1");
    assert_eq!(
        call["_meta"],
        json!({"ui": {"resourceUri": "ui://two/view/1"}, "x": 1})
    );
    for (reference, own) in [
        (
            json!({"type": "ref/prompt", "name": "two_greet"}),
            json!({"type": "ref/prompt", "name": "greet"}),
        ),
        (
            json!({"type": "ref/resource", "uri": "two+file:///{path}"}),
            json!({"type": "ref/resource", "uri": "file:///{path}"}),
        ),
    ] {
        let params = json!({"ref": reference, "argument": {"name": "a", "value": ""}});
        let completed = ask("completion/complete", params).await;
        assert_eq!(completed["completion"]["values"], json!(["two"]));
        assert_eq!(completed["asked"]["ref"], own);
    }
}

#[tokio::test]
async fn each_revision_is_told_what_is_offered_and_nothing_that_is_not() {
    let rig = rig();
    let initialized = async |path: &str, version: &str| {
        let body = crate::rig::initialize(version);
        let answer = rig.send(rig.post_to(path, &rig.keys[0], &[], body)).await;
        answer.json()["result"].clone()
    };
    let changes = json!({"listChanged": true});
    let all = json!({
        "tools": changes, "prompts": changes,
        "resources": {"subscribe": true, "listChanged": true},
        "completions": {}, "logging": {},
        "extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}},
    });

    let one = initialized(ONE, LEGACY).await;
    assert_eq!(
        (&one["capabilities"], &one["instructions"]),
        (&all, &json!("Use 0."))
    );
    let both = initialized(ALL, LEGACY).await;
    assert_eq!(both["capabilities"], all);
    assert_eq!(both["instructions"], "# one\n\nUse 0.\n\n# two\n\nUse 1.\n");
    let oldest = initialized(ALL, "2024-11-05").await;
    assert!(oldest["capabilities"].get("completions").is_none());
    let modern = rig.modern("server/discover", json!({})).await.json()["result"].clone();
    assert_eq!(
        (&modern["capabilities"], &modern["instructions"]),
        (&all, &both["instructions"])
    );

    let bare = Rig::new();
    let session = bare.session_as(ALL, LEGACY, json!({})).await;
    for method in [
        "prompts/list",
        "prompts/get",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "completion/complete",
        "resources/subscribe",
        "logging/setLevel",
        "tasks/get",
    ] {
        let expected = |status| (status, -32601, format!("Method not found: {method}"));
        let legacy = bare.legacy_at(ALL, &session, method, json!({})).await;
        assert_eq!(legacy.error(), expected(200));
        let modern = bare.modern(method, json!({})).await;
        assert_eq!(modern.error(), expected(404));
    }
    assert!(bare.worker.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_an_era_does_not_have_is_not_found_in_it() {
    let rig = rig();
    let session = rig.session_as(ALL, LEGACY, json!({})).await;
    let not_found =
        |status: u16, method: &str| (status, -32601, format!("Method not found: {method}"));
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/list",
        "tasks/result",
    ] {
        let answer = rig.modern(method, json!({})).await;
        assert_eq!(answer.error(), not_found(404, method));
    }
    for method in [
        "server/discover",
        "subscriptions/listen",
        "tasks/get",
        "tasks/list",
        "tasks/result",
        "tasks/cancel",
        "no/such",
    ] {
        let answer = rig.legacy_at(ALL, &session, method, json!({})).await;
        assert_eq!(answer.error(), not_found(200, method));
    }
}

#[tokio::test]
async fn definitions_demand_no_task_and_legacy_clients_see_structured_results_as_objects() {
    let rig = rig();
    let text = r#"{"name":"echo","inputSchema":{"type":"object"},"outputSchema":{"type":"array"},"execution":{"taskSupport":"required"},"_meta":{"ui":{"resourceUri":"ui://v"}},"x":1.0}"#;
    let raw = serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
    rig.source.change("acme", |tenant| {
        tenant.connectors[1].tools[0].definition = domain::ToolDefinition::parse(raw).unwrap();
    });
    rig.worker
        .answers(|_| result(json!({"content": [], "structuredContent": [1]})));
    let session = rig.session_as(ALL, LEGACY, json!({})).await;
    let tool = |answer: Answer| {
        let tools = answer.json()["result"]["tools"].as_array().unwrap().clone();
        let found = tools.into_iter().find(|tool| tool["name"] == "two_echo");
        found.unwrap()
    };

    let modern = tool(rig.modern("tools/list", json!({})).await);
    let legacy = tool(rig.legacy(&session, "tools/list", json!({})).await);

    for tool in [&modern, &legacy] {
        assert!(tool.get("execution").is_none());
        assert_eq!(tool["_meta"]["ui"]["resourceUri"], "ui://two/v");
        assert_eq!(tool["x"], json!(1.0));
    }
    assert_eq!(modern["outputSchema"], json!({"type": "array"}));
    assert_eq!(
        legacy["outputSchema"]["properties"]["result"],
        json!({"type": "array"})
    );
    let call = rig.modern("tools/call", json!({"name": "two_echo"})).await;
    assert_eq!(call.json()["result"]["structuredContent"], json!([1]));
    let params = json!({"name": "two_echo"});
    let call = rig.legacy(&session, "tools/call", params).await;
    let structured = &Rig::last(&call)["result"]["structuredContent"];
    assert_eq!(structured, &json!({"result": [1]}));
}

#[tokio::test]
async fn a_name_or_uri_of_nobody_reaches_nobody() {
    let rig = rig();
    let session = rig.session_as(ALL, LEGACY, json!({})).await;
    for (method, params, modern, legacy) in [
        ("prompts/get", json!({}), -32602, -32602),
        (
            "prompts/get",
            json!({"name": "greet", "arguments": 1}),
            -32602,
            -32602,
        ),
        ("resources/read", json!({}), -32602, -32602),
        (
            "resources/read",
            json!({"uri": "three+a:b"}),
            -32602,
            -32002,
        ),
        (
            "resources/read",
            json!({"uri": "ui://view/1"}),
            -32602,
            -32002,
        ),
        ("completion/complete", json!({}), -32602, -32602),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/x", "name": ""}}),
            -32602,
            -32602,
        ),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/resource", "uri": "three+a:b"}}),
            -32602,
            -32602,
        ),
    ] {
        let answer = rig.modern(method, params.clone()).await;
        let (status, code, _) = answer.error();
        assert_eq!((status, code), (200, modern), "{params}");
        let uri = params["uri"].clone();
        if !uri.is_null() {
            assert_eq!(answer.json()["error"]["data"], json!({"uri": uri}));
        }
        let answer = rig.legacy_at(ALL, &session, method, params.clone()).await;
        let (status, code, _) = answer.error();
        assert_eq!((status, code), (200, legacy), "{params}");
    }
    assert!(rig.worker.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_older_server_may_complete_without_saying_so() {
    let rig = Rig::new();
    rig.server(0, "2024-11-05", json!({"prompts": {}}));
    rig.worker.answers(|_| {
        Outcome::Error(RpcError {
            code: -32601,
            message: "Method not found".to_owned(),
            data: None,
            raw: None,
        })
    });
    let params = json!({"ref": {"type": "ref/prompt", "name": "greet"}});
    let answer = rig.modern("completion/complete", params).await;
    assert_eq!(answer.error(), (404, -32601, "Method not found".to_owned()));
    assert_eq!(rig.worker.take_calls().len(), 1);
}
