//! Two gateways of one cluster: whichever of them a message of a session comes to, it finds what
//! it is for at the other.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use cache::Cache;
use fabric::{Call, CallEvent, Events, InputRequired, Method, Outcome};
use gateway::Config;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore, mpsc};
use uuid::Uuid;

use crate::rig::{Rig, Way, result};
use crate::rounds::able;
use crate::sse::{ACME, Stream, call, get, resume};

/// Two gateways.
struct Pair {
    one: Rig,
    two: Rig,
}

/// Over one store in memory.
fn in_memory() -> Pair {
    let config = Config::default();
    let store = Way::to(Cache::local(&config.cache_limits()));
    let one = Rig::over(config, store.cache());
    let two = one.beside(store.cache());
    Pair { one, two }
}

/// Over a Redis, each in its own way.
fn over_redis() -> Pair {
    let (one, two) = Rig::pair();
    Pair { one, two }
}

macro_rules! over_both {
    ($($name:ident)*) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::in_memory()).await;
            })*
        }
        mod over_redis {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::over_redis()).await;
            })*
        }
    };
}

over_both! {
    answers_and_cancellations_reach_the_call_at_the_other_gateway
    the_end_of_a_session_ends_its_streams_and_calls_at_the_other_gateway
    subscriptions_made_at_the_other_gateway_are_heard_on_the_stream
    a_stream_goes_on_at_the_other_gateway_with_every_event_once_and_in_order
    a_parked_call_goes_on_at_the_other_gateway
    messages_of_2024_11_05_come_through_any_gateway
    a_gateway_that_drains_keeps_a_connection_of_2024_11_05_for_a_call_at_the_other
    a_session_is_watched_for_where_it_listens_and_not_where_it_calls
    a_session_that_listens_after_its_call_elsewhere_is_watched_for
}

async fn session(rig: &Rig) -> String {
    rig.session_as(ACME, "2025-11-25", able()).await
}

fn asks(requests: Value, state: &str) -> Outcome {
    Outcome::InputRequired(InputRequired {
        requests: Some(Bytes::from(requests.to_string())),
        state: Some(state.to_owned()),
        meta: None,
    })
}

/// Asks once, and then says what was answered.
pub(crate) fn asks_once(call: &Call) -> Outcome {
    match &call.request.inputs {
        None => asks(json!({"a": {"method": "roots/list"}}), "own"),
        Some(inputs) => {
            let answers = inputs.responses.as_deref().unwrap_or_default();
            let answers: Value = serde_json::from_slice(answers).unwrap();
            result(json!({"content": [], "answers": answers}))
        }
    }
}

async fn answers_and_cancellations_reach_the_call_at_the_other_gateway(pair: Pair) {
    let Pair { one, two } = &pair;
    one.server(0, "2026-07-28", json!({"tools": {}}));
    let id = session(one).await;
    one.worker.answers(asks_once);
    let mut stream = Stream::open(one, call(one, &id, "echo")).await;
    let question = stream.message().await.unwrap().json();
    assert_eq!(question["method"], "roots/list");

    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}});
    assert_eq!(two.send(two.message(ACME, &id, answer)).await.status, 202);

    let answer = stream.message().await.unwrap().json();
    let roots = json!({"a": {"roots": []}});
    assert_eq!(answer["result"]["answers"], roots, "{answer}");

    let begun = Arc::new(Notify::new());
    let told = begun.clone();
    one.worker.script(move |_, _| {
        told.notify_one();
        std::future::pending()
    });
    let (answer, ()) = tokio::join!(one.send(call(one, &id, "echo")), async {
        begun.notified().await;
        let params = json!({"requestId": 7});
        let method = "notifications/cancelled";
        let cancel = json!({"jsonrpc": "2.0", "method": method, "params": params});
        assert_eq!(two.send(two.message(ACME, &id, cancel)).await.status, 202);
    });
    assert_eq!(answer.events(), Vec::<Value>::new());
    assert_eq!(one.in_flight(), 0);
}

