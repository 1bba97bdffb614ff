//! Watching lists and resources of servers of both eras.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use domain::ConnectorId;
use fabric::{Call, CallEvent, Execute, FailureKind, List, Method, Outcome, Request};
use serde_json::{Value, json};
use testkit::stage::{Heard, Play, Stage, Stream};
use testkit::upstream::SseServer;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::requests::Told;
use crate::support::{Bench, call, error, failure, result, text};

/// Somebody who watches; ends when it is dropped.
struct Watcher {
    events: mpsc::Receiver<CallEvent>,
    watch: JoinHandle<Outcome>,
}

impl Watcher {
    fn of(bench: &Bench, connector: ConnectorId, uri: Option<&str>) -> Self {
        let (events, received) = mpsc::channel(16);
        let call = Call {
            request: Request::new(Method::Watch, uri.map(str::to_owned)),
            // A watch lasts until it is dropped, whatever a call is given.
            deadline: Duration::ZERO,
            ..call(connector, "", Value::Null)
        };
        let worker = bench.worker.clone();
        let watch = bench
            .process
            .tasks
            .joinable(async move { worker.execute(call, Some(events)).await });
        Self {
            events: received,
            watch,
        }
    }

    async fn next(&mut self) -> CallEvent {
        let next = tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await;
        next.expect("an event comes").expect("the watch goes on")
    }

