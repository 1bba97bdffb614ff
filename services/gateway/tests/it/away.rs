//! Clients while the store of sessions is away, and after it has come back or has forgotten.

use std::time::Duration;

use cache::Cache;
use fabric::CallEvent;
use gateway::Config;
use serde_json::{Value, json};

use crate::rig::{Answer, Rig, Way, initialize, result};
use crate::rounds::able;
use crate::sse::{ACME, Stream, call, get, resume, session};
use crate::two_gateways::asks_once;

pub(crate) struct Cluster {
    pub(crate) one: Rig,
    pub(crate) two: Rig,
    pub(crate) switch: Way,
    pub(crate) store: Cache,
}

pub(crate) fn cluster() -> Cluster {
    let config = Config::default();
    let store = Cache::local(&config.cache_limits());
    let switch = Way::to(store.clone());
    let one = Rig::over(config, switch.cache());
    let two = one.beside(switch.cache());
    Cluster {
        one,
        two,
        switch,
        store,
    }
}

impl Cluster {
    /// Time passes, for the store and for the clocks of the gateways.
    async fn pass(&self, seconds: u64) {
        let time = Duration::from_secs(seconds);
        self.one.clock.advance(time);
        tokio::time::sleep(time).await;
    }
}

async fn ping(rig: &Rig, session: &str) -> u16 {
    let answer = rig.legacy(session, "ping", json!({})).await;
    answer.status.as_u16()
}