async fn the_end_of_a_session_ends_its_streams_and_calls_at_the_other_gateway(pair: Pair) {
    let Pair { one, two } = &pair;
    one.server(0, "2025-11-25", json!({"tools": {}}));
    let id = session(one).await;
    let begun = Arc::new(Notify::new());
    let (told, (tell, mut ended)) = (begun.clone(), mpsc::channel(8));
    one.worker.script(move |call, _| {
        let (told, tell) = (told.clone(), tell.clone());
        async move {
            match call.request.method {
                Method::EndSession => {
                    tell.send(call.session).await.unwrap();
                    result("{}")
                }
                Method::CallTool => {
                    told.notify_one();
                    std::future::pending().await
                }
                _ => std::future::pending().await,
            }
        }
    });
    let mut stream = Stream::open(one, get(one, &id, &[])).await;
    stream.event().await;
    let (answer, ()) = tokio::join!(one.send(call(one, &id, "echo")), async {
        begun.notified().await;
        assert_eq!(one.in_flight(), 1);
        let mut delete = get(two, &id, &[]);
        *delete.method_mut() = http::Method::DELETE;
        assert_eq!(two.send(delete).await.status, 204);
    });

    assert_eq!(answer.events(), Vec::<Value>::new());
    assert_eq!(stream.rest().await, []);
    assert!(
        ended.recv().await.unwrap().is_some(),
        "its upstream is told"
    );
    for rig in [one, two] {
        assert_eq!(rig.legacy(&id, "ping", json!({})).await.status, 404);
    }
}

async fn subscriptions_made_at_the_other_gateway_are_heard_on_the_stream(pair: Pair) {
    let Pair { one, two } = &pair;
    let can = json!({"resources": {"subscribe": true}});
    one.server(0, "2026-07-28", can);
    let (tell, mut watched) = mpsc::channel(8);
    one.worker.script(move |call, events| {
        let tell = tell.clone();
        async move {
            if call.request.method == Method::Watch {
                let uri = call.request.name.clone();
                let events = events.unwrap();
                events.send(CallEvent::Watching).await.unwrap();
                tell.send((uri, events)).await.unwrap();
                return std::future::pending().await;
            }
            result("{}")
        }
    });
    let path = "/api/v1/acme/connectors/one/mcp";
    let id = one.session_as(path, "2025-11-25", json!({})).await;
    let mut request = get(one, &id, &[]);
    *request.uri_mut() = path.parse().unwrap();
    let mut stream = Stream::open(one, request).await;
    stream.event().await;

    let uri = json!({"uri": "file:///a"});
    let answer = two
        .legacy_at(path, &id, "resources/subscribe", uri.clone())
        .await;
    assert_eq!(answer.json()["result"], json!({}));
    let (of, events) = watched.recv().await.unwrap();
    assert_eq!(of.as_deref(), Some("file:///a"));
    let updated = || CallEvent::ResourceUpdated(Bytes::from(uri.to_string()));
    events.send(updated()).await.unwrap();
    let told = stream.message().await.unwrap().json();
    assert_eq!(told["method"], "notifications/resources/updated");

    let answer = two
        .legacy_at(path, &id, "resources/unsubscribe", uri.clone())
        .await;
    assert_eq!(answer.json()["result"], json!({}));
    // The notice is on its way; what is told after it was taken is not told to the client.
    let (other, next) = (json!({"uri": "file:///b"}), "resources/subscribe");
    two.legacy_at(path, &id, next, other.clone()).await;
    let (of, other_events) = watched.recv().await.unwrap();
    assert_eq!(of.as_deref(), Some("file:///b"));
    events.send(updated()).await.unwrap();
    let update = CallEvent::ResourceUpdated(Bytes::from(other.to_string()));
    other_events.send(update).await.unwrap();
    let told = stream.message().await.unwrap().json();
    assert_eq!(told["params"]["uri"], "file:///b");
}

