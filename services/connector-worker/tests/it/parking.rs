//! Calls that wait for their client: who may take them up, how long, how many.

use std::time::Duration;

use fabric::{Call, Execute, FailureKind, InputRequired, Inputs, Method, Outcome, Workers};
use serde_json::{Value, json};
use testkit::stage::{Play, Stage, Stream};

use crate::support::{
    Bench, TENANT, Table, answering, asked, by, call, error, failure, of_key, result,
};

const FORGOTTEN: &str = "Internal error: the call cannot go on, because where it waited for input has ended or its time is over; what became of it is unknown.";

/// A call that waits, and the stream on which its server does.
async fn parked(bench: &Bench, stage: &Stage, call: &Call) -> (InputRequired, Stream) {
    let (outcome, stream) = tokio::join!(bench.worker.execute(call.clone(), None), async {
        let mut heard = stage.next().await;
        if heard.method == "(response)" {
            heard = stage.next().await; // an answer that came too late
        }
        let stream = heard.stream();
        stream.ask(json!("q"), "roots/list", json!({})).await;
        stream
    });
    (asked(outcome), stream)
}

fn roots() -> Value {
    json!({"input-1": {"roots": []}})
}

fn bench(change: impl FnOnce(&mut connector_worker::UpstreamConfig)) -> Bench {
    Bench::with(|config| change(&mut config.upstream), Table::default())
}

