//! What happens while it is not watched: before a watch stands, while one is broken, and before a
//! client's stream stands. It is told as soon as somebody can be told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fabric::{CallEvent, Effect, Events, Failure, FailureKind, List, Method, Outcome};
use gateway::Config;
use serde_json::{Value, json};
use tokio::sync::{Mutex, Notify, Semaphore, mpsc, oneshot};

use crate::listen::listen;
use crate::live::Live;
use crate::rig::{Rig, result};
use crate::sse::{ACME, get};

/// How long something that comes may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A watch that a worker runs.
struct Watch {
    version: i64,
    events: Events,
    end: oneshot::Sender<Outcome>,
}

impl Watch {
    async fn stands(&self) {
        self.events.send(CallEvent::Watching).await.unwrap();
    }

    async fn list_changed(&self, list: List) {
        self.events
            .send(CallEvent::ListChanged(list))
            .await
            .unwrap();
    }
}

/// A gateway in front of one server, whose worker does what a test says.
struct Stage {
    rig: Rig,
    begun: Mutex<mpsc::UnboundedReceiver<Watch>>,
    called: Arc<Notify>,
    /// Lets calls end.
    go: Arc<Semaphore>,
}

impl Stage {
    fn set(rig: Rig) -> Self {
        let capabilities = json!({
            "tools": {}, "prompts": {"listChanged": true},
            "resources": {"subscribe": true, "listChanged": true},
        });
        rig.server(1, "2025-11-25", capabilities);
        let (begin, begun) = mpsc::unbounded_channel();
        let (called, go) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let (calls, gate) = (called.clone(), go.clone());
        rig.worker.script(move |call, events| {
            let (begin, calls, gate) = (begin.clone(), calls.clone(), gate.clone());
            async move {
                if call.request.method != Method::Watch {
                    calls.notify_one();
                    gate.acquire().await.unwrap().forget();
                    return result(json!({"content": []}));
                }
                let (end, ended) = oneshot::channel();
                let watch = Watch {
                    version: call.version,
                    events: events.unwrap(),
                    end,
                };
                begin.send(watch).ok();
                match ended.await {
                    Ok(outcome) => outcome,
                    Err(_) => std::future::pending().await,
                }
            }
        });
        Self {
            rig,
            begun: Mutex::new(begun),
            called,
            go,
        }
    }

    fn alone() -> Self {
        Self::set(Rig::alone(
            "each gateway watches for its own listeners",
            Config::default(),
        ))
    }

    async fn watch(&self) -> Watch {
        let mut all = self.begun.lock().await;
        let begun = tokio::time::timeout(PATIENCE, all.recv()).await;
        begun.expect("it is watched").unwrap()
    }

    async fn session(&self) -> String {
        self.rig.session_as(ACME, "2025-11-25", json!({})).await
    }

    async fn stream(&self, session: &str) -> Live {
        let live = self.rig.open(get(&self.rig, session, &[])).await;
        assert_eq!(live.status, 200);
        live
    }

    async fn call(&self, session: &str) {
        self.go.add_permits(1);
        let params = json!({"name": "two_echo"});
        let answer = self.rig.legacy_at(ACME, session, "tools/call", params);
        assert_eq!(answer.await.status, 200);
    }

    async fn calls_as_modern(&self) {
        self.go.add_permits(1);
        let params = json!({"name": "two_echo"});
        let answer = self.rig.modern_as(ACME, json!({}), "tools/call", params);
        assert_eq!(answer.await.status, 200);
    }
}

/// The method of what is told next.
async fn told(live: &mut Live) -> Value {
    let next = tokio::time::timeout(PATIENCE, live.next()).await;
    next.expect("it is told").unwrap()["method"].take()
}

const PROMPTS: &str = "notifications/prompts/list_changed";
const RESOURCES: &str = "notifications/resources/list_changed";
const UPDATED: &str = "notifications/resources/updated";

