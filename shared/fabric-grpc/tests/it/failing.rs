//! What is told of a worker that fails, and what is tried elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::ConnectorId;
use fabric::*;
use fabric_grpc::{PoolConfig, WorkerPool};
use futures_util::future::join_all;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::rig::*;

fn asking(state: &'static str) -> Arc<Worker> {
    Worker::new(move |call, _| {
        Box::pin(async move {
            match call.request.inputs.and_then(|inputs| inputs.state) {
                Some(back) if back == state => Outcome::Result(Bytes::from_static(b"\"done\"")),
                Some(_) => Outcome::Failed(Failure {
                    kind: FailureKind::Forgotten,
                    message: "not here".to_owned(),
                    effect: Effect::Possible,
                }),
                None => Outcome::InputRequired(InputRequired {
                    requests: Some(Bytes::from_static(b"{}")),
                    state: Some(state.to_owned()),
                    meta: None,
                }),
            }
        })
    })
}

fn with_state(method: Method, state: &str) -> Call {
    let mut call = call();
    call.request.method = method;
    call.request.inputs = Some(Inputs {
        responses: Some(Bytes::from_static(b"{}")),
        state: Some(state.to_owned()),
    });
    call
}

async fn state_of(pool: &dyn Execute) -> String {
    match within(pool.execute(call(), None)).await {
        Outcome::InputRequired(input) => input.state.unwrap(),
        other => panic!("{other:?}"),
    }
}

/// An address where nobody listens.
async fn closed() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn a_worker_killed_in_mid_call_is_told_within_two_seconds_as_perhaps_done() {
    let behind = Behind::new(Worker::hanging());
    let other = Behind::new(Worker::answering("\"other\""));
    let pool = pool(vec![behind.told("w1")]);
    let running = pool.execute(call(), None);
    let killing = async {
        behind.worker.begun.notified().await;
        pool.set(vec![behind.told("w1"), other.told("w2")]);
        behind.served.kill();
        Instant::now()
    };

    let (outcome, killed) = within(async { tokio::join!(running, killing) }).await;

    assert!(killed.elapsed() < Duration::from_secs(2));
    let failure = failure(outcome);
    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Died, Effect::Possible)
    );
    assert_eq!(other.worker.count(), 0, "it was not tried elsewhere");
    // The next one goes where somebody is.
    for _ in 0..10 {
        let outcome = within(pool.execute(call(), None)).await;
        assert_eq!(text(&outcome), "\"other\"");
    }
}

#[tokio::test]
async fn what_only_reads_is_read_once_more_where_another_worker_is() {
    for second in [Worker::answering("\"other\""), Worker::hanging()] {
        let answers = second.begun.clone();
        let (first, second) = (Behind::new(Worker::hanging()), Behind::new(second));
        let pool = pool(vec![first.told("w1")]);
        let mut read = call();
        read.request.only_reads = true;
        let running = pool.execute(read, None);
        let killing = async {
            first.worker.begun.notified().await;
            pool.set(vec![first.told("w1"), second.told("w2")]);
            first.served.kill();
            answers.notified().await;
            second.served.kill();
        };

        let (outcome, ()) = within(async { tokio::join!(running, killing) }).await;

        assert_eq!((first.worker.count(), second.worker.count()), (1, 1));
        let Outcome::Failed(failure) = outcome else {
            assert_eq!(text(&outcome), "\"other\"");
            continue;
        };
        // A second worker was lost with it: that is enough, and nothing can have happened.
        assert_eq!(
            (failure.kind, failure.effect),
            (FailureKind::Died, Effect::None)
        );
    }
}

#[tokio::test]
async fn a_peer_that_is_silent_is_noticed_within_a_few_seconds() {
    // It takes connections and says nothing, as after a cut cable.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool(vec![told("w1", silent.local_addr().unwrap())]);
    let begun = Instant::now();

    let failure = failure(within(pool.execute(call(), None)).await);

    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Died, Effect::Possible)
    );
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
}

/// A connector that belongs to this one of two workers.
async fn connector_of(worker: &str) -> ConnectorId {
    let (first, second) = (
        Behind::new(Worker::answering("w1")),
        Behind::new(Worker::answering("w2")),
    );
    let pool = pool(vec![first.told("w1"), second.told("w2")]);
    let mut call = call();
    call.affinity = Affinity::Connector;
    for number in 0.. {
        call.connector = ConnectorId::new(Uuid::from_u128(number));
        if text(&within(pool.execute(call.clone(), None)).await) == worker {
            break;
        }
    }
    call.connector
}

