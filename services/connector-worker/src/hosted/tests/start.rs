//! Starting, ending by itself, and starting again.

use std::collections::BTreeMap;
use std::time::Duration;

use egress::Deadline;
use fabric::{Effect, Failure, FailureKind, ProcessState};
use serde_json::json;

use super::*;

fn unreachable(message: &str) -> Failure {
    Failure {
        kind: FailureKind::Unreachable,
        message: message.to_owned(),
        effect: Effect::None,
    }
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_named() {
    let bench = Bench::new();
    let spec = bench.spec_of(vec![
        "turnbuckle-no-such-program".to_owned(),
        "x".to_owned(),
    ]);

    let failure = bench.call(&spec, "echo", json!({})).await.unwrap_err();

    let reason = "could not be started: there is no program \"turnbuckle-no-such-program\"";
    assert_eq!(
        failure,
        unreachable(&format!("the hosted server {reason}."))
    );
    let status = bench.status();
    assert_eq!((status.state, status.pid), (ProcessState::BackingOff, None));
    assert_eq!(status.last_exit.as_deref(), Some(reason));
}

#[tokio::test]
async fn a_file_that_is_no_program_is_named() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "no program").unwrap();

    let spec = bench.spec_of(vec![file.to_string_lossy().into_owned()]);
    let failure = bench.call(&spec, "echo", json!({})).await.unwrap_err();

    let file = file.to_string_lossy();
    let message = format!("the hosted server could not be started: {file:?} may not be executed.");
    assert_eq!(failure, unreachable(&message));
}

#[tokio::test]
async fn a_folder_that_does_not_exist_is_named_and_nothing_is_started() {
    let bench = Bench::new();
    let mut spec = bench.spec(&[]);
    spec.working_directory = Some("/no/such/folder".to_owned());

    let failure = bench.call(&spec, "echo", json!({})).await.unwrap_err();

    let message = "the hosted server could not be started: there is no folder \"/no/such/folder\".";
    assert_eq!(failure, unreachable(message));
    assert_eq!(bench.status().state, ProcessState::Stopped);
}

#[tokio::test]
async fn an_environment_variable_that_cannot_be_is_named_and_its_value_is_not() {
    let bench = Bench::new();
    let mut spec = bench.spec(&[]);
    spec.environment = BTreeMap::from([("A=B".to_owned(), "secret".to_owned())]);

    let failure = bench.call(&spec, "echo", json!({})).await.unwrap_err();

    let message = "the environment variable \"A=B\" cannot be set: mend its name or value.";
    assert_eq!(failure, unreachable(message));
}

#[tokio::test]
async fn a_command_that_ends_at_once_fails_its_call_and_the_next_ones_until_the_back_off_is_over() {
    let bench = Bench::new();
    let spec = bench.spec(&["--exit", "3"]);

    let first = bench.call(&spec, "echo", json!({})).await.unwrap_err();
    let second = bench.call(&spec, "echo", json!({})).await.unwrap_err();

    assert_eq!(
        first,
        unreachable(
            "the hosted server ended with exit code 3 before it answered anything: see its stderr."
        )
    );
    assert_eq!(
        second,
        unreachable(
            "the hosted server ended with exit code 3; it is started again in 60 s at the earliest."
        )
    );
    let status = bench.status();
    assert_eq!(
        (status.state, status.restarts),
        (ProcessState::BackingOff, 0)
    );
    until("its last words", || bench.stderr() == ["cannot go on"]).await;

    bench.release().await;
    bench.call(&spec, "echo", json!({})).await.unwrap_err();
    assert_eq!(bench.status().restarts, 1, "a release forgets the back-off");
    until("words of both lives", || {
        bench.stderr() == ["cannot go on", "cannot go on"]
    })
    .await;
}

#[tokio::test]
async fn a_server_that_ended_is_started_again_by_the_first_call_after_the_back_off() {
    let bench = Bench::with(|config| {
        config.backoff_min = Duration::from_millis(1);
        config.backoff_max = Duration::from_millis(1);
    });
    let spec = bench.spec(&[]);
    let first = bench.connect(&spec).await.unwrap();
    let before = bench.call_on(&first, "pid", json!({})).await.unwrap();

    bench
        .call_on(&first, "die", json!({"code": 0}))
        .await
        .unwrap_err();
    assert!(first.is_closed());
    tokio::time::sleep(Duration::from_millis(5)).await;
    let second = bench.connect(&spec).await.unwrap();

    assert!(
        !Arc::ptr_eq(&first, &second),
        "another process is another transport"
    );
    assert_ne!(
        bench.call_on(&second, "pid", json!({})).await.unwrap(),
        before
    );
    let status = bench.status();
    assert_eq!((status.state, status.restarts), (ProcessState::Running, 1));
    assert_eq!(status.last_exit.as_deref(), Some("ended with exit code 0"));
}

