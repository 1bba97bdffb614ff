//! Notifications without a request: `subscriptions/listen`, and the stream of a legacy session.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fabric::{CallEvent, Events, List, Method, Outcome, RpcError};
use gateway::Config;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::live::Live;
use crate::rig::{MODERN, Rig, meta};
use crate::sse::get;

const ACME: &str = "/api/v1/acme/mcp";
const TWO: &str = "/api/v1/acme/connectors/two/mcp";

/// What a test sees of the watches that run: when one begins, by its URI, and its way to tell.
type Watches = mpsc::UnboundedReceiver<(Option<String>, Events)>;

/// Has the worker run watches, which end when they are dropped; tells how many run.
fn watched(rig: &Rig) -> (Watches, Arc<AtomicUsize>) {
    struct Running(Arc<AtomicUsize>);
    impl Drop for Running {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let (begun, watches) = mpsc::unbounded_channel();
    let count = Arc::new(AtomicUsize::new(0));
    let running = count.clone();
    rig.worker.script(move |call, events| {
        let (begun, running) = (begun.clone(), running.clone());
        async move {
            assert_eq!(call.request.method, Method::Watch);
            running.fetch_add(1, Ordering::SeqCst);
            let _running = Running(running);
            begun.send((call.request.name, events.unwrap())).unwrap();
            std::future::pending::<Outcome>().await
        }
    });
    (watches, count)
}

fn able(rig: &Rig) {
    for connector in [0, 1] {
        let capabilities = json!({
            "tools": {"listChanged": true}, "prompts": {"listChanged": true},
            "resources": {"subscribe": true, "listChanged": true},
        });
        rig.server(connector, "2025-11-25", capabilities);
    }
}

pub(crate) async fn listen(rig: &Rig, path: &str, id: Value, wish: Value) -> Live {
    let headers = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "subscriptions/listen"),
    ];
    let params = json!({"notifications": wish, "_meta": meta()});
    let body = json!({
        "jsonrpc": "2.0", "id": id, "method": "subscriptions/listen", "params": params,
    });
    let live = rig
        .open(rig.post_to(path, &rig.keys[0], &headers, body.to_string()))
        .await;
    assert_eq!(live.status, 200);
    live
}