async fn a_stream_goes_on_at_the_other_gateway_with_every_event_once_and_in_order(pair: Pair) {
    let Pair { one, two } = &pair;
    let id = session(one).await;
    let go = Arc::new(Semaphore::new(0));
    let held = go.clone();
    one.worker.script(move |call, events| {
        let held = held.clone();
        async move {
            if call.request.method == Method::Watch {
                return std::future::pending().await;
            }
            for step in 1..=200 {
                held.acquire().await.unwrap().forget();
                let event = CallEvent::Progress(format!(r#"{{"progress":{step}}}"#).into());
                events.as_ref().unwrap().send(event).await.unwrap();
            }
            result(json!({"content": []}))
        }
    });
    let mut stream = Stream::open(one, call_when(one, &id, &go)).await;
    let (mut seen, mut last) = (Vec::new(), None);
    let gateways = [two, one];
    for turn in 0.. {
        go.add_permits(20);
        let mut over = false;
        for _ in 0..20 {
            let event = stream.message().await.unwrap();
            seen.push(event.json());
            last = event.id;
            over = seen.last().unwrap().get("id").is_some();
            if over {
                break;
            }
        }
        if over {
            break;
        }
        // The first is still producing, and its connection still stands.
        let rig = gateways[turn % 2];
        stream = Stream::open(rig, resume(rig, &id, last.as_deref().unwrap())).await;
    }
    let steps: Vec<u64> = seen
        .iter()
        .filter_map(|m| m["params"]["progress"].as_u64())
        .collect();
    assert_eq!(steps, (1..=200).collect::<Vec<_>>());
    assert_eq!(seen.len(), 201);
}

/// Only a store that knows its nodes apart sees to it alone that the former one is not heard.
#[tokio::test]
async fn the_stream_without_a_request_moves_to_the_other_gateway_and_back() {
    let pair = over_redis();
    let Pair { one, two } = &pair;
    let id = session(one).await;
    let mut here = Stream::open(one, get(one, &id, &[])).await;
    let priming = here.event().await.unwrap().id.unwrap();
    let mut there = Stream::open(two, resume(two, &id, &priming)).await;
    assert_eq!(here.event().await, None, "taken over");
    let change = |enabled| {
        one.source.change("acme", |config| {
            config.connectors[0].tools[0].enabled = enabled;
        });
    };
    change(false);
    let told = there.message().await.unwrap();
    assert_eq!(told.json()["method"], "notifications/tools/list_changed");
    let mut newest = Stream::open(one, get(one, &id, &[])).await;
    newest.event().await;
    let rest = there.rest().await;
    assert_eq!(rest, [], "told once, and ended by the newer stream");
    change(true);
    let told = newest.message().await.unwrap();
    assert_eq!(told.json()["method"], "notifications/tools/list_changed");
}

/// A call that is let go on at once: its answer becomes a stream with its first event.
fn call_when(rig: &Rig, session: &str, go: &Semaphore) -> http::Request<Body> {
    go.add_permits(1);
    call(rig, session, "echo")
}

async fn a_parked_call_goes_on_at_the_other_gateway(pair: Pair) {
    let Pair { one, two } = &pair;
    one.server(0, "2026-07-28", json!({"tools": {}}));
    one.worker.answers(asks_once);
    let modern = async |rig: &Rig, params: Value| {
        let answer = rig.modern_as(ACME, able(), "tools/call", params).await;
        Rig::last(&answer)
    };

    let asked = modern(one, json!({"name": "echo"})).await;
    let state = asked["result"]["requestState"].clone();
    let answers = json!({"a": {"roots": []}});
    let again = json!({"name": "echo", "requestState": state, "inputResponses": answers});

    let done = modern(two, again.clone()).await;
    assert_eq!(done["result"]["answers"], answers, "{done}");
    for rig in [one, two] {
        let used = modern(rig, again.clone()).await;
        assert_eq!(used["error"]["code"], -32602);
    }
}

async fn messages_of_2024_11_05_come_through_any_gateway(pair: Pair) {
    let Pair { one, two } = &pair;
    let request = http::Request::get(format!("{ACME}/sse"))
        .header("authorization", format!("Bearer {}", one.keys[0]))
        .header("accept", "text/event-stream");
    let mut stream = Stream::open(one, request.body(Body::empty()).unwrap()).await;
    let uri = stream.event().await.unwrap().data;
    let say = async |body: String| {
        let request = two.post_to(&uri, &two.keys[0], &[], body);
        assert_eq!(two.send(request).await.status, 202);
    };

    say(crate::rig::initialize("2024-11-05")).await;
    assert_eq!(stream.message().await.unwrap().json()["id"], 0);
    let params = json!({"name": "progress", "_meta": {"progressToken": "t"}});
    let call = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params});
    say(call.to_string()).await;

    for progress in [1, 2] {
        let told = stream.message().await.unwrap().json();
        assert_eq!(told["params"]["progress"], progress);
    }
    assert_eq!(stream.message().await.unwrap().json()["id"], 5);
    drop(stream);
    let request = || {
        two.post_to(
            &uri,
            &two.keys[0],
            &[],
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
        )
    };
    while two.send(request()).await.status != 404 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn a_gateway_that_drains_keeps_a_connection_of_2024_11_05_for_a_call_at_the_other(
    pair: Pair,
) {
    let Pair { one, two } = &pair;
    let (mut stream, uri) = crate::legacy_sse::connect(one, ACME).await;
    crate::legacy_sse::say(two, &uri, crate::rig::initialize("2024-11-05")).await;
    assert_eq!(stream.message().await.unwrap().json()["id"], 0);
    let params = json!({"name": "wait"});
    let call = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params});
    crate::legacy_sse::say(two, &uri, call).await;
    while two.in_flight() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    one.drain();
    let early = tokio::time::timeout(Duration::from_millis(500), stream.message()).await;
    assert!(early.is_err(), "the connection stays, silently");
    one.worker.go.notify_one();

    assert_eq!(stream.message().await.unwrap().json()["id"], 5);
    assert!(stream.message().await.is_none(), "and then it ends");
}