#[tokio::test]
async fn a_handle_that_is_forged_foreign_or_used_is_refused_alike_and_the_call_stays() {
    let (stage, bench) = (Stage::set(Play::legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let mine = by(call(connector, "t", json!({})), &json!({"roots": {}}));
    let (first, stream) = parked(&bench, &stage, &mine).await;

    let with = |change: &dyn Fn(&mut Call)| {
        let mut call = answering(mine.clone(), &first, &roots());
        change(&mut call);
        call
    };
    let other = bench.remote_with(2, &stage.url(), Default::default());
    let wrong = [
        with(&|call| call.request.inputs.as_mut().unwrap().state = Some("0".repeat(64))),
        with(&|call| call.request.inputs.as_mut().unwrap().state = Some(String::new())),
        with(&|call| *call = of_key(call.clone(), 8)),
        with(&|call| call.request.name = Some("u".to_owned())),
        with(&|call| call.request.method = Method::GetPrompt),
        with(&|call| call.connector = other),
    ];
    for call in wrong {
        let told = format!("{call:?}");
        let refused = failure(bench.worker.execute(call, None).await);
        assert_eq!(
            (refused.kind, refused.message.as_str()),
            (FailureKind::Forgotten, FORGOTTEN),
            "{told}"
        );
    }

    for malformed in [
        json!([]),
        json!({"input-1": 1}),
        json!({"input-1": {"error": {"code": "x"}}}),
    ] {
        let call = answering(mine.clone(), &first, &malformed);
        let error = error(bench.worker.execute(call, None).await);
        assert_eq!(error.code, -32_602, "{malformed}");
    }

    let right = answering(mine, &first, &roots());
    let (outcome, ()) = tokio::join!(bench.worker.execute(right.clone(), None), async {
        assert_eq!(stage.expect("(response)").await.body["id"], "q");
        stream.result(json!({})).await;
    });
    assert_eq!(result(outcome), json!({}));
    let used = failure(bench.worker.execute(right, None).await);
    assert_eq!(used.message, FORGOTTEN);
}

#[tokio::test]
async fn a_call_that_nobody_takes_up_is_cancelled_and_its_handle_expires() {
    let stage = Stage::set(Play::legacy()).await;
    let bench = bench(|config| config.parked_ttl = Duration::from_millis(100));
    let connector = bench.remote(&stage.url());
    let call = by(call(connector, "t", json!({})), &json!({"roots": {}}));

    let (first, stream) = parked(&bench, &stage, &call).await;
    assert!(
        bench
            .process
            .metrics
            .encode()
            .contains("worker_calls_parked 1")
    );
    let cancelled = stage.expect("notifications/cancelled").await;

    assert!(cancelled.body["params"]["requestId"].is_u64());
    stream.left().await;
    let late = answering(call, &first, &roots());
    let expired = failure(bench.worker.execute(late, None).await);
    assert_eq!(expired.kind, FailureKind::Forgotten);
    assert!(
        bench
            .process
            .metrics
            .encode()
            .contains("worker_calls_parked 0")
    );
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_is_taken_up_or_released_is_cancelled() {
    let (stage, bench) = (Stage::set(Play::legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let call = by(call(connector, "t", json!({})), &json!({"roots": {}}));

    let (first, stream) = parked(&bench, &stage, &call).await;
    tokio::select! {
        outcome = bench.worker.execute(answering(call.clone(), &first, &roots()), None) => panic!("{outcome:?}"),
        _ = stage.expect("(response)") => {}
    }
    stage.expect("notifications/cancelled").await;
    stream.left().await;

    let (_second, stream) = parked(&bench, &stage, &call).await;
    bench.worker.release(TENANT, connector).await;
    stage.expect("notifications/cancelled").await;
    stream.left().await;
}

#[tokio::test]
async fn a_call_that_is_given_up_by_its_own_key_is_cancelled() {
    let (stage, bench) = (Stage::set(Play::legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let call = by(call(connector, "t", json!({})), &json!({"roots": {}}));
    let (first, stream) = parked(&bench, &stage, &call).await;

    let mut give_up = answering(call, &first, &roots());
    give_up.request.method = Method::GiveUp;
    let stranger = of_key(give_up.clone(), 8);
    assert_eq!(
        result(bench.worker.execute(stranger, None).await),
        json!({})
    );
    let waiting = || bench.process.metrics.encode();
    assert!(waiting().contains("worker_calls_parked 1"));

    assert_eq!(result(bench.worker.execute(give_up, None).await), json!({}));
    let cancelled = stage.expect("notifications/cancelled").await;
    assert!(cancelled.body["params"]["requestId"].is_u64());
    stream.left().await;
    assert!(waiting().contains("worker_calls_parked 0"));
}

#[tokio::test]
async fn a_server_that_ends_while_it_waits_leaves_a_clear_word() {
    let stage = Stage::set(Play::legacy()).await;
    let bench = bench(|config| config.rounds_per_call = u32::MAX);
    let connector = bench.remote(&stage.url());
    let call = by(call(connector, "t", json!({})), &json!({"roots": {}}));

    let (first, stream) = parked(&bench, &stage, &call).await;
    drop(stream);
    let outcome = bench
        .worker
        .execute(answering(call.clone(), &first, &roots()), None)
        .await;
    let gone = failure(outcome);
    assert_eq!(
        (gone.kind, gone.message.as_str()),
        (FailureKind::Forgotten, FORGOTTEN)
    );

    // One that gave up waiting, and answered, is heard.
    let (mut asked, stream) = parked(&bench, &stage, &call).await;
    stream.result(json!({"isError": true})).await;
    let ended = loop {
        match bench
            .worker
            .execute(answering(call.clone(), &asked, &json!({})), None)
            .await
        {
            Outcome::InputRequired(still) => {
                asked = still;
                tokio::task::yield_now().await;
            }
            ended => break ended,
        }
    };
    assert_eq!(result(ended), json!({"isError": true}));
}

#[tokio::test]
async fn calls_that_wait_are_bounded_by_tenant_and_rounds() {
    let stage = Stage::set(Play::legacy()).await;
    let bench = bench(|config| {
        config.parked_per_tenant = 1;
        config.rounds_per_call = 2;
    });
    let connector = bench.remote(&stage.url());
    let call = by(call(connector, "t", json!({})), &json!({"roots": {}}));
    let (mut round, stream) = parked(&bench, &stage, &call).await;

    let (refused, second) = tokio::join!(bench.worker.execute(call.clone(), None), async {
        let stream = stage.expect("tools/call").await.stream();
        stream.ask(json!(1), "roots/list", json!({})).await;
        stage.expect("notifications/cancelled").await;
        stream
    });
    let refused = failure(refused);
    assert_eq!(refused.kind, FailureKind::Busy, "{}", refused.message);
    second.left().await;

    let mut outcome = None;
    for number in 1..=2 {
        let answers = json!({format!("input-{number}"): {"roots": []}});
        let (next, ()) = tokio::join!(
            bench
                .worker
                .execute(answering(call.clone(), &round, &answers), None),
            async {
                stage.expect("(response)").await;
                stream.ask(json!(number), "roots/list", json!({})).await;
            }
        );
        match next {
            Outcome::InputRequired(next) => round = next,
            other => outcome = Some(other),
        }
    }
    let error = error(outcome.expect("the third round is one too many"));
    assert_eq!(
        (error.code, error.message.as_str()),
        (
            -32_603,
            "Internal error: the upstream asked for input more than 2 times"
        )
    );
    stage.expect("notifications/cancelled").await;
}

#[tokio::test]
async fn a_state_means_nothing_to_a_legacy_server_that_was_never_asked() {
    let (stage, bench) = (Stage::set(Play::legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let mut call = call(connector, "t", json!({}));
    call.request.inputs = Some(Inputs {
        responses: None,
        state: Some("of another server".to_owned()),
    });

    let refused = failure(bench.worker.execute(call, None).await);

    assert_eq!(refused.kind, FailureKind::Forgotten);
}
