//! Tasks of the 2026-07-28 extension.

use bytes::Bytes;
use domain::Scope;
use fabric::{Call, Method, Outcome};
use serde_json::{Value, json};

use crate::rig::{Answer, Rig, result};

const ALL: &str = "/api/v1/acme/mcp";
const ONE: &str = "/api/v1/acme/connectors/one/mcp";
const EXTENSION: &str = "io.modelcontextprotocol/tasks";

fn able() -> Value {
    json!({"extensions": {EXTENSION: {}}})
}

fn rig() -> Rig {
    let rig = Rig::new();
    for connector in [0, 1] {
        rig.server(
            connector,
            "2026-07-28",
            json!({"extensions": {EXTENSION: {}}}),
        );
    }
    rig.worker.answers(answer);
    rig
}

fn answer(call: &Call) -> Outcome {
    let id = call.request.name.as_deref().unwrap_or_default();
    match call.request.method {
        Method::CallTool => result(
            r#"{"resultType":"task","taskId":"up/1","status":"working","ttlMs":1.0,"pollIntervalMs":5}"#,
        ),
        Method::GetTask => result(json!({
            "taskId": id, "status": "completed",
            "result": {"content": [{"type": "resource_link", "uri": "a:b", "name": "n"}]},
        })),
        Method::UpdateTask => {
            let inputs = call.request.inputs.clone().unwrap();
            assert_eq!(
                inputs.responses,
                Some(Bytes::from_static(br#"{"k":{"x":1.0}}"#))
            );
            result("{}")
        }
        Method::CancelTask => result("{}"),
        other => panic!("{other:?}"),
    }
}

async fn begin(rig: &Rig, path: &str, tool: &str) -> Value {
    let answer = rig
        .modern_as(path, able(), "tools/call", json!({"name": tool}))
        .await;
    answer.json()["result"].clone()
}

#[tokio::test]
async fn a_task_is_known_by_an_id_of_ours_and_followed_to_its_end() {
    let rig = rig();
    let discovered = rig.modern("server/discover", json!({})).await.json()["result"].clone();
    assert_eq!(
        discovered["capabilities"]["extensions"],
        json!({EXTENSION: {}})
    );

    let task = begin(&rig, ALL, "two_echo").await;
    assert_eq!(
        (&task["resultType"], &task["ttlMs"], &task["pollIntervalMs"]),
        (&json!("task"), &json!(1.0), &json!(5))
    );
    let id = task["taskId"].as_str().unwrap().to_owned();
    assert!(!id.contains("up/1"));
    rig.worker.take_calls();
    let ask = async |method: &str, mut params: Value| {
        params["taskId"] = json!(id);
        rig.modern_as(ALL, able(), method, params).await.json()["result"].clone()
    };
    let done = ask("tasks/get", json!({})).await;
    assert_eq!(
        (&done["taskId"], &done["resultType"]),
        (&json!(id), &json!("complete"))
    );
    assert_eq!(done["result"]["content"][0]["uri"], "two+a:b");
    let updated = ask("tasks/update", json!({"inputResponses": {"k": {"x": 1.0}}})).await;
    assert_eq!(updated["resultType"], "complete");
    assert_eq!(
        ask("tasks/cancel", json!({})).await["resultType"],
        "complete"
    );

    for call in rig.worker.take_calls() {
        assert_eq!(call.request.name.as_deref(), Some("up/1"));
        assert_eq!(call.connector.as_uuid().as_u128(), 12);
    }
}

#[tokio::test]
async fn a_task_id_of_nobody_or_of_another_is_unknown_alike() {
    let rig = rig();
    let task = begin(&rig, ALL, "two_echo").await["taskId"]
        .as_str()
        .unwrap()
        .to_owned();
    let unknown = (200, -32602, "Unknown task".to_owned());
    let get = async |path: &str, id: &str| -> Answer {
        rig.modern_as(path, able(), "tasks/get", json!({"taskId": id}))
            .await
    };
    let mut forged = task.clone().into_bytes();
    forged[40] = if forged[40] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();

    for id in [forged.as_str(), "up/1", "", &"x".repeat(7_000)] {
        assert_eq!(get(ALL, id).await.error(), unknown);
    }
    assert_eq!(
        get(ONE, &task).await.error(),
        unknown,
        "not of this endpoint's connector"
    );
    let second = rig.mint(500, Scope::TenantAdmin);
    let tenant = rig.source.tenants.lock().unwrap()["acme"].tenant.id;
    let stored = rig.stored(&second, Scope::TenantAdmin, Some(tenant));
    rig.source.change("acme", |config| config.keys.push(stored));
    let mut meta = crate::rig::meta();
    meta["io.modelcontextprotocol/clientCapabilities"] = able();
    let params = json!({"taskId": task, "_meta": meta});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": params});
    let headers = [
        ("mcp-protocol-version", crate::rig::MODERN),
        ("mcp-method", "tasks/get"),
        ("mcp-name", task.as_str()),
    ];
    let request = rig.post_to(ALL, &second.expose(), &headers, body.to_string());
    assert_eq!(
        rig.send(request).await.error(),
        unknown,
        "another principal"
    );
    assert_eq!(get(ALL, &task).await.status, 200, "the id itself is good");
    let wrong = json!({"taskId": task, "inputResponses": []});
    let answer = rig.modern_as(ALL, able(), "tasks/update", wrong).await;
    let message = "params.inputResponses must be an object".to_owned();
    assert_eq!(answer.error(), (200, -32602, message));
}

#[tokio::test]
async fn who_did_not_declare_the_extension_on_the_request_gets_no_task() {
    let rig = rig();
    let required = json!({"requiredCapabilities": {"extensions": {EXTENSION: {}}}});

    for (method, params) in [
        ("tools/call", json!({"name": "echo"})),
        ("tasks/get", json!({"taskId": "x"})),
        ("tasks/update", json!({"taskId": "x"})),
        ("tasks/cancel", json!({"taskId": "x"})),
    ] {
        let answer = rig.modern(method, params).await;
        let error = answer.json()["error"].clone();
        assert_eq!(
            (answer.status.as_u16(), &error["code"]),
            (400, &json!(-32021))
        );
        assert_eq!(error["data"], required, "{method}");
    }
    let session = rig.session_as(ALL, "2025-11-25", able()).await;
    let params = json!({"name": "echo", "task": {"ttl": 1}});
    rig.worker.take_calls();
    let answer = rig.legacy(&session, "tools/call", params).await;
    assert_eq!(Rig::last(&answer)["result"]["isError"], true);
    let call = rig.worker.take_calls().remove(0);
    assert!(!call.client.capabilities.tasks);
    assert!(call.request.rest.is_empty(), "the hint is ignored");
}

#[tokio::test]
async fn who_listens_for_tasks_hears_of_the_own_ones_under_their_ids() {
    let rig = rig();
    let task = begin(&rig, ALL, "two_echo").await["taskId"].clone();
    let elsewhere = begin(&rig, ONE, "echo").await["taskId"].clone();
    let (begun, mut watches) = tokio::sync::mpsc::unbounded_channel();
    rig.worker.script(move |call, events| {
        begun.send((call, events.unwrap())).unwrap();
        std::future::pending::<Outcome>()
    });
    let listen = async |path: &str, able: Value, ids: Value| {
        let mut meta = crate::rig::meta();
        meta["io.modelcontextprotocol/clientCapabilities"] = able;
        let params = json!({"notifications": {"taskIds": ids}, "_meta": meta});
        let body = json!({"jsonrpc": "2.0", "id": "l", "method": "subscriptions/listen", "params": params});
        let headers = [
            ("mcp-protocol-version", crate::rig::MODERN),
            ("mcp-method", "subscriptions/listen"),
        ];
        rig.open(rig.post_to(path, &rig.keys[0], &headers, body.to_string()))
            .await
    };

    let ids = json!([task, "up/1", format!("{}x", task.as_str().unwrap()), ""]);
    let mut live = listen(ALL, able(), ids).await;
    let accepted = live.next().await.unwrap();
    assert_eq!(
        accepted["params"],
        json!({"_meta": {"io.modelcontextprotocol/subscriptionId": "l"},
               "notifications": {"taskIds": [task]}})
    );
    let (watch, events) = watches.recv().await.unwrap();
    assert_eq!(
        (watch.request.method, watch.request.name.as_deref()),
        (Method::WatchTask, Some("up/1"))
    );
    assert_eq!(watch.connector.as_uuid().as_u128(), 12);
    assert!(watch.client.capabilities.tasks);
    let state = json!({
        "resultType": "complete", "taskId": "up/1", "status": "completed", "x": 1.5,
        "result": {"content": [{"type": "resource_link", "uri": "a:b", "name": "n"}]},
        "_meta": {"io.modelcontextprotocol/subscriptionId": 7, "k": 1},
    });
    let event = fabric::CallEvent::Task(Bytes::from(state.to_string()));
    events.send(event).await.unwrap();
    let told = live.next().await.unwrap();
    let link = json!({"type": "resource_link", "uri": "two+a:b", "name": "n"});
    assert_eq!(
        told,
        json!({"jsonrpc": "2.0", "method": "notifications/tasks", "params": {
            "taskId": task, "status": "completed", "x": 1.5, "result": {"content": [link]},
            "_meta": {"io.modelcontextprotocol/subscriptionId": "l", "k": 1},
        }})
    );

    // Of another connector than the endpoint's: as one that there is not.
    let mut live = listen(ONE, able(), json!([task, elsewhere])).await;
    let accepted = live.next().await.unwrap();
    assert_eq!(
        accepted["params"]["notifications"],
        json!({"taskIds": [elsewhere]})
    );
    let refused = listen(ALL, json!({}), json!([task])).await;
    assert_eq!(refused.status, 400, "without the extension");
}
