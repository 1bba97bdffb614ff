//! Nothing is left of a process tree, however it ends.

use fabric::ProcessState;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use testkit::hosted::until_gone;

use super::*;

/// The promise.
const PROMISED: Duration = Duration::from_secs(5);

/// Guard, server, its child, its daemon.
async fn whole_tree(bench: &Bench, args: &[&str]) -> Arc<HostedProcess> {
    let mut args = args.to_vec();
    args.push("--spawn");
    let process = bench.connect(&bench.spec(&args)).await.unwrap();
    bench.call_on(&process, "pid", json!({})).await.unwrap();
    assert_eq!(bench.processes().len(), 4, "guard, server, child, daemon");
    process
}

#[tokio::test]
async fn a_release_ends_children_daemons_and_a_server_that_ignores_sigterm() {
    let bench = Bench::new();
    whole_tree(&bench, &["--stubborn"]).await;

    let began = std::time::Instant::now();
    bench.release().await;

    assert_eq!(
        bench.processes(),
        [0_u32; 0],
        "gone when the release resolves"
    );
    assert!(began.elapsed() < PROMISED, "{:?}", began.elapsed());
    let status = bench.status();
    assert_eq!((status.state, status.pid), (ProcessState::Stopped, None));
    assert_eq!(
        status.last_exit.as_deref(),
        Some("was stopped by an administrator's change")
    );
}

#[tokio::test]
async fn a_well_behaved_server_ends_without_waiting() {
    let bench = Bench::with(|config| config.close_grace = Duration::from_secs(60));
    bench
        .call(&bench.spec(&[]), "pid", json!({}))
        .await
        .unwrap();

    let began = std::time::Instant::now();
    bench.release().await;

    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_server_that_nobody_calls_is_stopped_with_all_it_started_and_started_by_the_next_call() {
    let bench = Bench::with(|config| config.idle_timeout = Duration::from_secs(1));
    let process = whole_tree(&bench, &[]).await;

    until_gone(&bench.marker, PROMISED + Duration::from_secs(1)).await;

    assert!(process.is_closed());
    let status = bench.status();
    assert_eq!(status.state, ProcessState::Stopped);
    assert_eq!(
        status.last_exit.as_deref(),
        Some("was stopped because nobody called it")
    );
    bench
        .call(&bench.spec(&[]), "pid", json!({}))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_with_a_call_under_way_is_not_idle() {
    let bench = Bench::with(|config| config.idle_timeout = Duration::from_millis(500));
    let process = bench.connect(&bench.spec(&[])).await.unwrap();
    let waiting = bench
        .begin(&process, "hang", json!({}), in_time())
        .await
        .unwrap();

    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert!(!process.is_closed());

    drop(waiting);
    until("its end", || process.is_closed()).await;
}

#[tokio::test]
async fn a_server_that_ends_takes_along_what_it_started() {
    let bench = Bench::with(|config| config.term_grace = Duration::from_secs(3));
    let process = whole_tree(&bench, &[]).await;

    bench
        .call_on(&process, "die", json!({"code": 1}))
        .await
        .unwrap_err();
    assert_ne!(
        bench.processes(),
        [0_u32; 0],
        "callers do not wait for the cleaning"
    );

    until_gone(&bench.marker, PROMISED).await;
}

#[tokio::test]
async fn the_tree_dies_with_its_guard() {
    let bench = Bench::new();
    let process = whole_tree(&bench, &["--stubborn"]).await;
    let mut waiting = bench
        .begin(&process, "hang", json!({}), in_time())
        .await
        .unwrap();
    let server = bench.status().pid.unwrap();
    let guard = std::fs::read_to_string(format!("/proc/{server}/stat")).unwrap();
    let guard: i32 = guard
        .rsplit(") ")
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();

    kill_process(Pid::from_raw(guard).unwrap(), Signal::KILL).unwrap();

    let failure = waiting.next().await.unwrap_err();
    assert_eq!(
        failure.message,
        "the hosted server was ended because its guard ended."
    );
    until_gone(&bench.marker, PROMISED).await;
}

#[tokio::test]
async fn a_worker_that_must_end_ends_its_servers() {
    let bench = Bench::new();
    let process = whole_tree(&bench, &["--stubborn"]).await;
    let mut waiting = bench
        .begin(&process, "hang", json!({}), in_time())
        .await
        .unwrap();

    bench.trigger.end();

    let failure = waiting.next().await.unwrap_err();
    assert_eq!(
        failure.message,
        "the hosted server was stopped because the worker ends."
    );
    bench.process.tasks.finished().await;
    assert_eq!(bench.processes(), [0_u32; 0]);
}