#[tokio::test(start_paused = true)]
async fn sessions_go_on_at_any_gateway_while_their_store_is_away_and_after() {
    let all = cluster();
    let before = session(&all.one, "2025-06-18").await;
    all.switch.set_away(true);
    let answer = all
        .one
        .send(all.one.post(&[], initialize("2025-03-26")))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let during = answer.headers["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();

    for rig in [&all.one, &all.two] {
        for session in [&before, &during] {
            assert_eq!(ping(rig, session).await, 200);
            let answer = rig
                .legacy(session, "tools/call", json!({"name": "echo"}))
                .await;
            assert_eq!(Rig::last(&answer)["result"]["content"], json!([]));
        }
    }
    // What its id says is what was agreed: batches are of 2025-03-26 alone.
    let batch = json!([{"jsonrpc": "2.0", "id": 1, "method": "ping"}]);
    let sent = |session: &str| all.two.message(ACME, session, batch.clone());
    assert_eq!(all.two.send(sent(&during)).await.status, 200);
    assert_eq!(all.two.send(sent(&before)).await.status, 400);

    all.switch.set_away(false);
    for rig in [&all.two, &all.one] {
        assert_eq!(ping(rig, &before).await, 200);
        assert_eq!(ping(rig, &during).await, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_or_ended_session_is_gone_although_the_store_was_away_before() {
    let all = cluster();
    all.switch.set_away(true);
    let (idle, ended) = (
        session(&all.one, "2025-11-25").await,
        session(&all.one, "2025-11-25").await,
    );
    all.switch.set_away(false);
    for session in [&idle, &ended] {
        assert_eq!(ping(&all.one, session).await, 200);
    }
    let mut delete = get(&all.two, &ended, &[]);
    *delete.method_mut() = http::Method::DELETE;
    assert_eq!(all.two.send(delete).await.status, 204);
    all.pass(30 * 60 + 1).await;

    for rig in [&all.one, &all.two] {
        assert_eq!(ping(rig, &idle).await, 404);
        assert_eq!(ping(rig, &ended).await, 404);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_forgotten_is_told_of_sessions_by_their_clients() {
    let all = cluster();
    let id = session(&all.one, "2025-11-25").await;
    let stale = session(&all.one, "2025-11-25").await;
    all.pass(60).await;
    assert_eq!(ping(&all.one, &id).await, 200);
    // All of it, as when a Redis without a disk starts again.
    forget(&all.store, 100).await;
    all.pass(10).await;

    assert_eq!(ping(&all.two, &id).await, 200);
    assert_eq!(ping(&all.one, &id).await, 200);
    all.pass(30 * 60 + 1).await;
    assert_eq!(
        ping(&all.two, &stale).await,
        404,
        "it would have expired by now"
    );
}

/// Ends the first sessions, and that of nobody's.
async fn forget(store: &Cache, sessions: u128) {
    for id in (0..sessions).chain([u128::MAX]) {
        let id = uuid::Uuid::from_u128(id);
        store.sessions.end(id).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_session_changes_meanwhile_is_told_to_the_store_later() {
    let all = cluster();
    let id = session(&all.one, "2025-11-25").await;
    all.switch.set_away(true);
    let level = json!({"level": "error"});
    let answer = all.one.legacy(&id, "logging/setLevel", level).await;
    assert_eq!(answer.json()["error"]["code"], -32601, "nobody logs here");
    all.one.server(0, "2025-11-25", json!({"logging": {}}));
    let level = json!({"level": "error"});
    let answer = all.one.legacy(&id, "logging/setLevel", level).await;
    assert_eq!(answer.json()["result"], json!({}));
    all.switch.set_away(false);

    assert_eq!(ping(&all.one, &id).await, 200);
    all.one.worker.take_calls();
    all.two
        .legacy(&id, "tools/call", json!({"name": "echo"}))
        .await;

    let calls = all.one.worker.take_calls();
    assert_eq!(calls[0].client.log_level, Some(mcp::LogLevel::Error));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_kept_waits_for_the_store_and_then_goes_to_who_waits() {
    let all = cluster();
    let id = session(&all.one, "2025-11-25").await;
    for (seconds, kept) in [(2, true), (8, false)] {
        let go = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
        let held = go.clone();
        all.one.worker.script(move |_, events| {
            let held = held.clone();
            async move {
                for step in 1..=2 {
                    let event = CallEvent::Progress(format!(r#"{{"progress":{step}}}"#).into());
                    events.as_ref().unwrap().send(event).await.unwrap();
                    held.acquire().await.unwrap().forget();
                }
                result(json!({"content": []}))
            }
        });
        let mut stream = Stream::open(&all.one, call(&all.one, &id, "echo")).await;
        let first = stream.message().await.unwrap();
        all.switch.set_away(true);
        go.add_permits(2);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        all.switch.set_away(false);

        let rest: Vec<_> = stream.rest().await;
        let rest: Vec<_> = rest.iter().filter(|event| !event.data.is_empty()).collect();
        assert_eq!(rest.len(), 2, "{rest:?}");
        assert_eq!(rest[0].json()["params"]["progress"], 2);
        assert_eq!(rest[1].json()["id"], 7);
        assert_eq!(rest.iter().all(|event| event.id.is_some()), kept);
        let again = Stream::open(&all.two, resume(&all.two, &id, &first.id.unwrap())).await;
        assert_eq!(again.rest().await.len(), if kept { 2 } else { 0 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_its_store_forgets_goes_on_to_who_reads_it() {
    let all = cluster();
    let id = session(&all.one, "2025-11-25").await;
    let go = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let held = go.clone();
    all.one.worker.script(move |_, events| {
        let held = held.clone();
        async move {
            for step in 1..=3 {
                let event = CallEvent::Progress(format!(r#"{{"progress":{step}}}"#).into());
                events.as_ref().unwrap().send(event).await.unwrap();
                held.acquire().await.unwrap().forget();
            }
            result(json!({"content": []}))
        }
    });
    let mut stream = Stream::open(&all.one, call(&all.one, &id, "echo")).await;
    assert_eq!(
        stream.message().await.unwrap().json()["params"]["progress"],
        1
    );
    for session in 0..64 {
        let session = uuid::Uuid::from_u128(session);
        all.store.streams.forget(session).await.unwrap();
    }
    go.add_permits(3);

    let rest = stream.rest().await;

    let rest: Vec<_> = rest.iter().filter(|event| !event.data.is_empty()).collect();
    assert_eq!(rest.len(), 3, "{rest:?}");
    assert_eq!(rest[0].json()["params"]["progress"], 2);
    assert_eq!(rest[2].json()["id"], 7);
    assert!(rest.iter().all(|event| event.id.is_none()), "{rest:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_a_client_waits_for_the_store_or_is_refused_and_may_be_given_again() {
    let all = cluster();
    let id = all.one.session_as(ACME, "2025-11-25", able()).await;
    all.one.server(0, "2026-07-28", json!({"tools": {}}));
    all.one.worker.answers(asks_once);
    for (seconds, status) in [(2, 202), (8, 503)] {
        let mut stream = Stream::open(&all.one, call(&all.one, &id, "echo")).await;
        let question = stream.message().await.unwrap().json();
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}});
        let answer = || all.two.message(ACME, &id, answer.clone());
        all.switch.set_away(true);

        let (answered, ()) = tokio::join!(all.two.send(answer()), async {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            all.switch.set_away(false);
        });

        assert_eq!(answered.status, status);
        if status == 503 {
            assert_eq!(all.two.send(answer()).await.status, 202);
        }
        let end = stream.message().await.unwrap().json();
        assert_eq!(end["result"]["answers"]["a"], json!({"roots": []}), "{end}");
    }
}

#[tokio::test(start_paused = true)]
async fn streams_begun_meanwhile_are_served_by_their_gateway_alone() {
    let all = cluster();
    let id = session(&all.one, "2025-03-26").await;
    all.switch.set_away(true);
    let change = |enabled| {
        all.one.source.change("acme", |config| {
            config.connectors[0].tools[0].enabled = enabled;
        });
    };

    let mut stream = Stream::open(&all.one, get(&all.one, &id, &[])).await;
    assert_eq!(stream.status, 200);
    change(false);
    let told = stream.message().await.unwrap();
    assert_eq!(told.json()["method"], "notifications/tools/list_changed");
    let answered = Stream::open(&all.one, call(&all.one, &id, "progress")).await;
    let answered = answered.rest().await;
    assert_eq!(answered.last().unwrap().json()["id"], 7);
    let first = answered.iter().find_map(|event| event.id.clone()).unwrap();
    let params = json!({"name": "progress", "_meta": {"progressToken": "t"}});
    let batch = json!([{"jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": params}]);
    let batch = Stream::open(&all.one, all.one.message(ACME, &id, batch)).await;
    assert_eq!(batch.rest().await.last().unwrap().json()["id"], 8);

    let here = Stream::open(&all.one, resume(&all.one, &id, &first)).await;
    assert_eq!(here.rest().await.len(), 2);
    let there = all.two.send(resume(&all.two, &id, &first)).await;
    assert_eq!(there.status, 400);
    all.switch.set_away(false);
    change(true);
    let told = stream.message().await.unwrap();
    assert_eq!(told.json()["method"], "notifications/tools/list_changed");
}

/// Opens the stream of 2024-11-05, and reads where its messages go.
async fn connect(rig: &Rig) -> (Stream, String) {
    let request = http::Request::get(format!("{ACME}/sse"))
        .header("authorization", format!("Bearer {}", rig.keys[0]))
        .header("accept", "text/event-stream");
    let request = request.body(axum::body::Body::empty()).unwrap();
    let mut stream = Stream::open(rig, request).await;
    assert_eq!(stream.status, 200);
    let uri = stream.event().await.unwrap().data;
    (stream, uri)
}

async fn say(rig: &Rig, uri: &str, body: impl ToString) -> Answer {
    let request = rig.post_to(uri, &rig.keys[0], &[], body.to_string());
    rig.send(request).await
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_2024_11_05_begun_meanwhile_works_at_its_gateway() {
    let all = cluster();
    all.switch.set_away(true);
    let (mut stream, uri) = connect(&all.one).await;

    let begun = say(&all.one, &uri, initialize("2024-11-05")).await;
    assert_eq!(begun.status, 202);
    assert_eq!(stream.message().await.unwrap().json()["id"], 0);
    let ping = json!({"jsonrpc": "2.0", "id": 3, "method": "ping"});
    let elsewhere = say(&all.two, &uri, &ping).await;
    assert_eq!(elsewhere.status, 404, "not known elsewhere");
    all.switch.set_away(false);
    assert_eq!(say(&all.one, &uri, ping).await.status, 202);
    assert_eq!(stream.message().await.unwrap().json()["id"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_2024_11_05_that_stands_goes_on_at_its_gateway() {
    for agreed_before in [true, false] {
        let all = cluster();
        let (mut stream, uri) = connect(&all.one).await;
        if agreed_before {
            say(&all.two, &uri, initialize("2024-11-05")).await;
            assert_eq!(stream.message().await.unwrap().json()["id"], 0);
        }
        all.switch.set_away(true);

        if !agreed_before {
            say(&all.one, &uri, initialize("2024-11-05")).await;
            assert_eq!(stream.message().await.unwrap().json()["id"], 0);
        }
        let params = json!({"name": "progress", "_meta": {"progressToken": "t"}});
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        assert_eq!(say(&all.one, &uri, &call).await.status, 202);
        for step in [1, 2] {
            let told = stream.message().await.unwrap().json();
            assert_eq!(told["params"]["progress"], step);
        }
        assert_eq!(stream.message().await.unwrap().json()["id"], 1);
        all.one.source.change("acme", |config| {
            config.connectors[0].tools[0].enabled = false;
        });
        let told = stream.message().await.unwrap().json();
        assert_eq!(told["method"], "notifications/tools/list_changed");
        let elsewhere = say(&all.two, &uri, &call).await;
        assert_eq!(elsewhere.status, 503);
        assert_eq!(elsewhere.headers["retry-after"], "1");

        all.switch.set_away(false);
        for (id, rig) in [(2, &all.one), (3, &all.two)] {
            let list = json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"});
            assert_eq!(say(rig, &uri, list).await.status, 202);
            let listed = stream.message().await.unwrap().json();
            assert_eq!(listed["id"], id);
            assert!(listed["result"]["tools"].is_array(), "{listed}");
        }
        drop(stream);
        let ping = json!({"jsonrpc": "2.0", "id": 4, "method": "ping"});
        for rig in [&all.one, &all.two] {
            while say(rig, &uri, &ping).await.status != 404 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn modern_calls_and_their_retries_go_on_and_a_state_is_good_once_at_each_gateway() {
    let all = cluster();
    all.one.worker.answers(|call| match &call.request.inputs {
        None => fabric::Outcome::InputRequired(fabric::InputRequired {
            requests: Some(json!({"a": {"method": "roots/list"}}).to_string().into()),
            state: Some("own".to_owned()),
            meta: None,
        }),
        Some(_) => result(json!({"content": []})),
    });
    all.one.server(0, "2026-07-28", json!({"tools": {}}));
    let modern = async |rig: &Rig, params: Value| {
        let answer = rig.modern_as(ACME, able(), "tools/call", params).await;
        Rig::last(&answer)
    };
    let asked = modern(&all.one, json!({"name": "echo"})).await;
    all.switch.set_away(true);

    let state = asked["result"]["requestState"].clone();
    let again = json!({
        "name": "echo", "requestState": state, "inputResponses": {"a": {"roots": []}},
    });
    let done = modern(&all.two, again.clone()).await;
    assert_eq!(done["result"]["content"], json!([]), "{done}");
    let used = modern(&all.two, again).await;
    assert_eq!(used["error"]["code"], -32602);
}
