//! An upgrade: each process is told to end and started again, one after the other, under traffic.

use std::time::{Duration, Instant};

use serde_json::json;

use super::crowd::{Crowd, Front, open};
use crate::harness::cluster::{Cluster, Member, PAIR};
use crate::harness::{Api, eventually};

const SOON: Duration = Duration::from_secs(20);
/// Calls of callers in a second: a machine that builds something else can do that too.
const PACE: f64 = 100.0;

fn role(cluster: &mut Cluster, role: usize) -> &mut Vec<Member> {
    match role {
        0 => &mut cluster.gateways,
        1 => &mut cluster.workers,
        _ => &mut cluster.control_planes,
    }
}

/// A change whose answer says that all gateways that are there enforce it.
async fn waited(admin: &Api, enabled: bool) {
    for connector in ["legacy", "modern", "hosted"] {
        let path = format!("/tenants/acme/connectors/{connector}/tools/hold?wait=20");
        let answer = admin.patch(&path, &json!({ "enabled": enabled })).await;
        assert_eq!(answer.header("turnbuckle-enforced"), "true", "{answer:?}");
        answer.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_of_one_process_after_the_other_fails_no_call() {
    let mut stage = open().await;
    stage.works().await;
    let front = Front::looking_at(&stage.cluster.gateways);
    eventually(SOON, "the front sees all gateways", async || {
        front.is_whole().then_some(())
    })
    .await;
    let mut crowd = Crowd::gather(&stage, front.clone(), front.clone()).await;
    crowd.pace(PACE);
    tokio::time::sleep(Duration::from_secs(2)).await;

    let began = Instant::now();
    let mut enabled = false;
    for group in 0..3 {
        for number in 0..PAIR {
            let one = Instant::now();
            let admin = stage.cluster.admin(PAIR - 1 - number);
            let member = &mut role(&mut stage.cluster, group)[number];
            tokio::join!(member.stop(), waited(&admin, enabled));
            enabled = !enabled;
            let away = one.elapsed();
            member.restart().await;
            println!(
                "{}: ended after {away:?}, back after {:?}",
                member.name(),
                one.elapsed()
            );
            eventually(SOON, "all are ready", async || {
                for member in stage.cluster.members() {
                    if member.ready().await["status"] != "ready" {
                        return None;
                    }
                }
                front.is_whole().then_some(())
            })
            .await;
            crowd.assert_none_has_ended();
        }
    }
    println!("the upgrade took {:?}", began.elapsed());
    let admin = stage.cluster.admin(0);
    crowd
        .all_are_told(SOON, async || waited(&admin, enabled).await)
        .await;

    for (kind, count) in crowd.ledger.kinds() {
        println!("  {kind}: {count:?}");
    }
    crowd.ledger.assert_all_is_explained();
    for kind in [
        "modern call",
        "legacy call",
        "stream",
        "modern question",
        "legacy question",
    ] {
        let count = crowd.ledger.kinds().get(kind).copied().unwrap_or_default();
        assert!(count.good > 10, "{kind}: {count:?}");
    }
    drop(crowd);
    stage.works().await;
}
