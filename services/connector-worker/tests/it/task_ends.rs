//! Calls that become tasks, for clients that know none.

use std::time::Duration;

use fabric::{Call, CallEvent, Execute, InputRequired, Method, Outcome};
use serde_json::{Value, json};
use testkit::stage::{Heard, Play, Stage};

use crate::support::{Bench, answering, asked, by, call, error, requests, result, text};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";

async fn modern() -> (Stage, Bench) {
    let play = Play {
        capabilities: json!({"tools": {}, "extensions": {EXTENSION: {}}}),
        ..Play::modern()
    };
    (Stage::set(play).await, Bench::new())
}

/// A call of a client that knows no tasks.
fn waiting(bench: &Bench, stage: &Stage) -> Call {
    let mut call = by(
        call(bench.remote(&stage.url()), "job", json!({})),
        &json!({"elicitation": {}}),
    );
    call.request.to_its_end = true;
    call
}

fn made() -> Value {
    json!({"resultType": "task", "taskId": "task-0001", "status": "working", "ttlMs": 1000, "pollIntervalMs": 1})
}

fn state(rest: Value) -> Value {
    let mut state = json!({"resultType": "complete", "taskId": "task-0001", "pollIntervalMs": 1});
    let members = rest.as_object().unwrap().clone();
    state.as_object_mut().unwrap().extend(members);
    state
}

fn about_the_task(heard: Heard) -> Heard {
    let params = &heard.body["params"];
    assert_eq!(params["taskId"], "task-0001");
    assert_eq!(heard.header("mcp-name"), "task-0001");
    let capabilities = &params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!(capabilities["extensions"], json!({EXTENSION: {}}));
    heard
}

/// What the call ends with when its task is in this state.
async fn ended_by(stage: &Stage, bench: &Bench, end: Value) -> Outcome {
    let call = waiting(bench, stage);
    let (outcome, ()) = tokio::join!(bench.worker.execute(call, None), async {
        let called = stage.expect("tools/call").await;
        let meta = &called.body["params"]["_meta"];
        let capabilities = &meta["io.modelcontextprotocol/clientCapabilities"];
        assert_eq!(
            capabilities,
            &json!({"elicitation": {"form": {}}, "extensions": {EXTENSION: {}}})
        );
        called.result(made());
        let first = about_the_task(stage.expect("tasks/get").await);
        first.result(state(json!({"status": "working"})));
        about_the_task(stage.expect("tasks/get").await).result(state(end));
    });
    outcome
}

#[tokio::test]
async fn a_task_of_a_modern_server_is_followed_to_whichever_end_it_has() {
    let (stage, bench) = modern().await;

    let done = json!({"status": "completed", "result": {"content": [], "isError": true, "x": 1.5}});
    let outcome = ended_by(&stage, &bench, done).await;
    assert_eq!(
        result(outcome),
        json!({"content": [], "isError": true, "x": 1.5})
    );

    let failed =
        json!({"status": "failed", "error": {"code": -32_001, "message": "no", "data": [1]}});
    let failed = error(ended_by(&stage, &bench, failed).await);
    assert_eq!((failed.code, failed.message.as_str()), (-32_001, "no"));
    assert_eq!(failed.data.as_deref(), Some(&b"[1]"[..]));

    let cancelled = json!({"status": "cancelled", "statusMessage": "Somebody stopped it."});
    let cancelled = error(ended_by(&stage, &bench, cancelled).await);
    assert_eq!(
        (cancelled.code, cancelled.message.as_str()),
        (-32_603, "Somebody stopped it.")
    );
}

