//! The limit of a key's calls, at gateways that share it in Redis, and while Redis is gone.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use super::smoke::any;
use crate::harness::cluster::{Cluster, Got, PAIR, Stage, Wire};
use crate::harness::eventually;

/// Calls of a key within a window.
const MOST: usize = 64;
/// Seconds.
const WINDOW: u64 = 8;
/// What each gateway lets through before it has asked: a thirty-second of the limit.
const UNASKED: usize = MOST / 32;

/// How a call ended: well, or refused until so many seconds have passed.
async fn call(wire: &Wire, gateway: usize) -> Result<(), u64> {
    match wire.call(gateway, "echo", json!({ "text": "hi" })).await {
        Got::Refused(429, text) => {
            let (_, again) = text.split_once("try again in ").unwrap();
            let (seconds, _) = again.split_once(" s").unwrap();
            Err(seconds.parse().unwrap())
        }
        got => {
            assert_eq!(got.text(), "hi");
            Ok(())
        }
    }
}

/// Waits for the beginning of a window.
async fn new_window(wire: &Wire) {
    let mut gateway = 0;
    loop {
        gateway = (gateway + 1) % PAIR;
        if let Err(seconds) = call(wire, gateway).await {
            assert!(seconds <= WINDOW);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            return;
        }
    }
}

/// How many of thrice as many calls as there may be get through.
async fn passed(wire: &Wire, gateway: impl Fn(usize) -> usize) -> usize {
    let mut calls = JoinSet::new();
    for n in 0..3 * MOST {
        let (wire, gateway) = (wire.clone(), gateway(n));
        calls.spawn(async move { call(&wire, gateway).await });
    }
    let ended = calls.join_all().await;
    ended.iter().filter(|ended| ended.is_ok()).count()
}

#[tokio::test]
async fn two_gateways_share_the_limit_of_a_key_and_keep_to_it_alone_while_redis_is_gone() {
    let mut cluster = Cluster::prepare();
    cluster.configure_further("gateway", |toml| {
        format!("{toml}\n[gateway.rate_limit]\nwindow = {WINDOW}\nper_key = {MOST}\n")
    });
    cluster.launch().await;
    let mut stage = Stage::on(cluster).await;
    let rival = stage.rival().await;
    let wire = stage.modern.clone();
    let shared = MOST..=MOST + PAIR * UNASKED;

    for _ in 0..2 {
        new_window(&wire).await;
        let together = passed(&wire, any).await;
        println!("together they let {together} of {MOST} through");
        assert!(shared.contains(&together), "{together}");
        assert!(call(&rival, 0).await.is_ok(), "another tenant's key");
    }

    stage.cluster.redis().stop();
    new_window(&wire).await;
    for gateway in 0..PAIR {
        let alone = passed(&wire, |_| gateway).await;
        println!("gateway {gateway} lets {alone} through without Redis");
        assert_eq!(alone, MOST);
        let ready = stage.cluster.gateways[gateway].ready().await;
        assert!(ready["degraded"]["redis"].is_string(), "{ready}");
    }

    stage.cluster.redis().restart();
    for gateway in &stage.cluster.gateways {
        eventually(Duration::from_secs(20), "Redis is used again", async || {
            gateway.ready().await["degraded"]["redis"]
                .is_null()
                .then_some(())
        })
        .await;
    }
    new_window(&wire).await;
    let together = passed(&wire, any).await;
    println!("and together {together} with it");
    assert!(shared.contains(&together), "{together}");
}
