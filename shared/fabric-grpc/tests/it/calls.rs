//! A call through the wire is as one that is made directly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fabric::*;
use fabric_grpc::CALL_MAX_BYTES;
use secrecy::ExposeSecret;
use tokio::sync::mpsc;

use crate::rig::*;

fn teller() -> Arc<Worker> {
    Worker::new(|call, events| {
        Box::pin(async move {
            if let Some(events) = events {
                for step in 0..100 {
                    let progress = format!(r#"{{"progress":{step}}}"#);
                    let _ = events.send(CallEvent::Progress(progress.into())).await;
                }
                // Told at the last moment, and before the outcome all the same.
                let _ = events.send(CallEvent::Log(Bytes::from_static(b"{}"))).await;
            }
            Outcome::Error(RpcError {
                code: -32000,
                message: call.request_id,
                data: call.request.arguments,
                raw: Some(Bytes::from_static(b"{\"code\":-32000}")),
            })
        })
    })
}

async fn heard(execute: &dyn Execute, call: Call) -> (Vec<String>, String) {
    let (sender, mut events) = mpsc::channel(4);
    let listening = async {
        let mut heard = Vec::new();
        while let Some(event) = events.recv().await {
            heard.push(format!("{event:?}"));
        }
        heard
    };
    let (outcome, heard) = tokio::join!(execute.execute(call, Some(sender)), listening);
    (heard, format!("{outcome:?}"))
}

#[tokio::test]
async fn events_and_outcome_are_those_of_a_direct_call() {
    let behind = Behind::new(teller());
    let pool = before(&behind);

    let direct = within(heard(&*behind.worker, call())).await;
    let wired = within(heard(&pool, call())).await;

    assert_eq!(direct.0.len(), 101);
    assert_eq!(wired, direct);
    let calls = behind.worker.calls.lock().unwrap();
    assert_eq!(format!("{:?}", calls[0]), format!("{:?}", calls[1]));
    let token = calls[1].user_token.as_ref().unwrap();
    assert_eq!(token.expose_secret(), "hunter2");
}

#[tokio::test]
async fn nobody_tells_events_that_nobody_hears() {
    let behind = Behind::new(Worker::new(|_, events| {
        Box::pin(async move { Outcome::Result(format!("{}", events.is_some()).into()) })
    }));

    let outcome = within(before(&behind).execute(call(), None)).await;

    assert_eq!(text(&outcome), "false");
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_at_the_worker() {
    let behind = Behind::new(Worker::hanging());
    let pool = before(&behind);

    let running = pool.execute(call(), None);
    tokio::select! {
        outcome = running => panic!("{outcome:?}"),
        () = within(behind.worker.begun.notified()) => {}
    }

    within(behind.worker.dropped.notified()).await;
    // The place is free when the response has gone; the signal comes from within that.
    within(async {
        while behind.server.load().current() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_largest_result_and_the_largest_arguments_pass() {
    let behind = Behind::new(Worker::new(|call, _| {
        let length = call
            .request
            .arguments
            .map_or(0, |arguments| arguments.len());
        Box::pin(async move {
            let size = domain::limits::RESULT_MAX_BYTES;
            assert_eq!(length, domain::limits::BODY_MAX_BYTES);
            Outcome::Result(vec![b'x'; size].into())
        })
    }));
    let mut large = call();
    large.request.arguments = Some(vec![b'a'; domain::limits::BODY_MAX_BYTES].into());

    let outcome = within(before(&behind).execute(large, None)).await;

    assert_eq!(text(&outcome).len(), domain::limits::RESULT_MAX_BYTES);
}

#[tokio::test]
async fn what_is_too_large_is_said_to_be() {
    let behind = Behind::new(Worker::new(|_, _| {
        Box::pin(async { Outcome::Result(vec![b'x'; 22 * 1024 * 1024].into()) })
    }));
    let pool = before(&behind);
    let mut large = call();
    large.request.arguments = Some(vec![b'a'; CALL_MAX_BYTES].into());

    let refused = failure(within(pool.execute(large, None)).await);
    let unanswered = failure(within(pool.execute(call(), None)).await);

    assert_eq!(refused.kind, FailureKind::TooLarge);
    assert_eq!(refused.effect, Effect::None);
    assert_eq!(unanswered.kind, FailureKind::TooLarge);
    assert_eq!(unanswered.effect, Effect::Possible);
    assert_eq!(behind.worker.count(), 1);
}

#[tokio::test]
async fn a_slow_reader_holds_its_own_call_back_and_no_other() {
    const EVENTS: usize = 2000;
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let behind = Behind::new(Worker::new(move |call, events| {
        let count = count.clone();
        Box::pin(async move {
            if call.request_id == "slow" {
                let events = events.expect("somebody hears");
                for _ in 0..EVENTS {
                    let event = CallEvent::Progress(vec![b' '; 10 * 1024].into());
                    let _ = events.send(event).await;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            Outcome::Result(Bytes::from_static(b"{}"))
        })
    }));
    let pool = before(&behind);
    let (sender, mut events) = mpsc::channel(1);
    let mut slow = call();
    slow.request_id = "slow".to_owned();
    let mut slow = pool.execute(slow, Some(sender));

    // Runs until it can go no further without a reader; others meanwhile.
    let others = async {
        for _ in 0..200 {
            let large = within(pool.execute(call(), None)).await;
            assert_eq!(text(&large), "{}");
        }
    };
    tokio::select! {
        outcome = &mut slow => panic!("{outcome:?}"),
        () = others => {}
    }
    let held = told.load(Ordering::Relaxed);
    assert!(
        held < EVENTS / 4,
        "{held} events went ahead of their reader"
    );

    let reading = async {
        let mut read = 0;
        while events.recv().await.is_some() {
            read += 1;
        }
        read
    };
    let (outcome, read) = within(async { tokio::join!(slow, reading) }).await;
    assert_eq!((text(&outcome).as_str(), read), ("{}", EVENTS));
}

#[tokio::test]
async fn a_worker_that_does_not_keep_the_deadline_is_not_waited_for() {
    let behind = Behind::new(Worker::hanging());
    let mut hasty = call();
    hasty.deadline = Duration::from_millis(10);

    let begun = std::time::Instant::now();
    let failure = failure(within(before(&behind).execute(hasty, None)).await);

    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(failure.effect, Effect::Possible);
    assert!(begun.elapsed() >= Duration::from_millis(1010));
    within(behind.worker.dropped.notified()).await;
}

#[tokio::test]
async fn nonsense_is_refused_before_anything_is_begun() {
    use fabric_grpc::{Channel, nothing_happened};
    use proto::fabric::v1;
    use proto::fabric::v1::worker_service_client::WorkerServiceClient;

    let behind = Behind::new(Worker::answering("{}"));
    let gateway = trust(&insecure(), Role::Gateway);
    let address = behind.served.address.to_string();
    let channel = Channel::new(&address, Role::Worker, &gateway).unwrap();
    let mut client = WorkerServiceClient::new(channel);

    for requests in [
        vec![],
        vec![v1::ExecuteRequest { message: None }],
        vec![v1::ExecuteRequest {
            message: Some(v1::execute_request::Message::Call(v1::Call::default())),
        }],
    ] {
        let stream = tokio_stream::iter(requests);
        let status = within(client.execute(stream)).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(nothing_happened(&status));
    }
    assert_eq!(behind.worker.count(), 0);
}