#[tokio::test]
async fn a_client_that_can_be_told_what_it_lacks_is_not_waited_for() {
    let (stage, bench) = modern().await;
    let mut call = waiting(&bench, &stage);
    call.request.to_its_end = false;
    let required = json!({"requiredCapabilities": {"extensions": {EXTENSION: {}}}});

    let (outcome, ()) = tokio::join!(bench.worker.execute(call, None), async {
        let called = stage.expect("tools/call").await;
        let meta = &called.body["params"]["_meta"];
        let capabilities = &meta["io.modelcontextprotocol/clientCapabilities"];
        assert_eq!(capabilities, &json!({"elicitation": {"form": {}}}));
        let refusal = json!({"code": -32_021, "message": "no", "data": required});
        called.error(400, refusal);
    });

    let refused = error(outcome);
    assert_eq!(refused.code, -32_021);
    let data: Value = serde_json::from_slice(&refused.data.unwrap()).unwrap();
    assert_eq!(data, required);
}

/// A call whose task has asked something.
async fn asking(stage: &Stage, bench: &Bench) -> (Call, InputRequired) {
    let call = waiting(bench, stage);
    let (outcome, ()) = tokio::join!(bench.worker.execute(call.clone(), None), async {
        stage.expect("tools/call").await.result(made());
        let asks = json!({"status": "input_required", "inputRequests": {"a": question("A?")}});
        stage.expect("tasks/get").await.result(state(asks));
    });
    (call, asked(outcome))
}

fn question(message: &str) -> Value {
    json!({"method": "elicitation/create", "params": {"message": message}})
}

#[tokio::test]
async fn what_such_a_task_asks_is_asked_once_and_answered_by_an_update() {
    let (stage, bench) = modern().await;
    let (call, first) = asking(&stage, &bench).await;
    assert_eq!(requests(&first), json!({"a": question("A?")}));

    let answers = json!({"a": {"action": "accept"}});
    let again = answering(call.clone(), &first, &answers);
    let (outcome, ()) = tokio::join!(bench.worker.execute(again, None), async {
        let update = about_the_task(stage.expect("tasks/update").await);
        assert_eq!(update.body["params"]["inputResponses"], answers);
        assert_eq!(update.body["params"].get("requestState"), None);
        update.result(json!({"resultType": "complete"}));
        // The first question may stand there for a while yet.
        let old = json!({"status": "input_required", "inputRequests": {"a": question("A?")}});
        stage.expect("tasks/get").await.result(state(old));
        let both = json!({"a": question("A?"), "b": question("B?")});
        let both = json!({"status": "input_required", "inputRequests": both});
        stage.expect("tasks/get").await.result(state(both));
    });
    let second = asked(outcome);
    assert_eq!(requests(&second), json!({"b": question("B?")}));

    let last = answering(call, &second, &json!({"b": {"action": "decline"}}));
    let (outcome, ()) = tokio::join!(bench.worker.execute(last, None), async {
        let done = json!({"resultType": "complete"});
        stage.expect("tasks/update").await.result(done);
        let end = json!({"status": "completed", "result": {"content": [7]}});
        stage.expect("tasks/get").await.result(state(end));
    });
    assert_eq!(result(outcome), json!({"content": [7]}));
}

#[tokio::test]
async fn a_task_that_nobody_waits_for_any_more_is_cancelled() {
    let (stage, bench) = modern().await;

    tokio::select! {
        outcome = bench.worker.execute(waiting(&bench, &stage), None) => panic!("{outcome:?}"),
        () = async {
            stage.expect("tools/call").await.result(made());
            stage.expect("tasks/get").await.result(state(json!({"status": "working"})));
        } => {}
    }
    let mut told = stage.next().await;
    while told.method == "tasks/get" || told.method == "notifications/cancelled" {
        told = stage.next().await;
    }
    assert_eq!(told.method, "tasks/cancel");
    about_the_task(told).result(json!({"resultType": "complete"}));

    let (call, first) = asking(&stage, &bench).await;
    let mut give_up = answering(call, &first, &json!({}));
    give_up.request.method = Method::GiveUp;
    assert_eq!(result(bench.worker.execute(give_up, None).await), json!({}));
    let cancelled = about_the_task(stage.expect("tasks/cancel").await);
    cancelled.result(json!({"resultType": "complete"}));
}