#[tokio::test]
async fn a_worker_that_stands_still_fails_only_what_it_was_sent_before_that_was_noticed() {
    // It takes connections and says nothing, as a process that is stopped.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = Behind::new(Worker::answering("\"good\""));
    let pool = pool(vec![
        told("w1", silent.local_addr().unwrap()),
        good.told("w2"),
    ]);
    let mut owned = call();
    owned.affinity = Affinity::Connector;
    owned.connector = connector_of("w1").await;
    let stuck = pool.execute(owned.clone(), None);
    let others = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        // From now on who can go elsewhere does so at once.
        let began = Instant::now();
        for _ in 0..50 {
            assert_eq!(text(&pool.execute(call(), None).await), "\"good\"");
        }
        assert!(began.elapsed() < Duration::from_millis(500));
        // Who belongs there is not sent there, and goes elsewhere once the worker is lost.
        let began = Instant::now();
        let waited = join_all((0..10).map(|_| pool.execute(owned.clone(), None))).await;
        assert!(waited.iter().all(|outcome| text(outcome) == "\"good\""));
        began.elapsed()
    };

    let (stuck, waited) = within(async { tokio::join!(stuck, others) }).await;

    assert_eq!(failure(stuck).effect, Effect::Possible);
    assert!(waited < Duration::from_millis(3500), "{waited:?}");
    // While nobody answers there, calls do not wait for attempts to connect.
    for _ in 0..20 {
        let began = Instant::now();
        let outcome = within(pool.execute(owned.clone(), None)).await;
        assert_eq!(text(&outcome), "\"good\"");
        assert!(began.elapsed() < Duration::from_millis(400));
    }
}

#[tokio::test]
async fn without_a_worker_nothing_has_happened() {
    let none = failure(within(pool(Vec::new()).execute(call(), None)).await);
    let away = pool(vec![told("w1", closed().await)]);
    let unreachable = failure(within(away.execute(call(), None)).await);

    for failure in [none, unreachable] {
        assert_eq!(
            (failure.kind, failure.effect),
            (FailureKind::Unreachable, Effect::None)
        );
    }
}

#[tokio::test]
async fn a_call_that_was_not_begun_goes_elsewhere() {
    let draining = Behind::new(Worker::answering("\"draining\""));
    draining.server.drain();
    let full = Behind::with(Worker::hanging(), 1, &trust(&insecure(), Role::Worker));
    let filler = pool(vec![full.told("f")]);
    let mut filling = filler.execute(call(), None);
    tokio::select! {
        outcome = &mut filling => panic!("{outcome:?}"),
        () = within(full.worker.begun.notified()) => {}
    }
    let good = Behind::new(Worker::answering("\"good\""));
    for affinity in [Affinity::None, Affinity::Principal] {
        for _ in 0..10 {
            let pool = pool(vec![draining.told("a"), full.told("b"), good.told("c")]);
            let mut call = call();
            call.affinity = affinity;
            let answer = tokio::select! {
                outcome = &mut filling => panic!("{outcome:?}"),
                outcome = within(pool.execute(call, None)) => text(&outcome),
            };
            assert_eq!(answer, "\"good\"");
        }
    }
    assert_eq!((draining.worker.count(), full.worker.count()), (0, 1));
    // A server that runs once is not started a second time because it has much to do.
    let pool = pool(vec![full.told("b")]);
    let mut hosted = call();
    hosted.affinity = Affinity::Connector;
    let failure = tokio::select! {
        outcome = &mut filling => panic!("{outcome:?}"),
        outcome = within(pool.execute(hosted, None)) => failure(outcome),
    };
    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Busy, Effect::None)
    );
}

#[tokio::test]
async fn a_draining_worker_ends_what_it_has_begun() {
    let behind = Behind::new(asking("s1"));
    let pool = before(&behind);
    let state = state_of(&pool).await;
    assert_eq!(state, "w1~s1");
    behind.server.drain();

    let new = failure(within(pool.execute(call(), None)).await);
    let old = within(pool.execute(with_state(Method::CallTool, &state), None)).await;

    assert_eq!(
        (new.kind, new.effect),
        (FailureKind::Unreachable, Effect::None)
    );
    assert_eq!(text(&old), "\"done\"");
}

