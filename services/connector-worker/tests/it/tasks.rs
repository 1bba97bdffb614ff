//! Tasks of a server of 2025-11-25.

use std::time::Duration;

use fabric::{Call, Execute, Inputs, Method, Outcome, Request};
use serde_json::{Value, json};
use testkit::stage::{Play, Stage};

use crate::support::{Bench, by, call, error, result};

async fn set() -> (Stage, Bench) {
    let play = Play {
        capabilities: json!({"tools": {}, "tasks": {"cancel": {}, "requests": {"tools": {"call": {}}}}}),
        ..Play::legacy()
    };
    (Stage::set(play).await, Bench::new())
}

/// Runs a call whose tools must be read first.
async fn first<T>(
    bench: &Bench,
    stage: &Stage,
    call: Call,
    server: impl Future<Output = T>,
) -> (Outcome, T) {
    tokio::join!(bench.worker.execute(call, None), async {
        let tool = |name: &str, support: &str| json!({"name": name, "inputSchema": {"type": "object"}, "execution": {"taskSupport": support}});
        let tools = [
            tool("may", "optional"),
            tool("must", "required"),
            tool("never", "forbidden"),
        ];
        stage
            .expect("tools/list")
            .await
            .result(json!({"tools": tools}));
        server.await
    })
}

fn with_tasks(call: Call) -> Call {
    by(
        call,
        &json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}),
    )
}

fn made() -> Value {
    json!({"task": {"taskId": "T", "status": "working", "createdAt": "2026-01-01T00:00:00Z",
                    "lastUpdatedAt": "2026-01-01T00:00:00Z", "ttl": 60_000, "pollInterval": 100, "x": 1.5}})
}

#[tokio::test]
async fn a_client_that_knows_tasks_gets_a_flat_one_and_follows_it_to_its_end() {
    let (stage, bench) = set().await;
    let connector = bench.remote(&stage.url());
    let tool = |name| with_tasks(call(connector, name, json!({"a": 1})));
    let about = |method| {
        let mut call = with_tasks(call(connector, "", json!(null)));
        call.request = Request::new(method, Some("T".to_owned()));
        call
    };

    let (outcome, ()) = first(&bench, &stage, tool("may"), async {
        let called = stage.expect("tools/call").await;
        assert_eq!(
            called.body["params"],
            json!({"name": "may", "arguments": {"a": 1}, "task": {}})
        );
        called.result(made());
    })
    .await;
    assert_eq!(
        result(outcome),
        json!({"resultType": "task", "taskId": "T", "status": "working",
               "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z",
               "ttlMs": 60_000, "pollIntervalMs": 100, "x": 1.5})
    );

    let state = |status: &str| json!({"taskId": "T", "status": status, "ttl": null});
    let (outcome, ()) = tokio::join!(bench.worker.execute(about(Method::GetTask), None), async {
        let asked = stage.expect("tasks/get").await;
        assert_eq!(asked.body["params"], json!({"taskId": "T"}));
        asked.result(state("working"));
    });
    assert_eq!(
        result(outcome),
        json!({"resultType": "complete", "taskId": "T", "status": "working", "ttlMs": null})
    );

    let (outcome, ()) = tokio::join!(bench.worker.execute(about(Method::GetTask), None), async {
        stage.expect("tasks/get").await.result(state("failed"));
        let asked = stage.expect("tasks/result").await;
        asked.result(json!({"content": [], "isError": true}));
    });
    let done = result(outcome);
    assert_eq!(done["status"], "completed", "a result with isError is one");
    assert_eq!(done["result"], json!({"content": [], "isError": true}));

    let (outcome, ()) = tokio::join!(bench.worker.execute(about(Method::GetTask), None), async {
        stage.expect("tasks/get").await.result(state("failed"));
        let refusal = json!({"code": -32_603, "message": "x", "data": [1]});
        stage.expect("tasks/result").await.error(200, refusal);
    });
    let done = result(outcome);
    assert_eq!(
        (&done["status"], &done["error"]),
        (
            &json!("failed"),
            &json!({"code": -32_603, "message": "x", "data": [1]})
        )
    );

    let (outcome, ()) = tokio::join!(
        bench.worker.execute(about(Method::CancelTask), None),
        async {
            stage
                .expect("tasks/cancel")
                .await
                .result(state("cancelled"));
        }
    );
    assert_eq!(result(outcome), json!({}));
    let (outcome, ()) = tokio::join!(bench.worker.execute(about(Method::GetTask), None), async {
        let refusal = json!({"code": -32_602, "message": "no such task"});
        stage.expect("tasks/get").await.error(200, refusal);
    });
    assert_eq!(error(outcome).code, -32_602);
    let outcome = bench.worker.execute(about(Method::UpdateTask), None).await;
    assert_eq!(error(outcome).code, -32_602, "it asked for nothing");
}