#[tokio::test]
async fn a_task_that_lasts_too_long_is_left_to_itself_and_the_caller_is_told_what_to_do() {
    let (stage, bench) = modern().await;
    let mut hasty = waiting(&bench, &stage);
    hasty.deadline = Duration::from_millis(900);

    let (outcome, ()) = tokio::join!(bench.worker.execute(hasty, None), async {
        let mut made = made();
        made["pollIntervalMs"] = json!(600_000);
        stage.expect("tools/call").await.result(made);
    });

    assert_eq!(
        text(outcome),
        "The tool is still running on its server, as a task, and could not be waited for any longer. Do not assume that it failed: check what it did before you call it again."
    );
}

#[tokio::test]
async fn the_servers_own_name_of_a_task_reaches_nobody() {
    let play = Play {
        capabilities: json!({"tools": {}, "tasks": {"requests": {"tools": {"call": {}}}}}),
        ..Play::legacy()
    };
    let (stage, bench) = (Stage::set(play).await, Bench::new());
    let related = json!({"io.modelcontextprotocol/related-task": {"taskId": "task-0001"}, "k": 1});
    let created = json!({"task": {"taskId": "task-0001", "status": "working", "ttl": 60_000}});
    let mut call = waiting(&bench, &stage);
    call.request.progress = true;
    let tool = json!({"name": "job", "inputSchema": {}, "execution": {"taskSupport": "required"}});

    let (events, mut told) = tokio::sync::mpsc::channel(4);
    let run = bench.worker.execute(call.clone(), Some(events));
    let (outcome, stream) = tokio::join!(run, async {
        let list = stage.expect("tools/list").await;
        list.result(json!({"tools": [tool]}));
        stage.expect("tools/call").await.result(created.clone());
        let waits = stage.expect("tasks/result").await;
        let token = waits.body["params"]["_meta"]["progressToken"].clone();
        let stream = waits.stream();
        if !token.is_null() {
            let params = json!({"progressToken": token, "progress": 1, "_meta": related});
            stream.notify("notifications/progress", params).await;
        }
        let params = json!({"message": "?", "_meta": related});
        stream.ask(json!(5), "elicitation/create", params).await;
        stream
    });
    let first = asked(outcome);
    let plain = json!({"message": "?", "_meta": {"k": 1}});
    assert_eq!(requests(&first)["input-1"]["params"], plain);
    while let Ok(event) = told.try_recv() {
        let CallEvent::Progress(progress) = event else {
            panic!("{event:?}");
        };
        assert!(!String::from_utf8_lossy(&progress).contains("task-0001"));
    }

    let again = answering(
        call.clone(),
        &first,
        &json!({"input-1": {"action": "accept"}}),
    );
    let (outcome, ()) = tokio::join!(bench.worker.execute(again, None), async {
        stage.expect("(response)").await;
        let end = json!({"content": [], "_meta": related});
        stream.result(end).await;
    });
    assert_eq!(result(outcome), json!({"content": [], "_meta": {"k": 1}}));

    // One that broke has words, and no result.
    let (outcome, ()) = tokio::join!(
        async {
            let first = bench.worker.execute(call, None).await;
            match first {
                Outcome::Error(error) => error,
                other => panic!("{other:?}"),
            }
        },
        async {
            stage.expect("tools/call").await.result(created);
            let refusal =
                json!({"code": -32_602, "message": "Task task-0001 has no result stored"});
            stage.expect("tasks/result").await.error(200, refusal);
            let broken = json!({"taskId": "task-0001", "status": "failed", "statusMessage": "The job broke."});
            stage.expect("tasks/get").await.result(broken);
        }
    );
    assert_eq!(
        (outcome.code, outcome.message.as_str()),
        (-32_603, "The job broke.")
    );
}