fn subscription(message: &Value) -> &Value {
    &message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"]
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_is_said_first_and_nothing_else_is_told() {
    let rig = Rig::new();
    able(&rig);
    let (mut watches, _) = watched(&rig);
    let wish = json!({
        "promptsListChanged": true, "resourcesListChanged": false,
        "resourceSubscriptions": ["two+a:b", "nowhere:x"],
    });
    let mut live = listen(&rig, ACME, json!(7), wish).await;

    let first = live.next().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(subscription(&first), &json!(7));
    assert_eq!(
        first["params"]["notifications"],
        json!({"promptsListChanged": true, "resourceSubscriptions": ["two+a:b"]})
    );

    // Lists of both connectors, and the one resource, by its own URI.
    let mut begun = Vec::new();
    for _ in 0..3 {
        begun.push(watches.recv().await.unwrap());
    }
    begun.sort_by(|a, b| b.0.cmp(&a.0));
    assert_eq!(begun[0].0.as_deref(), Some("a:b"));
    for list in [List::Tools, List::Resources, List::Prompts] {
        begun[1].1.send(CallEvent::ListChanged(list)).await.unwrap();
    }
    let changed = live.next().await.unwrap();
    assert_eq!(changed["method"], "notifications/prompts/list_changed");
    assert_eq!(subscription(&changed), &json!(7));

    let params = Bytes::from_static(br#"{"uri":"a:b","x":1.0}"#);
    begun[0]
        .1
        .send(CallEvent::ResourceUpdated(params))
        .await
        .unwrap();
    let updated = live.next().await.unwrap();
    assert_eq!(updated["method"], "notifications/resources/updated");
    assert_eq!(updated["params"]["uri"], "two+a:b");
    assert_eq!(updated["params"]["x"].to_string(), "1.0");
}

#[tokio::test(start_paused = true)]
async fn one_watch_serves_all_listeners_and_ends_some_time_after_the_last() {
    let rig = Rig::alone(
        "each gateway watches for its own listeners",
        Config::default(),
    );
    able(&rig);
    let (mut watches, running) = watched(&rig);
    let wish = json!({"resourceSubscriptions": ["a:b"]});
    let mut all = Vec::new();
    for id in 0..3 {
        let mut live = listen(&rig, TWO, json!(id), wish.clone()).await;
        live.next().await.unwrap();
        all.push(live);
    }
    let (uri, events) = watches.recv().await.unwrap();
    assert_eq!(uri.as_deref(), Some("a:b"));
    let params = Bytes::from_static(br#"{"uri":"a:b"}"#);
    events
        .send(CallEvent::ResourceUpdated(params))
        .await
        .unwrap();
    for (id, live) in all.iter_mut().enumerate() {
        assert_eq!(subscription(&live.next().await.unwrap()), &json!(id));
    }

    drop(all);
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(running.load(Ordering::SeqCst), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(running.load(Ordering::SeqCst), 0);
    assert!(watches.try_recv().is_err(), "it was begun once");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_tools_reaches_exactly_those_who_see_it() {
    let rig = Rig::new();
    let wish = json!({"toolsListChanged": true});
    let mut all = listen(&rig, ACME, json!("all"), wish.clone()).await;
    let mut two = listen(&rig, TWO, json!("two"), wish).await;
    let session = rig.session(ACME, &rig.keys[0]).await;
    let mut legacy = rig.open(get(&rig, &session, &[])).await;
    all.next().await.unwrap();
    two.next().await.unwrap();

    rig.source.change("acme", |config| {
        config.connectors[0].tools[0].enabled = false
    });
    assert_eq!(
        all.next().await.unwrap()["method"],
        "notifications/tools/list_changed"
    );
    assert_eq!(
        legacy.next().await.unwrap(),
        json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    );
    // A change of something else tells nobody of anything.
    rig.source
        .change("acme", |config| config.tenant.name.push('!'));
    rig.source.change("acme", |config| {
        config.connectors[1].tools[0].enabled = false
    });
    assert_eq!(subscription(&two.next().await.unwrap()), "two");
    assert_eq!(subscription(&all.next().await.unwrap()), "all");
}

#[tokio::test(start_paused = true)]
async fn a_legacy_subscription_is_told_on_the_sessions_stream() {
    let rig = Rig::new();
    able(&rig);
    let (mut watches, _) = watched(&rig);
    let session = rig.session(ACME, &rig.keys[0]).await;
    let mut stream = rig.open(get(&rig, &session, &[])).await;
    // The lists of both.
    watches.recv().await.unwrap();
    watches.recv().await.unwrap();

    let subscribed = rig
        .legacy(&session, "resources/subscribe", json!({"uri": "two+a:b"}))
        .await;
    assert_eq!(subscribed.json()["result"], json!({}));
    let (uri, events) = watches.recv().await.unwrap();
    assert_eq!(uri.as_deref(), Some("a:b"));
    let params = Bytes::from_static(br#"{"uri":"a:b"}"#);
    events
        .send(CallEvent::ResourceUpdated(params.clone()))
        .await
        .unwrap();
    assert_eq!(
        stream.next().await.unwrap(),
        json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "two+a:b"}})
    );

    rig.legacy(&session, "resources/unsubscribe", json!({"uri": "two+a:b"}))
        .await;
    events
        .send(CallEvent::ResourceUpdated(params))
        .await
        .unwrap();
    rig.source.change("acme", |config| {
        config.connectors[0].tools[0].enabled = false
    });
    let next = stream.next().await.unwrap();
    assert_eq!(next["method"], "notifications/tools/list_changed");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_answered_when_its_upstream_has_taken_it_or_refused() {
    let rig = Rig::new();
    able(&rig);
    let asked = Arc::new(Notify::new());
    let go = Arc::new(Notify::new());
    let (told, held) = (asked.clone(), go.clone());
    rig.worker.script(move |call, events| {
        let (told, held) = (told.clone(), held.clone());
        async move {
            match call.request.name.as_deref() {
                Some("a:taken") => {
                    told.notify_one();
                    held.notified().await;
                    let events = events.unwrap();
                    events.send(CallEvent::Watching).await.unwrap();
                    let params = Bytes::from_static(br#"{"uri":"a:taken"}"#);
                    let updated = CallEvent::ResourceUpdated(params);
                    events.send(updated).await.unwrap();
                }
                Some("a:refused") => {
                    return Outcome::Error(RpcError::new(-32002, "no such resource", None));
                }
                _ => {}
            }
            std::future::pending().await
        }
    });
    let session = rig.session(ACME, &rig.keys[0]).await;
    let subscribe = |uri: &str| rig.legacy(&session, "resources/subscribe", json!({"uri": uri}));
    let nobody_listens = subscribe("two+a:silent").await;
    assert_eq!(nobody_listens.json()["result"], json!({}));
    let mut stream = rig.open(get(&rig, &session, &[])).await;

    let (answer, ()) = tokio::join!(subscribe("two+a:taken"), async {
        asked.notified().await;
        let early = rig.legacy(&session, "ping", json!({})).await;
        assert_eq!(early.status, 200, "nothing else waits");
        go.notify_one();
    });
    assert_eq!(answer.json()["result"], json!({}));
    let told = stream.next().await.unwrap();
    assert_eq!(told["params"]["uri"], "two+a:taken");

    for _ in 0..2 {
        let refused = subscribe("two+a:refused").await.error();
        let message = "Resource not found: two+a:refused".to_owned();
        assert_eq!(refused, (200, -32002, message));
    }
    let begun = Instant::now();
    let late = subscribe("two+a:never").await;
    assert_eq!(late.json()["result"], json!({}), "no longer than may be");
    assert!(begun.elapsed() >= Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn who_may_not_listen_any_more_hears_the_end() {
    let rig = Rig::new();
    let mut live = listen(&rig, ACME, json!(1), json!({"toolsListChanged": true})).await;
    live.next().await.unwrap();
    let session = rig.session(ACME, &rig.keys[0]).await;
    let mut stream = rig.open(get(&rig, &session, &[])).await;

    rig.source.change("acme", |config| config.keys.clear());

    assert_eq!(live.next().await.unwrap()["id"], 1);
    assert!(live.next().await.is_none());
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn listeners_are_bounded_and_one_that_does_not_read_is_cut_off() {
    let config = Config {
        listeners_per_key: 2,
        ..Config::default()
    };
    let rig = Rig::alone("bounds are those of each gateway", config);
    able(&rig);
    let (mut watches, _) = watched(&rig);
    let wish = json!({"promptsListChanged": true});
    let mut slow = listen(&rig, TWO, json!("slow"), wish.clone()).await;
    let mut quick = listen(&rig, TWO, json!("quick"), wish.clone()).await;
    quick.next().await.unwrap();
    let (_, events) = watches.recv().await.unwrap();

    let headers = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "subscriptions/listen"),
    ];
    let body = json!({
        "jsonrpc": "2.0", "id": 3, "method": "subscriptions/listen",
        "params": {"notifications": wish, "_meta": meta()},
    });
    let refused = rig
        .send(rig.post_to(TWO, &rig.keys[0], &headers, body.to_string()))
        .await;
    assert_eq!(refused.status, 429, "{}", refused.text);

    for _ in 0..100 {
        events
            .send(CallEvent::ListChanged(List::Prompts))
            .await
            .unwrap();
        assert_eq!(subscription(&quick.next().await.unwrap()), "quick");
    }
    let mut told = 0;
    while let Some(message) = slow.next().await {
        told += usize::from(message["method"] == "notifications/prompts/list_changed");
    }
    assert!(told < 100, "{told} waited for one that did not read");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_ends_a_listen_with_its_result() {
    let rig = Rig::new();
    let mut live = listen(&rig, ACME, json!("x"), json!({"toolsListChanged": true})).await;
    live.next().await.unwrap();

    rig.drain();

    let last = live.next().await.unwrap();
    assert_eq!(
        (&last["id"], &last["result"]["resultType"]),
        (&json!("x"), &json!("complete"))
    );
    let id = &last["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
    assert_eq!(id, "x");
    assert!(live.next().await.is_none());
}
