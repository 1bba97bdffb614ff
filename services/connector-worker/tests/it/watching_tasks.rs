//! Watching tasks of servers of both eras.

use std::time::Duration;

use fabric::{Call, CallEvent, Execute, Method, Request};
use serde_json::{Value, json};
use testkit::stage::{Play, Stage};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::support::{Bench, by, call};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";

struct Watcher {
    events: mpsc::Receiver<CallEvent>,
    _watch: JoinHandle<fabric::Outcome>,
}

impl Watcher {
    fn of(bench: &Bench, stage: &Stage) -> Self {
        let (sender, events) = mpsc::channel(16);
        let able = json!({"extensions": {EXTENSION: {}}});
        let call = Call {
            request: Request::new(Method::WatchTask, Some("task-0001".to_owned())),
            deadline: Duration::ZERO,
            ..by(call(bench.remote(&stage.url()), "", Value::Null), &able)
        };
        let worker = bench.worker.clone();
        let work = async move { worker.execute(call, Some(sender)).await };
        Self {
            events,
            _watch: bench.process.tasks.joinable(work),
        }
    }

    async fn next(&mut self) -> CallEvent {
        let next = tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await;
        next.expect("an event comes").expect("the watch goes on")
    }

    async fn task(&mut self) -> Value {
        match self.next().await {
            CallEvent::Task(state) => serde_json::from_slice(&state).unwrap(),
            other => panic!("no task but {other:?}"),
        }
    }

    async fn is_watching(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, CallEvent::Watching), "{event:?}");
    }
}

#[tokio::test]
async fn a_modern_server_is_listened_to_for_the_task_as_a_client_that_knows_tasks() {
    let play = Play {
        capabilities: json!({"tools": {}, "extensions": {EXTENSION: {}}}),
        ..Play::modern()
    };
    let (stage, bench) = (Stage::set(play).await, Bench::new());
    let mut watcher = Watcher::of(&bench, &stage);

    let listen = stage.expect("subscriptions/listen").await;
    let params = &listen.body["params"];
    assert_eq!(params["notifications"], json!({"taskIds": ["task-0001"]}));
    let capabilities = &params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!(capabilities, &json!({"extensions": {EXTENSION: {}}}));
    let subscription = json!({"io.modelcontextprotocol/subscriptionId": listen.id()});
    let accepted = json!({"_meta": subscription, "notifications": {"taskIds": ["task-0001"]}});
    let stream = listen.stream();
    let method = "notifications/subscriptions/acknowledged";
    stream.notify(method, accepted).await;
    watcher.is_watching().await;
    // It may have come to something before it was listened to.
    let get = stage.expect("tasks/get").await;
    assert_eq!(get.header("mcp-name"), "task-0001");
    get.result(json!({"taskId": "task-0001", "status": "working"}));

    for (id, message) in [("task-0002", "another's"), ("task-0001", "half")] {
        let params = json!({"taskId": id, "status": "working", "statusMessage": message, "x": 1.5, "_meta": subscription});
        stream.notify("notifications/tasks", params).await;
    }
    let state = watcher.task().await;
    assert_eq!(
        state,
        json!({"taskId": "task-0001", "status": "working", "statusMessage": "half", "x": 1.5})
    );
}

#[tokio::test]
async fn a_legacy_server_says_that_a_task_changed_and_is_asked_for_the_whole_state() {
    let play = Play {
        capabilities: json!({"tools": {}, "tasks": {"requests": {"tools": {"call": {}}}}}),
        listens: true,
        ..Play::legacy()
    };
    let (stage, bench) = (Stage::set(play).await, Bench::new());
    let mut watcher = Watcher::of(&bench, &stage);

    let stream = stage.expect("GET").await.stream();
    watcher.is_watching().await;
    let get = stage.expect("tasks/get").await;
    get.result(json!({"taskId": "task-0001", "status": "working", "ttl": 5}));
    for id in ["task-0002", "task-0001"] {
        let params = json!({"taskId": id, "status": "completed", "ttl": 5});
        stream.notify("notifications/tasks/status", params).await;
    }
    let get = stage.expect("tasks/get").await;
    get.result(json!({"taskId": "task-0001", "status": "completed", "ttl": 5}));
    let end = stage.expect("tasks/result").await;
    end.result(json!({"content": [1]}));

    assert_eq!(
        watcher.task().await,
        json!({"resultType": "complete", "taskId": "task-0001", "ttlMs": 5,
               "status": "completed", "result": {"content": [1]}})
    );
}