#[tokio::test(start_paused = true)]
async fn what_a_call_may_have_changed_before_the_upstream_was_watched_is_told() {
    let stage = Stage::set(Rig::new());
    let wish = json!({"promptsListChanged": true});
    let mut live = listen(&stage.rig, ACME, json!(1), wish).await;
    live.next().await.unwrap();
    let watch = stage.watch().await;

    stage.calls_as_modern().await;
    watch.stands().await;

    assert_eq!(told(&mut live).await, PROMPTS);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_was_called_nothing_is_told() {
    let rig = Rig::alone("a gateway knows of its own calls alone", Config::default());
    let stage = Stage::set(rig);
    let wish = json!({"promptsListChanged": true, "resourcesListChanged": true});
    let mut live = listen(&stage.rig, ACME, json!(1), wish).await;
    live.next().await.unwrap();
    let watch = stage.watch().await;

    watch.stands().await;
    watch.list_changed(List::Resources).await;

    assert_eq!(told(&mut live).await, RESOURCES);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_client_makes_before_its_stream_stands_may_have_changed_lists() {
    let stage = Stage::alone();
    let session = stage.session().await;
    let params = json!({"name": "two_echo"});
    let calling = stage.rig.legacy_at(ACME, &session, "tools/call", params);
    let mut calling = std::pin::pin!(calling);
    tokio::select! {
        _ = &mut calling => panic!("it is held"),
        () = stage.called.notified() => {}
    }

    // One that is under way.
    let mut stream = stage.stream(&session).await;
    stage.watch().await.stands().await;
    for list in [PROMPTS, RESOURCES] {
        assert_eq!(told(&mut stream).await, list);
    }
    stage.go.add_permits(1);
    assert_eq!(calling.await.status, 200);

    // One that is over.
    drop(stream);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let session = stage.session().await;
    stage.call(&session).await;
    let mut stream = stage.stream(&session).await;
    stage.watch().await.stands().await;
    for list in [PROMPTS, RESOURCES] {
        assert_eq!(told(&mut stream).await, list);
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_changed_just_before_a_stream_stood_is_told_on_it() {
    let stage = Stage::alone();
    let [early, late, later] = [
        stage.session().await,
        stage.session().await,
        stage.session().await,
    ];
    let mut to_early = stage.stream(&early).await;
    let watch = stage.watch().await;
    watch.stands().await;
    tokio::time::sleep(Duration::from_secs(1)).await;

    // As SDKs do: its stream is on its way when it calls.
    stage.call(&late).await;
    watch.list_changed(List::Resources).await;
    assert_eq!(told(&mut to_early).await, RESOURCES);
    let mut to_late = stage.stream(&late).await;
    assert_eq!(told(&mut to_late).await, RESOURCES);

    // Once, and not to somebody who comes a while after.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let mut to_later = stage.stream(&later).await;
    let mut again = stage.stream(&late).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    watch.list_changed(List::Prompts).await;
    for stream in [&mut to_early, &mut to_later, &mut again] {
        assert_eq!(told(stream).await, PROMPTS);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_broke_tells_of_what_was_missed_when_it_stands_again() {
    let stage = Stage::set(Rig::new());
    let wish = json!({"resourceSubscriptions": ["two+a:b"]});
    let mut live = listen(&stage.rig, ACME, json!(1), wish).await;
    live.next().await.unwrap();
    let watch = stage.watch().await;
    watch.stands().await;
    let params = Bytes::from_static(br#"{"uri":"a:b","x":1.0}"#);
    let updated = CallEvent::ResourceUpdated(params);
    watch.events.send(updated).await.unwrap();
    assert_eq!(told(&mut live).await, UPDATED);

    let gone = Outcome::Failed(Failure {
        kind: FailureKind::Gone,
        effect: Effect::None,
        message: "the connector was let go".to_owned(),
    });
    drop(watch.end.send(gone));
    stage.watch().await.stands().await;

    let message = live.next().await.unwrap();
    assert_eq!(
        (&message["method"], &message["params"]["uri"]),
        (&json!(UPDATED), &json!("two+a:b"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_changed_connector_is_watched_anew_and_its_lists_may_be_others() {
    let stage = Stage::alone();
    let session = stage.session().await;
    let mut stream = stage.stream(&session).await;
    let watch = stage.watch().await;
    watch.stands().await;

    stage.rig.source.change("acme", |config| {
        config.connectors[1].connector.version = 8;
    });
    let anew = stage.watch().await;
    assert_eq!((watch.version, anew.version), (7, 8));
    anew.stands().await;

    for list in [PROMPTS, RESOURCES] {
        assert_eq!(told(&mut stream).await, list);
    }
}
