//! What each role tells of how it stands with the others, while they come and go.

use std::time::Duration;

use serde_json::json;

use crate::harness::cluster::{Member, Stage};
use crate::harness::eventually;

const SOON: Duration = Duration::from_secs(30);

/// The sum of all samples whose line begins so and has every one of `labels`; none where there is
/// no such line.
pub(super) async fn total(member: &Member, name: &str, labels: &[&str]) -> Option<f64> {
    let text = member.operator().get("/metrics").await.text;
    let prefix = format!("turnbuckle_{name}");
    let samples = text.lines().filter(|line| {
        let rest = line.strip_prefix(&prefix);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    let values: Vec<f64> = samples
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

/// Waits until the sum is as it should be.
async fn becomes(member: &Member, name: &str, labels: &[&str], right: impl Fn(f64) -> bool) {
    let what = format!("{name}{labels:?} of {}", member.name());
    eventually(SOON, &what, async || {
        let now = total(member, name, labels).await;
        now.is_some_and(&right).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_role_tells_how_it_stands_with_the_others() {
    let mut stage = Stage::open().await;
    stage.works().await;

    // All are there, and each gateway enforces all.
    for control_plane in &stage.cluster.control_planes {
        for role in ["control-plane", "gateway", "worker"] {
            let role = format!("node_role=\"{role}\"");
            let ready = [&*role, "state=\"ready\""];
            becomes(control_plane, "cluster_nodes", &ready, |count| count == 2.0).await;
        }
        let behind = "cluster_node_revisions_behind";
        becomes(control_plane, behind, &[], |behind| behind == 0.0).await;
        becomes(control_plane, "change_hints_up", &[], |up| up == 1.0).await;
    }
    for gateway in &stage.cluster.gateways {
        becomes(gateway, "cache_circuits_open", &[], |open| open == 0.0).await;
    }
    let (mut held, mut ended) = (0.0, 0.0);
    for worker in &stage.cluster.workers {
        let calls = ["method=\"WorkerService/Execute\"", "code=\"ok\""];
        let calls = total(worker, "fabric_grpc_calls_total", &calls).await;
        ended += calls.unwrap_or_default();
        let leases = total(worker, "worker_leases_held", &[]).await.unwrap();
        held += leases;
        let oldest = total(worker, "worker_lease_oldest_seconds", &[]).await;
        assert_eq!(oldest.unwrap() > 0.0, leases > 0.0, "{oldest:?}, {leases}");
    }
    assert!(ended >= 6.0, "each connector through each gateway: {ended}");
    assert!(held >= 3.0, "one for each connector: {held}");

    // Redis goes.
    stage.cluster.redis().stop();
    for gateway in &stage.cluster.gateways {
        becomes(gateway, "cache_circuits_open", &[], |open| open == 1.0).await;
    }
    stage.cluster.redis().restart();
    for gateway in &stage.cluster.gateways {
        becomes(gateway, "cache_circuits_open", &[], |open| open == 0.0).await;
    }

    // NATS goes: a change cannot be told.
    stage.cluster.nats().stop();
    let teller = &stage.cluster.control_planes[0];
    becomes(teller, "change_hints_up", &[], |up| up == 0.0).await;
    let tenant = json!({ "slug": "late", "name": "late" });
    let admin = stage.cluster.admin(0);
    admin.post("/tenants", &tenant).await.expect(201);
    becomes(teller, "change_hints_dropped_total", &[], |lost| lost > 0.0).await;

    // A worker says nothing any more, and then no control-plane does.
    stage.cluster.workers[1].pause();
    let silent = ["node_role=\"worker\"", "state=\"silent\""];
    becomes(teller, "cluster_nodes", &silent, |count| count == 1.0).await;
    for control_plane in &stage.cluster.control_planes {
        control_plane.pause();
    }
    let gateway = &stage.cluster.gateways[0];
    becomes(gateway, "config_line_age_seconds", &[], |age| age > 5.0).await;
    for member in stage.cluster.members() {
        member.resume();
    }
    becomes(gateway, "config_line_age_seconds", &[], |age| age < 3.0).await;
}
