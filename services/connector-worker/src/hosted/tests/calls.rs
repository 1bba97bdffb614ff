//! What comes back, and what does not.

use fabric::{Effect, Failure, FailureKind};
use serde_json::json;

use super::*;

#[tokio::test]
async fn calls_at_the_same_time_get_their_own_answers() {
    let bench = Bench::new();
    let process = bench.connect(&bench.spec(&[])).await.unwrap();
    let text = |n: usize| format!("{n}: \"line\nbreak\" \u{1F980}");

    let answers = futures_util::future::join_all(
        (0..50).map(|n| bench.call_on(&process, "echo", json!({"text": text(n)}))),
    )
    .await;

    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), text(n));
    }
}

#[tokio::test]
async fn progress_comes_before_the_answer_and_to_its_own_call() {
    let bench = Bench::new();
    let process = bench.connect(&bench.spec(&[])).await.unwrap();

    let mut exchange = bench
        .begin(&process, "progress", json!({"steps": 3}), in_time())
        .await
        .unwrap();
    let mut seen = Vec::new();
    while let Some(message) = exchange.next().await.unwrap() {
        let message: Value = serde_json::from_slice(&message).unwrap();
        seen.push(message["params"]["progress"].clone());
    }

    assert_eq!(seen, [json!(1), json!(2), json!(3), Value::Null]);
}

#[tokio::test]
async fn a_server_that_dies_in_mid_call_fails_every_call_that_waits_at_once() {
    let bench = Bench::new();
    let process = bench.connect(&bench.spec(&[])).await.unwrap();
    bench.call_on(&process, "pid", json!({})).await.unwrap();
    let mut waiting = bench
        .begin(&process, "hang", json!({}), in_time())
        .await
        .unwrap();

    let began = std::time::Instant::now();
    let failure = bench
        .call_on(&process, "die", json!({"code": 7}))
        .await
        .unwrap_err();

    let died = Failure {
        kind: FailureKind::Died,
        message: "the hosted server ended with exit code 7.".to_owned(),
        effect: Effect::Possible,
    };
    assert_eq!(failure, died);
    assert_eq!(waiting.next().await.unwrap_err(), died);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );

    let late = bench.call_on(&process, "pid", json!({})).await.unwrap_err();
    assert_eq!(
        late,
        Failure {
            effect: Effect::None,
            ..died
        }
    );
}

#[tokio::test]
async fn an_answer_of_20_mib_fails_its_call_and_no_other() {
    let bench = Bench::new();
    let process = bench.connect(&bench.spec(&[])).await.unwrap();
    let pid = bench.call_on(&process, "pid", json!({})).await.unwrap();

    let twenty = json!({"bytes": 20 * 1024 * 1024});
    let (large, fitting) = tokio::join!(
        bench.call_on(&process, "fill", twenty),
        bench.call_on(&process, "fill", json!({"bytes": 10 * 1024 * 1024})),
    );

    let bound = domain::limits::RESULT_MAX_BYTES + 64 * 1024;
    let message = format!("the hosted server's answer is larger than {bound} bytes.");
    let expected = Failure {
        kind: FailureKind::TooLarge,
        message,
        effect: Effect::Possible,
    };
    assert_eq!(large.unwrap_err(), expected);
    assert_eq!(
        fitting.unwrap().as_str().map(str::len),
        Some(10 * 1024 * 1024)
    );
    assert_eq!(
        bench.call_on(&process, "pid", json!({})).await.unwrap(),
        pid
    );
}

#[tokio::test]
async fn what_is_no_json_on_standard_output_is_kept_for_the_administrator_and_ignored() {
    let bench = Bench::new();

    let answer = bench
        .call(&bench.spec(&[]), "chatter", json!({"lines": 2}))
        .await
        .unwrap();

    assert_eq!(answer, "done");
    assert_eq!(
        bench.stderr(),
        [
            "stdout: listening on stdio 0",
            "stdout: listening on stdio 1"
        ]
    );
    let metrics = bench.process.metrics.encode();
    assert!(
        metrics.contains("turnbuckle_hosted_stray_lines_total 2"),
        "{metrics}"
    );
    assert!(
        metrics.contains("turnbuckle_hosted_processes 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn an_answer_that_is_no_json_fails_its_call_at_once() {
    let bench = Bench::new();

    let failure = bench
        .call(&bench.spec(&[]), "garble", json!({}))
        .await
        .unwrap_err();

    assert_eq!(failure.kind, FailureKind::Garbage);
    assert_eq!(failure.message, "the hosted server's answer is no JSON.");
}

#[tokio::test]
async fn answers_in_an_array_are_answers() {
    let bench = Bench::new();

    assert_eq!(
        bench
            .call(&bench.spec(&[]), "batch", json!({}))
            .await
            .unwrap(),
        "batched"
    );
}

#[tokio::test]
async fn what_a_server_asks_is_answered() {
    let bench = Bench::new();

    let got = bench
        .call(&bench.spec(&[]), "ask", json!({}))
        .await
        .unwrap();

    assert_eq!(got, json!({"jsonrpc": "2.0", "id": "mine", "result": {}}));
}

#[tokio::test]
async fn standard_error_is_kept_up_to_its_bound() {
    let bench = Bench::new();

    bench
        .call(&bench.spec(&[]), "complain", json!({"lines": 700}))
        .await
        .unwrap();

    until("the last complaint", || {
        bench.stderr().last().is_some_and(|l| l == "complaint 699")
    })
    .await;
    let lines = bench.stderr();
    assert_eq!((lines.len(), lines[0].as_str()), (500, "complaint 200"));
}

#[tokio::test]
async fn a_server_that_does_not_read_is_ended() {
    let bench = Bench::with(|config| config.write_timeout = Duration::from_millis(300));
    let process = bench.connect(&bench.spec(&["--deaf"])).await.unwrap();

    let text = "x".repeat(1024 * 1024);
    let failure = bench
        .call_on(&process, "echo", json!({"text": text}))
        .await
        .unwrap_err();

    assert_eq!(failure.kind, FailureKind::Unreachable);
    assert_eq!(
        failure.message,
        "the hosted server was stopped because it did not read its input."
    );
}