#[tokio::test]
async fn a_command_that_answers_nothing_is_ended_after_the_start_timeout() {
    let bench = Bench::with(|config| config.start_timeout = Duration::from_secs(1));

    let failure = bench
        .call(&bench.spec(&["--silent"]), "echo", json!({}))
        .await
        .unwrap_err();

    let message = "the hosted server was stopped because it answered nothing within 1 s.";
    assert_eq!(failure, unreachable(message));
    testkit::hosted::until_gone(&bench.marker, Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_call_gives_up_at_its_deadline_while_the_start_goes_on() {
    let bench = Bench::new();
    let process = bench.connect(&bench.spec(&["--silent"])).await.unwrap();

    let deadline = Deadline::after(Duration::from_millis(100));
    let mut exchange = bench
        .begin(&process, "echo", json!({}), deadline)
        .await
        .unwrap();
    let failure = exchange.next().await.unwrap_err();

    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(failure.message, "the hosted server did not answer in time.");
    assert!(!process.is_closed());
    assert_eq!(bench.status().state, ProcessState::Starting);
}

#[tokio::test]
async fn first_calls_that_come_together_start_one_process() {
    let bench = Bench::new();
    let spec = bench.spec(&[]);

    let pids = futures_util::future::join_all(
        (0..8).map(|_| async { bench.call(&spec, "pid", json!({})).await.unwrap() }),
    )
    .await;

    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    let status = bench.status();
    assert_eq!((status.state, status.restarts), (ProcessState::Running, 0));
    assert_eq!(status.pid.map(u64::from), pids[0].as_u64());
}

#[tokio::test]
async fn a_newer_version_replaces_the_process() {
    let bench = Bench::new();
    let old = bench.spec(&[]);
    let new = Spec {
        version: 2,
        ..old.clone()
    };

    let before = bench.call(&old, "pid", json!({})).await.unwrap();
    let after = bench.call(&new, "pid", json!({})).await.unwrap();

    assert_ne!(before, after);
    assert_eq!(bench.processes().len(), 2, "the new process and its guard");
    assert_eq!(
        bench.call(&old, "pid", json!({})).await.unwrap(),
        after,
        "a late call of before"
    );
}

#[tokio::test]
async fn one_process_more_than_the_worker_may_run_is_refused() {
    let bench = Bench::with(|config| config.max_processes = 1);
    bench
        .call(&bench.spec(&[]), "pid", json!({}))
        .await
        .unwrap();

    let other = ConnectorId::new(TimeOrderedIds.next());
    let refused = bench
        .servers
        .connect(bench.tenant, other, 0, &bench.spec(&[]), in_time())
        .await;

    let failure = refused.err().unwrap();
    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Busy, Effect::None)
    );
    assert_eq!(
        failure.message,
        "this worker runs 1 hosted servers, no more."
    );
    bench.release().await;
    bench
        .servers
        .connect(bench.tenant, other, 0, &bench.spec(&[]), in_time())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_that_nobody_calls_makes_room_for_another_but_not_one_that_is_in_use() {
    let bench = Bench::with(|config| {
        config.max_processes = 1;
        config.evict_after = Duration::ZERO;
    });
    let (spec, other) = (bench.spec(&[]), ConnectorId::new(TimeOrderedIds.next()));
    let process = bench.connect(&spec).await.unwrap();
    let waiting = bench
        .begin(&process, "hang", json!({}), in_time())
        .await
        .unwrap();

    let refused = bench
        .servers
        .connect(bench.tenant, other, 0, &spec, in_time())
        .await;
    assert_eq!(refused.err().unwrap().kind, FailureKind::Busy);

    drop(waiting);
    bench
        .servers
        .connect(bench.tenant, other, 0, &spec, in_time())
        .await
        .unwrap();
    assert!(process.is_closed());
    assert_eq!(
        bench.status().last_exit.as_deref(),
        Some("was stopped because nobody called it and another needed its place")
    );
}

#[tokio::test]
async fn a_server_finds_its_own_environment_and_an_empty_private_folder() {
    let bench = Bench::new();
    let mut spec = bench.spec(&[]);
    spec.environment = BTreeMap::from([("GREETING".to_owned(), "grüß dich".to_owned())]);

    let environment = bench.call(&spec, "environment", json!({})).await.unwrap();
    let folder = bench.call(&spec, "folder", json!({})).await.unwrap();

    assert_eq!(environment["GREETING"], "grüß dich");
    let home = environment["HOME"].as_str().unwrap();
    assert!(
        home.ends_with(&format!("{}/{}/home", bench.tenant, bench.connector)),
        "{home}"
    );
    assert!(
        folder["path"].as_str().unwrap().ends_with("/work"),
        "{folder}"
    );
    assert_eq!(folder["files"], json!([]));
    assert!(
        environment.get("CARGO_MANIFEST_DIR").is_none(),
        "what the worker has is not passed"
    );
}

#[tokio::test]
async fn a_worker_that_drains_waits_for_calls_ends_its_servers_and_starts_no_more() {
    let bench = Bench::new();
    let spec = bench.spec(&[]);
    let process = bench.connect(&spec).await.unwrap();
    bench.call_on(&process, "pid", json!({})).await.unwrap();
    let waiting = bench
        .begin(&process, "hang", json!({}), in_time())
        .await
        .unwrap();

    bench.trigger.drain();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(!process.is_closed(), "a call is under way");
    drop(waiting);

    bench.process.tasks.finished().await;
    assert_eq!(bench.processes(), [0_u32; 0]);
    let failure = bench.connect(&spec).await.err().unwrap();
    assert_eq!(
        failure,
        unreachable("the worker ends: it starts no server.")
    );
}