#[tokio::test]
async fn a_watch_ends_when_its_worker_drains_and_begins_elsewhere() {
    let (leaving, staying) = (
        Behind::new(Worker::hanging()),
        Behind::new(Worker::hanging()),
    );
    let pool = pool(vec![leaving.told("w1")]);
    let mut watch = call();
    watch.request.method = Method::Watch;
    watch.deadline = Duration::from_secs(365 * 24 * 60 * 60);
    let draining = async {
        leaving.worker.begun.notified().await;
        pool.set(vec![leaving.told("w1"), staying.told("w2")]);
        leaving.served.drain();
    };

    let watching = pool.execute(watch.clone(), None);
    let (outcome, ()) = within(async { tokio::join!(watching, draining) }).await;
    assert_eq!(failure(outcome).effect, Effect::None);

    let again = pool.execute(watch, None);
    tokio::select! {
        outcome = again => panic!("{outcome:?}"),
        () = within(staying.worker.begun.notified()) => {}
    }
}

#[tokio::test]
async fn a_state_goes_back_to_its_worker_and_to_others_when_that_is_gone() {
    let first = Behind::new(asking("first"));
    let second = Behind::new(asking("second"));
    let both = vec![first.told("w1"), second.told("w2")];
    let pool = pool(both.clone());

    for _ in 0..10 {
        let state = state_of(&pool).await;
        let outcome = within(pool.execute(with_state(Method::CallTool, &state), None)).await;
        assert_eq!(text(&outcome), "\"done\"");
    }
    // The other one is asked, with the state as the upstream or the worker made it.
    first.served.kill();
    within(first.served.process.tasks.finished()).await;
    let lost = within(pool.execute(with_state(Method::CallTool, "w1~first"), None)).await;
    assert_eq!(failure(lost).kind, FailureKind::Forgotten);
    let modern = within(pool.execute(with_state(Method::CallTool, "gone~second"), None)).await;
    assert_eq!(text(&modern), "\"done\"");
    // Nobody is left who could know.
    second.served.kill();
    within(second.served.process.tasks.finished()).await;
    pool.set(Vec::new());
    let lost = within(pool.execute(with_state(Method::CallTool, "w1~first"), None)).await;
    let lost = failure(lost);
    assert_eq!(
        (lost.kind, lost.effect),
        (FailureKind::Forgotten, Effect::Possible)
    );
    // What was to end it has its wish.
    for method in [Method::GiveUp, Method::Reply] {
        let ended = within(pool.execute(with_state(method, "w1~first"), None)).await;
        assert_eq!(text(&ended), "{}");
    }
}

#[tokio::test]
async fn workers_that_are_connected_go_on_when_nobody_tells_of_any() {
    let behind = Behind::new(Worker::answering("\"here\""));
    let pool = before(&behind);
    assert_eq!(text(&within(pool.execute(call(), None)).await), "\"here\"");

    pool.set(Vec::new());
    assert_eq!(text(&within(pool.execute(call(), None)).await), "\"here\"");

    behind.served.kill();
    within(behind.served.process.tasks.finished()).await;
    let gone = failure(within(pool.execute(call(), None)).await);
    assert_eq!(
        (gone.kind, gone.effect),
        (FailureKind::Unreachable, Effect::None)
    );
}

#[tokio::test]
async fn a_held_call_is_not_given_up_before_the_workers_are_known() {
    let behind = Behind::new(asking("s1"));
    let pool = WorkerPool::new(PoolConfig::default(), &trust(&insecure(), Role::Gateway));
    let again = pool.execute(with_state(Method::CallTool, "w1~s1"), None);
    let telling = async {
        // The call has begun, and found nobody.
        tokio::task::yield_now().await;
        pool.set(vec![behind.told("w1")]);
        pool.known().await;
    };

    let (outcome, ()) = within(async { tokio::join!(again, telling) }).await;

    assert_eq!(text(&outcome), "\"done\"");
}

#[tokio::test]
async fn a_full_worker_goes_on_with_what_it_has_begun() {
    let worker = Worker::new(|call, _| {
        Box::pin(async move {
            match call.request.inputs {
                Some(_) => Outcome::Result(Bytes::from_static(b"\"done\"")),
                None => std::future::pending().await,
            }
        })
    });
    let behind = Behind::with(worker, 1, &trust(&insecure(), Role::Worker));
    let other = Behind::new(Worker::answering("\"other\""));
    let full = WorkerAddress {
        capacity: 1,
        ..behind.told("w1")
    };
    let pool = pool(vec![full]);
    let mut filling = pool.execute(call(), None);
    tokio::select! {
        outcome = &mut filling => panic!("{outcome:?}"),
        () = within(behind.worker.begun.notified()) => {}
    }
    pool.set(vec![behind.told("w1"), other.told("w2")]);

    let parked = with_state(Method::CallTool, "w1~s1");
    let answer = tokio::select! {
        outcome = &mut filling => panic!("{outcome:?}"),
        outcome = within(pool.execute(parked, None)) => text(&outcome),
    };

    assert_eq!(answer, "\"done\"");
}

