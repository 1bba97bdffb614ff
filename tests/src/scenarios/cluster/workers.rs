//! A worker is killed.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::cluster::{Stage, Traffic};
use crate::harness::{alive, descendants, eventually};

#[tokio::test]
async fn calls_go_on_and_a_hosted_server_comes_up_elsewhere() {
    let mut stage = Stage::open().await;
    stage.works().await;
    let (host, pid) = stage.host().await;
    let other = 1 - host;
    let tree = descendants(stage.cluster.workers[host].pid());
    assert!(tree.contains(&pid));
    let traffic = Traffic::start(&[&stage.legacy, &stage.modern], &[0, 1]).await;
    let own = stage.hosted.clone();
    let mut calls = JoinSet::new();
    calls.spawn(async move { own.call(0, "hold", json!({ "ms": 60_000 })).await });
    eventually(Duration::from_secs(5), "the call has begun", async || {
        let got = stage.hosted.call(1, "begun", json!({})).await;
        (got.text() == "1").then_some(())
    })
    .await;

    stage.cluster.workers[host].kill();
    let killed = Instant::now();
    let got = calls.join_next().await.unwrap().unwrap();
    println!("the call in flight ends after {:?}", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_secs(2));
    println!("with {got:?}");
    let text = format!("{got:?}");
    assert!(text.contains("may have"), "{text}");

    eventually(
        Duration::from_secs(10),
        "the server is up elsewhere",
        async || stage.echoes(&stage.hosted, 0).await.then_some(()),
    )
    .await;
    println!("the hosted server answers after {:?}", killed.elapsed());
    let (now, _) = stage.host().await;
    assert_eq!(now, other);
    let left = tree.iter().filter(|pid| alive(**pid)).count();
    assert_eq!(left, 0, "its processes are gone");
    let tally = traffic.take();
    println!("meanwhile: {tally:?}");
    // Of each client, the one call that the worker had, if it had one.
    assert!(tally.bad.values().sum::<usize>() <= 4, "{tally:?}");
    assert!(
        tally
            .bad
            .keys()
            .all(|how| how.contains("may have had an effect")),
        "{tally:?}"
    );
    let took = stage.cluster.workers[host].restart().await;
    println!("a worker is back after {took:?}");
    stage.works().await;
    stage.host().await;
    traffic.take().unharmed();
}

#[tokio::test]
async fn a_question_of_a_worker_that_died_gets_the_defined_error() {
    let mut stage = Stage::open().await;
    let (host, _) = stage.host().await;
    let question = stage.hosted.ask(0).await.unwrap();

    stage.cluster.workers[host].kill();
    let killed = Instant::now();
    let got = stage.hosted.answer(1, &question).await;

    println!(
        "a parked call ends after {:?} with {got:?}",
        killed.elapsed()
    );
    assert!(killed.elapsed() < Duration::from_secs(2));
    assert!(!got.is_result());
    let text = format!("{got:?}");
    assert!(text.contains("what became of it is unknown"), "{text}");
}

#[tokio::test]
async fn a_worker_that_is_stopped_fails_no_call() {
    let mut stage = Stage::open().await;
    stage.works().await;
    let all = [&stage.legacy, &stage.modern, &stage.hosted];
    let traffic = Traffic::start(&all, &[0, 1]).await;
    for worker in &mut stage.cluster.workers {
        let began = Instant::now();
        worker.stop().await;
        println!("{} has ended after {:?}", worker.name(), began.elapsed());
        worker.restart().await;
    }
    stage.works().await;
    let tally = traffic.take();
    println!("meanwhile: {tally:?}");
    tally.unharmed();
}

#[tokio::test]
async fn a_worker_that_stands_still_does_not_hold_calls_up_for_ever() {
    let stage = Stage::open().await;
    stage.works().await;
    let (host, _) = stage.host().await;
    let traffic = Traffic::start(&[&stage.legacy, &stage.modern], &[0, 1]).await;

    stage.cluster.workers[host].pause();
    let paused = Instant::now();
    let got = stage.hosted.call(0, "echo", json!({ "text": "hi" })).await;
    println!(
        "a call of its server ends after {:?}: {got:?}",
        paused.elapsed()
    );
    assert!(paused.elapsed() < Duration::from_secs(5));
    eventually(
        Duration::from_secs(5),
        "its server is up elsewhere",
        async || stage.echoes(&stage.hosted, 0).await.then_some(()),
    )
    .await;
    println!("the hosted server answers after {:?}", paused.elapsed());
    // What was under way there has ended by now.
    tokio::time::sleep(Duration::from_secs(4).saturating_sub(paused.elapsed())).await;
    let stuck = traffic.take();
    println!("calls meanwhile: {stuck:?}");
    // Of each client, the one call that was sent there before it was noticed.
    assert!(stuck.bad.values().sum::<usize>() <= 4, "{stuck:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let tally = traffic.take();
    println!("calls beside a worker that stands still: {tally:?}");
    tally.unharmed();
    assert!(tally.slowest < Duration::from_secs(1), "{tally:?}");

    stage.cluster.workers[host].resume();
    stage.works().await;
    eventually(Duration::from_secs(15), "it runs once again", async || {
        let pid = stage.hosted.call(0, "pid", json!({})).await;
        let again = stage.hosted.call(1, "pid", json!({})).await;
        (pid.text() == again.text()).then_some(())
    })
    .await;
}