#[tokio::test]
async fn a_task_that_failed_without_a_result_says_what_its_server_says_of_it() {
    const ID: &str = "0123456789abcdef";
    let (stage, bench) = set().await;
    let connector = bench.remote(&stage.url());
    let about = |method| {
        let mut call = with_tasks(call(connector, "", json!(null)));
        call.request = Request::new(method, Some(ID.to_owned()));
        call
    };
    let get = bench.worker.execute(about(Method::GetTask), None);
    let (outcome, ()) = tokio::join!(get, async {
        let state = json!({"taskId": ID, "status": "failed", "statusMessage": "It broke."});
        stage.expect("tasks/get").await.result(state);
        let message = format!("Task {ID} has no result stored");
        let refusal = json!({"code": -32_602, "message": message});
        stage.expect("tasks/result").await.error(200, refusal);
    });
    assert_eq!(
        result(outcome)["error"],
        json!({"code": -32_603, "message": "It broke."})
    );

    let get = bench.worker.execute(about(Method::GetTask), None);
    let (outcome, ()) = tokio::join!(get, async {
        let refusal = json!({"code": -32_602, "message": format!("Task {ID} is not there")});
        stage.expect("tasks/get").await.error(200, refusal);
    });
    let unknown = error(outcome);
    assert_eq!(
        (unknown.code, unknown.message.as_str(), unknown.raw),
        (-32_602, "Task (this task) is not there", None)
    );
}

#[tokio::test]
async fn what_a_task_asks_stands_in_its_state_and_is_answered_by_an_update() {
    let (stage, bench) = set().await;
    let connector = bench.remote(&stage.url());
    let about = |method, responses: Option<Value>| {
        let can = json!({"elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}});
        let mut call = by(call(connector, "", json!(null)), &can);
        call.request = Request::new(method, Some("T".to_owned()));
        call.request.inputs = responses.map(|responses| Inputs {
            responses: Some(responses.to_string().into()),
            state: None,
        });
        call
    };
    let state = |status: &str| json!({"taskId": "T", "status": status, "ttl": 1});

    let get = bench.worker.execute(about(Method::GetTask, None), None);
    let (outcome, stream) = tokio::join!(get, async {
        stage
            .expect("tasks/get")
            .await
            .result(state("input_required"));
        let stream = stage.expect("tasks/result").await.stream();
        stream
            .ask(json!(5), "elicitation/create", json!({"message": "?"}))
            .await;
        stream
    });
    let question = json!({"method": "elicitation/create", "params": {"message": "?"}});
    assert_eq!(
        result(outcome),
        json!({"resultType": "complete", "taskId": "T", "status": "input_required", "ttlMs": 1,
               "inputRequests": {"input-1": question}})
    );

    let wrong = about(Method::UpdateTask, Some(json!({"input-1": 1})));
    assert_eq!(error(bench.worker.execute(wrong, None).await).code, -32_602);
    let update = about(
        Method::UpdateTask,
        Some(json!({"input-1": {"action": "cancel"}})),
    );
    let (outcome, ()) = tokio::join!(bench.worker.execute(update, None), async {
        let reply = stage.expect("(response)").await;
        assert_eq!(
            (&reply.body["id"], &reply.body["result"]),
            (&json!(5), &json!({"action": "cancel"}))
        );
    });
    assert_eq!(result(outcome), json!({}));
    stream.result(json!({"content": []})).await;

    let get = bench.worker.execute(about(Method::GetTask, None), None);
    let (outcome, ()) = tokio::join!(get, async {
        stage.expect("tasks/get").await.result(state("completed"));
        stage
            .expect("tasks/result")
            .await
            .result(json!({"content": []}));
    });
    assert_eq!(result(outcome)["result"], json!({"content": []}));
}

#[tokio::test]
async fn a_client_that_knows_none_waits_for_a_tool_that_needs_one_and_others_are_called_plainly() {
    let (stage, bench) = set().await;
    let connector = bench.remote(&stage.url());

    let (outcome, ()) = first(&bench, &stage, call(connector, "may", json!({})), async {
        let called = stage.expect("tools/call").await;
        assert_eq!(called.body["params"].get("task"), None);
        called.result(json!({"content": [1]}));
    })
    .await;
    assert_eq!(result(outcome), json!({"content": [1]}));

    let must = call(connector, "must", json!({}));
    let (outcome, ()) = tokio::join!(bench.worker.execute(must.clone(), None), async {
        stage.expect("tools/call").await.result(made());
        let asked = stage.expect("tasks/result").await;
        assert_eq!(asked.body["params"], json!({"taskId": "T"}));
        asked.result(json!({"content": [2]}));
    });
    assert_eq!(result(outcome), json!({"content": [2]}));

    let mut hasty = must.clone();
    hasty.deadline = Duration::from_millis(900);
    let (outcome, _unanswered) = tokio::join!(bench.worker.execute(hasty, None), async {
        stage.expect("tools/call").await.result(made());
        stage.expect("tasks/result").await
    });
    let unfinished = result(outcome);
    assert_eq!(unfinished["isError"], true);
    let text = unfinished["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("as a task") && !text.contains("\"T\""),
        "{text}"
    );
    stage.expect("notifications/cancelled").await;

    tokio::select! {
        outcome = bench.worker.execute(must, None) => panic!("{outcome:?}"),
        _unanswered = async {
            stage.expect("tools/call").await.result(made());
            stage.expect("tasks/result").await
        } => {}
    }
    let mut told = [stage.next().await.method, stage.next().await.method];
    told.sort();
    assert_eq!(told, ["notifications/cancelled", "tasks/cancel"]);
}