#[tokio::test]
async fn what_is_asked_outside_calls_names_its_worker_too() {
    let behind = Behind::new(Worker::new(|_, events| {
        Box::pin(async move {
            let asked = CallEvent::Asked(InputRequired {
                requests: None,
                state: Some("q1".to_owned()),
                meta: None,
            });
            let _ = events.expect("somebody hears").send(asked).await;
            Outcome::Result(Bytes::from_static(b"{}"))
        })
    }));
    let (sender, mut events) = tokio::sync::mpsc::channel(4);

    within(before(&behind).execute(call(), Some(sender))).await;

    let Some(CallEvent::Asked(input)) = events.recv().await else {
        panic!("nothing was asked");
    };
    assert_eq!(input.state.as_deref(), Some("w1~q1"));
}

#[tokio::test]
async fn a_worker_that_comes_back_is_found_again() {
    let behind = Behind::new(Worker::answering("\"one\""));
    let pool = before(&behind);
    assert_eq!(text(&within(pool.execute(call(), None)).await), "\"one\"");
    let address = behind.served.address;
    behind.served.kill();
    within(behind.served.process.tasks.finished()).await;
    assert_eq!(
        failure(within(pool.execute(call(), None)).await).effect,
        Effect::None
    );

    let (_trigger, process) = runtime::Process::new();
    let insecure = trust(&insecure(), Role::Worker);
    let worker = Worker::answering("\"two\"");
    let server = fabric_grpc::WorkerServer::new(worker.clone(), worker, 0, &process);
    let listener = web::bind(address, "--listen").unwrap();
    let serving = insecure.serve(listener, server.router(&insecure), &process);
    let again = async {
        loop {
            match pool.execute(call(), None).await {
                Outcome::Failed(failure) => assert_eq!(failure.effect, Effect::None),
                outcome => return text(&outcome),
            }
            tokio::task::yield_now().await;
        }
    };

    tokio::select! {
        answer = within(again) => assert_eq!(answer, "\"two\""),
        ended = serving => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn no_call_fails_while_a_worker_drains() {
    let slow = |name: &'static str| {
        Worker::new(move |_, _| {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Outcome::Result(Bytes::from_static(name.as_bytes()))
            })
        })
    };
    let (leaving, staying) = (Behind::new(slow("leaving")), Behind::new(slow("staying")));
    let pool = pool(vec![leaving.told("w1"), staying.told("w2")]);
    let caller = || async {
        let mut after = 0;
        for turn in 0..60 {
            let outcome = pool.execute(call(), None).await;
            let name = text(&outcome);
            after = if name == "leaving" { 0 } else { after + 1 };
            if turn == 20 {
                leaving.served.drain();
            }
        }
        after
    };

    let runs = within(futures_util::future::join_all((0..20).map(|_| caller()))).await;

    assert!(leaving.worker.count() > 0);
    // From some moment on all went to the other one.
    assert!(runs.iter().all(|after| *after >= 20), "{runs:?}");
}

#[tokio::test]
async fn many_calls_that_are_given_up_harm_no_other() {
    let hanging = Worker::hanging();
    let behind = Behind::new(hanging.clone());
    let pool = before(&behind);
    let mut kept = pool.execute(call(), None);
    tokio::select! {
        outcome = &mut kept => panic!("{outcome:?}"),
        () = within(hanging.begun.notified()) => {}
    }

    for _ in 0..5 {
        let mut calls: Vec<_> = (0..200).map(|_| pool.execute(call(), None)).collect();
        for call in &mut calls {
            // Begun, and given up before the worker can have looked at it.
            assert!(futures_util::poll!(call).is_pending());
        }
        tokio::task::yield_now().await;
        drop(calls);
        tokio::task::yield_now().await;
    }

    let then = tokio::time::timeout(Duration::from_millis(300), &mut kept).await;
    assert!(then.is_err(), "{then:?}");
    drop(kept);
    within(async {
        while behind.server.load().current() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