/// Has the worker run watches: for which session each is, if it is for one alone, and its way to
/// tell.
fn watched_lists(rig: &Rig) -> mpsc::Receiver<(Option<Uuid>, Events)> {
    let (tell, watched) = mpsc::channel(8);
    rig.worker.script(move |call, events| {
        let tell = tell.clone();
        async move {
            if call.request.method == Method::Watch {
                tell.send((call.session, events.unwrap())).await.unwrap();
                return std::future::pending().await;
            }
            result(json!({"content": []}))
        }
    });
    watched
}

async fn a_session_that_listens_after_its_call_elsewhere_is_watched_for(pair: Pair) {
    let Pair { one, two } = &pair;
    one.server(0, "2025-11-25", json!({"tools": {"listChanged": true}}));
    let mut watched = watched_lists(one);
    let id = session(one).await;
    // Its only call: nothing tells of it again.
    let answer = two.send(call(two, &id, "echo")).await;
    assert_eq!(Rig::last(&answer)["id"], 7);

    let mut stream = Stream::open(one, get(one, &id, &[])).await;
    stream.event().await;

    let events = loop {
        if let (Some(_), events) = watched.recv().await.unwrap() {
            break events;
        }
    };
    let log = CallEvent::Log(Bytes::from_static(br#"{"level":"info","data":"x"}"#));
    events.send(log).await.unwrap();
    let told = stream.message().await.unwrap().json();
    assert_eq!(told["method"], "notifications/message");
}

async fn a_session_is_watched_for_where_it_listens_and_not_where_it_calls(pair: Pair) {
    let Pair { one, two } = &pair;
    one.server(0, "2025-11-25", json!({"tools": {"listChanged": true}}));
    let mut watched = watched_lists(one);
    let id = session(one).await;
    let mut stream = Stream::open(one, get(one, &id, &[])).await;
    stream.event().await;
    let (own, _all) = watched.recv().await.unwrap();
    assert_eq!(own, None, "what all watch together");

    let answer = two.send(call(two, &id, "echo")).await;
    assert_eq!(Rig::last(&answer)["id"], 7);

    let (own, events) = watched.recv().await.unwrap();
    assert!(own.is_some());
    let log = CallEvent::Log(Bytes::from_static(br#"{"level":"info","data":"x"}"#));
    events.send(log).await.unwrap();
    let told = stream.message().await.unwrap().json();
    assert_eq!(told["method"], "notifications/message");
}
