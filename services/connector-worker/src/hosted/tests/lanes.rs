//! Several processes of one connector, and what a process says that is no answer.

use fabric::{FailureKind, ProcessState};
use serde_json::json;

use super::*;

#[tokio::test]
async fn lanes_are_processes_of_their_own_that_share_a_home_and_what_they_said() {
    let bench = Bench::new();
    let first = bench.connect(&bench.spec(&[])).await.unwrap();
    let other = bench.connect_lane(3, &bench.spec(&[])).await.unwrap();

    let mut folders = Vec::new();
    for process in [&first, &other] {
        let folder = bench.call_on(process, "folder", json!({})).await.unwrap();
        let environment = bench.call_on(process, "environment", json!({})).await;
        folders.push((
            folder["path"].as_str().unwrap().to_owned(),
            environment.unwrap()["HOME"].clone(),
        ));
        bench
            .call_on(process, "complain", json!({"lines": 1}))
            .await
            .unwrap();
    }

    assert!(folders[0].0.ends_with("/work"), "{folders:?}");
    assert!(folders[1].0.ends_with("/lanes/3/work"), "{folders:?}");
    assert_eq!(folders[0].1, folders[1].1);
    until("both complaints", || bench.stderr().len() == 2).await;

    other.close();
    until("the other lane's end", || *other.gone.borrow()).await;
    assert_eq!(bench.status().state, ProcessState::Running);
    assert_eq!(
        bench.call_on(&first, "pid", json!({})).await.unwrap(),
        bench.status().pid.unwrap()
    );
}

#[tokio::test]
async fn the_status_is_of_a_lane_that_runs_and_a_release_ends_all() {
    let bench = Bench::new();
    let first = bench.connect(&bench.spec(&[])).await.unwrap();
    let other = bench.connect_lane(1, &bench.spec(&[])).await.unwrap();
    let pid = bench.call_on(&other, "pid", json!({})).await.unwrap();
    bench.call_on(&first, "pid", json!({})).await.unwrap();

    first.close();
    until("the first lane's end", || *first.gone.borrow()).await;
    assert_eq!(bench.status().pid.map(|pid| json!(pid)), Some(pid));

    bench.connect(&bench.spec(&[])).await.unwrap();
    bench.release().await;
    assert!(bench.processes().is_empty());
    assert_eq!(bench.status().state, ProcessState::Stopped);
}

#[tokio::test]
async fn lanes_count_as_the_processes_they_are() {
    let bench = Bench::with(|config| config.max_processes = 1);
    let _first = bench.connect(&bench.spec(&[])).await.unwrap();

    let refused = bench.connect_lane(1, &bench.spec(&[])).await.err().unwrap();

    assert_eq!(refused.kind, FailureKind::Busy);
}

#[tokio::test]
async fn forgetting_a_connector_removes_the_folders_of_all_lanes() {
    let bench = Bench::new();
    let other = bench.connect_lane(1, &bench.spec(&[])).await.unwrap();
    let folder = bench.call_on(&other, "folder", json!({})).await.unwrap();
    let folder = PathBuf::from(folder["path"].as_str().unwrap());
    assert!(folder.is_dir());

    bench.servers.forget(bench.tenant, bench.connector).await;

    assert!(!folder.exists());
    assert_eq!(bench.servers.status(bench.tenant, bench.connector), None);
}

#[tokio::test]
async fn who_waits_for_a_process_hears_of_one_in_any_lane_and_starts_none() {
    let bench = Bench::new();
    let running = bench.servers.until_running(bench.tenant, bench.connector);
    let mut running = std::pin::pin!(running);
    assert!(futures_util::poll!(&mut running).is_pending());
    assert!(bench.processes().is_empty());

    let _process = bench.connect_lane(2, &bench.spec(&[])).await.unwrap();

    running.await;
}

#[tokio::test]
async fn what_belongs_to_no_call_can_be_had_once_and_never_holds_the_calls_back() {
    let bench = Bench::new();
    let process = bench.connect(&bench.spec(&[])).await.unwrap();
    for n in 0..300 {
        let method = format!("notifications/x/{n}");
        bench
            .call_on(&process, "announce", json!({"method": method}))
            .await
            .unwrap();
    }

    let flood = json!({"requests": 260, "replies": 4});
    let replies = bench.call_on(&process, "flood", flood).await.unwrap();

    let expected: Vec<Value> = (256..260)
        .map(|n| {
            json!({"jsonrpc": "2.0", "id": format!("flood-{n}"),
                   "error": {"code": -32_603, "message": "too many requests at once"}})
        })
        .collect();
    assert_eq!(replies, json!(expected));
    let mut heard = process
        .unsolicited(HeaderMap::new())
        .await
        .unwrap()
        .unwrap();
    assert!(
        process
            .unsolicited(HeaderMap::new())
            .await
            .unwrap()
            .is_none()
    );
    for n in 0..256 {
        let message: Value = serde_json::from_slice(&heard.next().await.unwrap().unwrap()).unwrap();
        assert_eq!(message["id"], format!("flood-{n}"));
    }
    bench.release().await;
    assert_eq!(heard.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_process_that_is_held_is_not_idle() {
    let bench = Bench::with(|config| config.idle_timeout = Duration::from_millis(200));
    let held = bench.connect_lane(1, &bench.spec(&[])).await.unwrap();
    let hold = held.hold();
    for _ in 0..2 {
        let idle = bench.connect(&bench.spec(&[])).await.unwrap();
        until("the other's end", || *idle.gone.borrow()).await;
    }
    assert!(!held.is_closed());

    drop(hold);

    until("its end", || *held.gone.borrow()).await;
}
