//! Streams that are taken up again: from any place, by any connection of their session, while
//! they are still being written and some time after.

use std::sync::Arc;
use std::time::Duration;

use fabric::CallEvent;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::rig::{Rig, result};
use crate::sse::{Event, Stream, call, get, resume, session};

const UNKNOWN: &str = "Unknown event id";

/// Has each call tell of `steps` steps, each once it is let go on, and then end, once more so.
fn stepwise(rig: &Rig, steps: usize) -> Arc<Semaphore> {
    let go = Arc::new(Semaphore::new(0));
    let held = go.clone();
    rig.worker.script(move |_, events| {
        let held = held.clone();
        async move {
            for step in 1..=steps {
                held.acquire().await.unwrap().forget();
                let event = CallEvent::Progress(format!(r#"{{"progress":{step}}}"#).into());
                if let Some(events) = &events {
                    events.send(event).await.ok();
                }
            }
            held.acquire().await.unwrap().forget();
            result(json!({"content": []}))
        }
    });
    go
}

fn progress(event: &Event) -> Value {
    event.json()["params"]["progress"].clone()
}

#[tokio::test]
async fn a_second_connection_replays_and_then_tails_while_the_call_goes_on() {
    let rig = Rig::new();
    let session = session(&rig, "2025-11-25").await;
    let go = stepwise(&rig, 4);
    go.add_permits(2);
    let mut first = Stream::open(&rig, call(&rig, &session, "echo")).await;
    let one = first.message().await.unwrap();
    let two = first.message().await.unwrap();
    assert_eq!((progress(&one), progress(&two)), (json!(1), json!(2)));

    let id = one.id.clone().unwrap();
    let mut second = Stream::open(&rig, resume(&rig, &session, &id)).await;
    assert_eq!(second.status, 200);
    assert_eq!(second.event().await.unwrap(), two, "replayed as it was");
    assert_eq!(first.event().await, None, "taken over");
    go.add_permits(3);

    let rest = second.rest().await;
    let numbers: Vec<_> = rest[..2].iter().map(progress).collect();
    assert_eq!(numbers, [json!(3), json!(4)]);
    assert_eq!(rest[2].json()["id"], 7);
    assert_eq!(rest.len(), 3);
    assert_eq!(rig.worker.take_calls().len(), 1);
}

#[tokio::test]
async fn a_client_that_lost_its_connection_finds_the_answer_that_came_meanwhile() {
    let rig = Rig::new();
    let session = session(&rig, "2025-11-25").await;
    let go = stepwise(&rig, 1);
    go.add_permits(1);
    let mut stream = Stream::open(&rig, call(&rig, &session, "echo")).await;
    let priming = stream.event().await.unwrap().id.unwrap();
    drop(stream);
    go.add_permits(1);

    let events = Stream::open(&rig, resume(&rig, &session, &priming)).await;
    let events = events.rest().await;

    assert_eq!(progress(&events[0]), 1);
    assert_eq!(events[1].json()["id"], 7);
    let last = events[1].id.clone().unwrap();
    let nothing = Stream::open(&rig, resume(&rig, &session, &last)).await;
    assert_eq!(
        (nothing.status.as_u16(), nothing.rest().await),
        (200, vec![])
    );
}

#[tokio::test]
async fn an_id_that_is_not_of_the_session_is_unknown_whatever_is_wrong_with_it() {
    let rig = Rig::new();
    let (mine, others) = (
        session(&rig, "2025-11-25").await,
        session(&rig, "2025-11-25").await,
    );
    let go = stepwise(&rig, 0);
    go.add_permits(1);
    rig.worker.script(|_, events| async move {
        let event = CallEvent::Progress(r#"{"progress":1}"#.into());
        events.unwrap().send(event).await.unwrap();
        result(json!({"content": []}))
    });
    let stream = Stream::open(&rig, call(&rig, &others, "echo")).await;
    let events = stream.rest().await;
    let theirs = events[1].id.clone().unwrap();
    let (stream, _) = theirs.split_once('.').unwrap();

    for wrong in [
        "x",
        &theirs,
        "0000000000000000000000000000abcd.1",
        &format!("{stream}.01"),
        &format!("{stream}."),
        &format!("{stream}.18446744073709551616"),
    ] {
        let refused = rig.send(resume(&rig, &mine, wrong)).await;
        assert_eq!(
            refused.error(),
            (400, -32600, UNKNOWN.to_owned()),
            "{wrong}"
        );
    }
    let never = rig
        .send(resume(&rig, &others, &format!("{stream}.9")))
        .await;
    assert_eq!(never.error(), (400, -32600, UNKNOWN.to_owned()));
    let mut twice = resume(&rig, &others, &theirs);
    let id = theirs.parse().unwrap();
    twice.headers_mut().append("last-event-id", id);
    assert_eq!(rig.send(twice).await.error().2, UNKNOWN);
    let right = Stream::open(&rig, resume(&rig, &others, &theirs)).await;
    assert_eq!(right.rest().await, events[2..], "none of that did any harm");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_kept_for_a_while_and_then_unknown() {
    let rig = Rig::alone(
        "streams expire by the clock of their store",
        gateway::Config::default(),
    );
    let session = session(&rig, "2025-11-25").await;
    let stream = Stream::open(&rig, call(&rig, &session, "progress")).await;
    let priming = stream.rest().await[0].id.clone().unwrap();

    tokio::time::sleep(Duration::from_secs(299)).await;
    let kept = Stream::open(&rig, resume(&rig, &session, &priming)).await;
    assert_eq!(kept.rest().await.len(), 3);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let expired = rig.send(resume(&rig, &session, &priming)).await;
    assert_eq!(expired.error(), (400, -32600, UNKNOWN.to_owned()));
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_cut_off_and_may_resume_what_is_kept() {
    let config = gateway::Config {
        stream_events: 2,
        ..gateway::Config::default()
    };
    let rig = Rig::with(config);
    let session = session(&rig, "2025-11-25").await;
    let go = stepwise(&rig, 4);
    go.add_permits(1);
    let mut slow = Stream::open(&rig, call(&rig, &session, "echo")).await;
    let one = slow.message().await.unwrap().id.unwrap();
    let id = |n: u32| one.replace(".1", &format!(".{n}"));

    // Who tells that all of it has happened is the same session's next request.
    go.add_permits(4);
    while rig.send(resume(&rig, &session, &id(3))).await.status != 200 {
        tokio::task::yield_now().await;
    }

    assert_eq!(slow.rest().await, [], "not one event more, and no answer");
    let lost = rig.send(resume(&rig, &session, &one)).await;
    assert_eq!(lost.error(), (400, -32600, UNKNOWN.to_owned()));
    let kept = Stream::open(&rig, resume(&rig, &session, &id(3))).await;
    let events = kept.rest().await;
    assert_eq!(progress(&events[0]), 4);
    assert_eq!(events[1].json()["id"], 7);
}

#[tokio::test]
async fn what_happens_while_a_listener_is_away_waits_for_it() {
    let rig = Rig::new();
    let session = session(&rig, "2025-11-25").await;
    let mut stream = Stream::open(&rig, get(&rig, &session, &[])).await;
    let priming = stream.event().await.unwrap().id.unwrap();
    drop(stream);
    let change = |enabled| {
        rig.source.change("acme", |config| {
            config.connectors[0].tools[0].enabled = enabled;
        });
    };
    change(false);

    let mut again = Stream::open(&rig, resume(&rig, &session, &priming)).await;
    let missed = again.message().await.unwrap();
    assert_eq!(missed.json()["method"], "notifications/tools/list_changed");
    change(true);
    let next = again.message().await.unwrap();
    assert_eq!(
        next.id.unwrap(),
        missed.id.unwrap().replace(".1", ".2"),
        "once"
    );
}

#[tokio::test]
async fn the_streams_of_a_session_are_capped_and_the_oldest_goes_first() {
    let config = gateway::Config {
        streams_per_session: 2,
        ..gateway::Config::default()
    };
    let rig = Rig::with(config);
    let session = session(&rig, "2025-11-25").await;
    let mut priming = Vec::new();
    for _ in 0..3 {
        let stream = Stream::open(&rig, call(&rig, &session, "progress")).await;
        priming.push(stream.rest().await[0].id.clone().unwrap());
    }

    let mut statuses = Vec::new();
    for id in &priming {
        statuses.push(rig.send(resume(&rig, &session, id)).await.status.as_u16());
    }

    assert_eq!(statuses, [400, 200, 200]);
}