    async fn is_watching(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, CallEvent::Watching), "{event:?}");
    }

    async fn list(&mut self) -> List {
        match self.next().await {
            CallEvent::ListChanged(list) => list,
            other => panic!("no list but {other:?}"),
        }
    }

    async fn resource(&mut self) -> Value {
        match self.next().await {
            CallEvent::ResourceUpdated(params) => serde_json::from_slice(&params).unwrap(),
            other => panic!("no resource but {other:?}"),
        }
    }

    async fn over(mut self) -> Outcome {
        let watch = &mut self.watch;
        let over = tokio::time::timeout(Duration::from_secs(10), watch).await;
        over.expect("it ends").unwrap()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

fn resources(version: &'static str) -> Play {
    Play {
        version,
        capabilities: json!({"tools": {"listChanged": true},
            "resources": {"subscribe": true, "listChanged": true}}),
        listens: true,
    }
}

fn legacy() -> Play {
    resources("2025-11-25")
}

fn modern() -> Play {
    resources("2026-07-28")
}

/// The next message of this method; others are left unanswered, streams are kept.
async fn until(stage: &Stage, method: &str, kept: &mut Vec<Stream>) -> Heard {
    loop {
        let heard = stage.next().await;
        if heard.method == method {
            return heard;
        }
        if heard.method == "GET" {
            kept.push(heard.stream());
        }
    }
}

async fn updated(stream: &Stream, uri: &str) {
    let params = json!({"uri": uri, "title": 1.5});
    stream
        .notify("notifications/resources/updated", params)
        .await;
}

#[tokio::test]
async fn many_who_watch_one_resource_are_one_subscription_that_ends_with_the_last() {
    let (stage, bench) = (Stage::set(legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let mut streams = Vec::new();

    let mut first = Watcher::of(&bench, connector, Some("a://b"));
    let subscribe = until(&stage, "resources/subscribe", &mut streams).await;
    assert_eq!(subscribe.body["params"], json!({"uri": "a://b"}));
    assert_eq!(subscribe.header("mcp-session-id"), "session-1");
    let mut second = Watcher::of(&bench, connector, Some("a://b"));
    subscribe.result(json!({}));
    first.is_watching().await;
    second.is_watching().await;
    updated(&streams[0], "a://other").await;
    updated(&streams[0], "a://b").await;
    for watcher in [&mut first, &mut second] {
        assert_eq!(
            watcher.resource().await,
            json!({"uri": "a://b", "title": 1.5})
        );
    }

    drop(first);
    updated(&streams[0], "a://b").await;
    second.resource().await;
    drop(second);
    let unsubscribe = stage.expect("resources/unsubscribe").await;

    assert_eq!(unsubscribe.body["params"], json!({"uri": "a://b"}));
    assert_eq!((streams.len(), stage.sessions()), (1, 1));
}

#[tokio::test]
async fn lists_of_a_legacy_server_are_heard_on_its_standalone_stream() {
    let (stage, bench) = (Stage::set(legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());

    let mut watcher = Watcher::of(&bench, connector, None);
    let stream = stage.expect("GET").await.stream();
    watcher.is_watching().await;
    for list in ["tools", "prompts", "resources"] {
        let method = format!("notifications/{list}/list_changed");
        stream.notify(&method, json!({})).await;
    }

    let lists = [
        watcher.list().await,
        watcher.list().await,
        watcher.list().await,
    ];
    assert_eq!(lists, [List::Tools, List::Prompts, List::Resources]);
}

#[tokio::test]
async fn a_lost_session_is_subscribed_anew_and_what_may_have_been_missed_is_told() {
    let (stage, bench) = (Stage::set(legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let mut streams = Vec::new();
    let mut watcher = Watcher::of(&bench, connector, Some("a://b"));
    until(&stage, "resources/subscribe", &mut streams)
        .await
        .result(json!({}));
    watcher.is_watching().await;

    streams[0].event("id: s-1\nretry: 50\ndata:\n\n").await;
    streams.clear();
    stage.expect("GET").await.status(404);
    stage.expect("GET").await.status(404);
    let again = until(&stage, "resources/subscribe", &mut streams).await;

    assert_eq!(again.header("mcp-session-id"), "session-2");
    again.result(json!({}));
    assert_eq!(watcher.resource().await, json!({"uri": "a://b"}));
}

#[tokio::test]
async fn a_refusal_of_the_server_ends_the_watch_and_is_passed_on() {
    let (stage, bench) = (Stage::set(legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());

    let watcher = Watcher::of(&bench, connector, Some("a://b"));
    let subscribe = until(&stage, "resources/subscribe", &mut Vec::new()).await;
    subscribe.error(
        200,
        json!({"code": -32_002, "message": "no such", "data": {"uri": "a://b"}}),
    );

    let refusal = error(watcher.over().await);
    assert_eq!((refusal.code, &*refusal.message), (-32_002, "no such"));
    assert_eq!(refusal.data, Some(Bytes::from(r#"{"uri":"a://b"}"#)));
}

#[tokio::test]
async fn a_server_that_offers_no_subscriptions_is_not_asked_for_any() {
    let play = Play {
        capabilities: json!({"resources": {}}),
        ..legacy()
    };
    let (stage, bench) = (Stage::set(play).await, Bench::new());
    let connector = bench.remote(&stage.url());

    let watcher = Watcher::of(&bench, connector, Some("a://b"));

    assert_eq!(error(watcher.over().await).code, -32_601);
}

#[tokio::test]
async fn who_watches_too_much_is_refused() {
    let bench = Bench::with(
        |config| {
            config.upstream.watches_per_peer = 2;
            config.upstream.watched_resources_per_peer = 1;
        },
        crate::support::Table::default(),
    );
    let stage = Stage::set(legacy()).await;
    let connector = bench.remote(&stage.url());
    let mut streams = Vec::new();
    let mut first = Watcher::of(&bench, connector, Some("a://b"));
    until(&stage, "resources/subscribe", &mut streams)
        .await
        .result(json!({}));
    first.is_watching().await;

    let other = failure(Watcher::of(&bench, connector, Some("a://c")).over().await);
    let mut second = Watcher::of(&bench, connector, Some("a://b"));
    second.is_watching().await;
    let third = failure(Watcher::of(&bench, connector, None).over().await);

    assert_eq!(
        (other.kind, &*other.message),
        (
            FailureKind::Busy,
            "1 resources of the connector are watched already, no more at once."
        )
    );
    assert_eq!(
        (third.kind, &*third.message),
        (
            FailureKind::Busy,
            "the connector is watched 2 times already, no more at once."
        )
    );
}

/// Accepts a listen, and gives its stream.
async fn accept(listen: Heard, resources: Value) -> (Stream, Value) {
    let id = listen.id().clone();
    let stream = listen.stream();
    let params = json!({"_meta": {"io.modelcontextprotocol/subscriptionId": id},
        "notifications": {"toolsListChanged": true, "resourceSubscriptions": resources}});
    stream
        .notify("notifications/subscriptions/acknowledged", params)
        .await;
    (stream, id)
}

/// The next listen that asks for these resources.
async fn listen(stage: &Stage, lists: bool, resources: &[&str]) -> Heard {
    loop {
        let heard = stage.next().await;
        let asked = &heard.body["params"]["notifications"];
        let uris = asked["resourceSubscriptions"].as_array();
        let uris = uris.map_or(&[][..], Vec::as_slice);
        if heard.method == "subscriptions/listen"
            && asked["promptsListChanged"]
                == json!(lists)
                    .as_bool()
                    .filter(|set| *set)
                    .map_or(Value::Null, Value::Bool)
            && uris == resources
        {
            assert_eq!(heard.header("mcp-method"), "subscriptions/listen");
            return heard;
        }
        // One that is about to be replaced.
        drop(heard);
    }
}

#[tokio::test]
async fn all_who_watch_a_modern_server_share_one_listen_for_the_union() {
    let (stage, bench) = (Stage::set(modern()).await, Bench::new());
    let connector = bench.remote(&stage.url());

    let mut lists = Watcher::of(&bench, connector, None);
    let (before, _) = accept(listen(&stage, true, &[]).await, json!([])).await;
    lists.is_watching().await;
    let mut resource = Watcher::of(&bench, connector, Some("a://b"));
    let union = listen(&stage, true, &["a://b"]).await;
    let (stream, id) = accept(union, json!(["a://b"])).await;
    resource.is_watching().await;
    before.left().await;

    let ours = json!({"io.modelcontextprotocol/subscriptionId": id});
    let params = json!({"uri": "a://b", "_meta": ours});
    stream
        .notify("notifications/resources/updated", params)
        .await;
    let params = json!({"_meta": {"io.modelcontextprotocol/subscriptionId": "other"}});
    stream
        .notify("notifications/tools/list_changed", params)
        .await;
    stream
        .notify("notifications/prompts/list_changed", json!({"_meta": ours}))
        .await;
    assert_eq!(resource.resource().await, json!({"uri": "a://b"}));
    assert_eq!(lists.list().await, List::Prompts);

    drop(resource);
    accept(listen(&stage, true, &[]).await, json!([])).await;
    stream.left().await;
}

#[tokio::test]
async fn tools_that_a_modern_server_changed_before_it_was_heard_are_to_be_read_once() {
    let told = Arc::new(Told::default());
    let (stage, bench) = (Stage::set(modern()).await, Bench::listened(told.clone()));
    let connector = bench.remote(&stage.url());

    let (outcome, ()) = tokio::join!(
        bench.worker.execute(call(connector, "a", json!({})), None),
        async { stage.expect("tools/call").await.result(json!({})) }
    );
    assert_eq!(result(outcome), json!({}));
    let first = listen(&stage, false, &[]).await;
    assert_eq!(told.0.load(Ordering::Relaxed), 0);
    let (_first, _) = accept(first, json!([])).await;
    let heard = async {
        while told.0.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(10), heard).await;
    heard.expect("what came before is asked for");

    // A listen for more takes its place without a break.
    let mut watcher = Watcher::of(&bench, connector, Some("a://b"));
    let more = listen(&stage, false, &["a://b"]).await;
    let (_more, _) = accept(more, json!(["a://b"])).await;
    watcher.is_watching().await;
    assert_eq!(told.0.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_listen_that_ends_is_opened_anew_and_what_may_have_been_missed_is_told() {
    let (stage, bench) = (Stage::set(modern()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let mut watcher = Watcher::of(&bench, connector, Some("a://b"));
    let (stream, _) = accept(listen(&stage, false, &["a://b"]).await, json!(["a://b"])).await;
    watcher.is_watching().await;

    stream.result(json!({"resultType": "complete"})).await;
    accept(listen(&stage, false, &["a://b"]).await, json!(["a://b"])).await;

    assert_eq!(watcher.resource().await, json!({"uri": "a://b"}));
}

#[tokio::test]
async fn a_resource_that_a_modern_server_does_not_accept_ends_its_watch_alone() {
    let (stage, bench) = (Stage::set(modern()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let mut good = Watcher::of(&bench, connector, Some("a://good"));
    let first = listen(&stage, false, &["a://good"]).await;
    let (_before, _) = accept(first, json!(["a://good"])).await;
    good.is_watching().await;

    let bad = Watcher::of(&bench, connector, Some("a://bad"));
    let union = listen(&stage, false, &["a://bad", "a://good"]).await;
    let (stream, id) = accept(union, json!(["a://good"])).await;

    assert_eq!(error(bad.over().await).code, -32_602);
    let params =
        json!({"uri": "a://good", "_meta": {"io.modelcontextprotocol/subscriptionId": id}});
    stream
        .notify("notifications/resources/updated", params)
        .await;
    assert_eq!(good.resource().await, json!({"uri": "a://good"}));
}

#[tokio::test]
async fn a_modern_server_that_knows_no_listen_ends_the_watch() {
    let (stage, bench) = (Stage::set(modern()).await, Bench::new());
    let connector = bench.remote(&stage.url());

    let watcher = Watcher::of(&bench, connector, Some("a://b"));
    let asked = listen(&stage, false, &["a://b"]).await;
    asked.error(404, json!({"code": -32_601, "message": "Method not found"}));

    assert_eq!(error(watcher.over().await).code, -32_601);
}

#[tokio::test]
async fn resources_of_a_server_over_sse_are_watched_on_its_stream_and_on_the_next_one() {
    let capabilities = json!({"resources": {"subscribe": true}});
    let (server, bench) = (SseServer::start(capabilities).await, Bench::new());
    let connector = bench.remote(&server.url());
    let mut watcher = Watcher::of(&bench, connector, Some("a://b"));
    let subscribe = server.expect("resources/subscribe").await;
    server.answer(&subscribe, json!({})).await;
    watcher.is_watching().await;
    let news = json!({"jsonrpc": "2.0", "method": "notifications/resources/updated",
        "params": {"uri": "a://b"}});

    server.say(news.clone()).await;
    assert_eq!(watcher.resource().await, json!({"uri": "a://b"}));
    server.end_stream();
    let subscribe = server.expect("resources/subscribe").await;
    server.answer(&subscribe, json!({})).await;

    watcher.is_watching().await;
    assert_eq!(watcher.resource().await, json!({"uri": "a://b"}), "missed");
    server.say(news).await;
    assert_eq!(watcher.resource().await, json!({"uri": "a://b"}));
    assert_eq!(server.streams(), 2);
}

#[tokio::test]
async fn lists_of_a_hosted_server_are_heard_while_it_runs_and_watching_starts_nothing() {
    let (script, bench) = (testkit::hosted::StdioServer::new(), Bench::new());
    let marker = "watching-starts-nothing";
    let connector = bench.hosted(script.command(&["--marker", marker]));
    let mut watcher = Watcher::of(&bench, connector, None);
    tokio::task::yield_now().await;
    assert!(testkit::hosted::processes_with(marker).is_empty());

    bench.call(connector, "pid", json!({})).await;
    watcher.is_watching().await;
    let announce = json!({"method": "notifications/prompts/list_changed"});
    bench.call(connector, "announce", announce).await;

    loop {
        // What may have been missed before it was watched is told as changed too.
        if watcher.list().await == List::Prompts {
            break;
        }
    }
}

#[tokio::test]
async fn a_modern_hosted_server_is_told_of_the_union_and_of_the_end_of_each_listen() {
    let (script, bench) = (testkit::hosted::StdioServer::new(), Bench::new());
    let connector = bench.hosted(script.command(&["--modern"]));
    let mut first = Watcher::of(&bench, connector, Some("a://b"));
    first.is_watching().await;
    let mut second = Watcher::of(&bench, connector, Some("a://c"));
    second.is_watching().await;

    let news =
        |uri: &str| json!({"method": "notifications/resources/updated", "params": {"uri": uri}});
    let listens = text(bench.call(connector, "announce", news("a://c")).await);

    let listens: Vec<u64> = serde_json::from_str(&listens).unwrap();
    assert_eq!(listens.len(), 1, "the first listen is cancelled");
    assert_eq!(second.resource().await, json!({"uri": "a://c"}));
    bench.call(connector, "announce", news("a://b")).await;
    assert_eq!(first.resource().await, json!({"uri": "a://b"}));
}
