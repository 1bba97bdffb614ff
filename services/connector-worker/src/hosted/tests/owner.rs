//! The owner is killed. It is this executable once more, running the one test here that is none.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::json;
use testkit::hosted::{processes_with, until_gone};

use super::*;

const SAYS: &str = "owner says ";

/// Starts an owner whose server has children and a daemon and ignores SIGTERM; gives what the
/// server finds in its environment.
#[expect(
    clippy::zombie_processes,
    reason = "who asked for it kills it and waits for it"
)]
fn start(marker: &str) -> (Child, BufReader<ChildStdout>, Value) {
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "hosted::tests::owner::owner_process",
            "--ignored",
            "--nocapture",
        ])
        .env("TURNBUCKLE_API_KEY", "tb_pa_secret")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("LC_TEST", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(owner.stdin.take().unwrap(), "{marker}").unwrap();
    let mut output = BufReader::new(owner.stdout.take().unwrap());
    loop {
        let mut line = String::new();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the owner ended");
        if let Some((_, said)) = line.split_once(SAYS) {
            return (owner, output, serde_json::from_str(said).unwrap());
        }
    }
}

#[tokio::test]
async fn the_whole_tree_is_gone_5_s_after_its_owner_was_killed() {
    let marker = format!("marker-{}", TimeOrderedIds.next().simple());
    let (mut owner, _output, _) = start(&marker);
    assert_eq!(
        processes_with(&marker).len(),
        4,
        "guard, server, child, daemon"
    );

    owner.kill().unwrap();
    owner.wait().unwrap();

    until_gone(&marker, Duration::from_secs(5)).await;
}

#[tokio::test]
async fn nothing_of_the_platforms_environment_reaches_a_server() {
    let marker = format!("marker-{}", TimeOrderedIds.next().simple());
    let (mut owner, _output, environment) = start(&marker);
    owner.kill().unwrap();
    owner.wait().unwrap();

    let names: Vec<&str> = environment
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert!(
        names.contains(&"PATH") && names.contains(&"LC_TEST"),
        "{names:?}"
    );
    assert!(!names.contains(&"AWS_SECRET_ACCESS_KEY"), "{names:?}");
    assert!(!environment.to_string().contains("tb_pa_secret"));
    let ours: Vec<&str> = names
        .into_iter()
        .filter(|name| name.starts_with("TURNBUCKLE_"))
        .collect();
    assert_eq!(
        ours,
        ["TURNBUCKLE_HOSTED_SERVER"],
        "the mark of this very process"
    );
    until_gone(&marker, Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_an_owner_killed_together_with_its_guard_left_is_ended_by_the_next_worker() {
    let marker = format!("marker-{}", TimeOrderedIds.next().simple());
    let (mut owner, _output, _) = start(&marker);
    let signal = |pid: u32, signal| {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    };
    let is_guard = |pid: &u32| {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        command.contains("--owner-pid")
    };
    let guard = processes_with(&marker).into_iter().find(is_guard).unwrap();

    // Stopped, so that neither can clean up after the other.
    signal(owner.id(), rustix::process::Signal::STOP);
    signal(guard, rustix::process::Signal::KILL);
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(
        !processes_with(&marker).is_empty(),
        "the daemon outlives them"
    );
    let next = Bench::new();

    until_gone(&marker, Duration::from_secs(5)).await;
    drop(next);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "no test: the process that the tests above kill; without their line it ends at once"]
async fn owner_process() {
    let mut marker = String::new();
    std::io::stdin().lock().read_line(&mut marker).unwrap();
    if marker.is_empty() {
        return;
    }
    let bench = Bench {
        marker: marker.trim().to_owned(),
        ..Bench::new()
    };
    let spec = bench.spec(&["--spawn", "--stubborn"]);
    let environment = bench.call(&spec, "environment", json!({})).await.unwrap();
    println!("{SAYS}{environment}");
    std::future::pending::<()>().await;
}
