//! How long a change takes until it is enforced on all gateways.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::cluster::{Cluster, Got, PAIR, Stage, Wire};
use crate::harness::eventually;

const SOON: Duration = Duration::from_secs(10);

/// How long it takes until a new tenant_user key works nowhere after it was revoked.
async fn revoke(cluster: &Cluster, wire: &Wire, through: usize) -> Duration {
    let (id, secret) = cluster.key("acme").await;
    let wire = wire.with_key(&secret);
    for gateway in 0..PAIR {
        eventually(SOON, "a new key works", async || {
            let got = wire.modern(gateway, "tools/list", json!({})).await;
            matches!(got, Got::Message(_)).then_some(())
        })
        .await;
    }
    let path = format!("/keys/{id}");
    let admin = cluster.admin(through);
    let began = Instant::now();
    let revoked = admin.delete(&path).await;
    assert!(revoked.status < 300, "{}", revoked.text);
    for gateway in 0..PAIR {
        eventually(SOON, "a revoked key is refused", async || {
            let got = wire.modern(gateway, "tools/list", json!({})).await;
            matches!(got, Got::Refused(401, _)).then_some(())
        })
        .await;
    }
    began.elapsed()
}

/// The same for a tool that is switched off and on.
async fn switch(cluster: &Cluster, wire: &Wire, enabled: bool, through: usize) -> Duration {
    let path = "/tenants/acme/connectors/legacy/tools/hold";
    let admin = cluster.admin(through);
    let began = Instant::now();
    let patch = json!({ "enabled": enabled });
    admin.patch(path, &patch).await.expect(200);
    for gateway in 0..PAIR {
        eventually(SOON, "the change is enforced", async || {
            let tools = wire.tools(gateway).await;
            (tools.contains(&"hold".to_owned()) == enabled).then_some(())
        })
        .await;
    }
    began.elapsed()
}

/// How long changes took, shortest first.
#[derive(Debug)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn longest(&self) -> Duration {
        self.0[self.0.len() - 1]
    }

    /// So many of a hundred took no longer. Of few, all.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let last = self.0.len() * percent / 100;
        self.0[last.min(self.0.len() - 1)]
    }
}

/// Makes twice so many changes, of keys and of tools, through both control-planes in turn.
pub(super) async fn measure(stage: &Stage, what: &str, pairs: usize) -> Times {
    let mut times = Vec::new();
    for n in 0..pairs {
        times.push(revoke(&stage.cluster, &stage.modern, n % PAIR).await);
        times.push(switch(&stage.cluster, &stage.legacy, n % 2 == 1, n % PAIR).await);
    }
    times.sort_unstable();
    let times = Times(times);
    println!(
        "a change is enforced on every gateway, {what}: p50 {:?}, p99 {:?}, longest of {} {:?}",
        times.percentile(50),
        times.percentile(99),
        2 * pairs,
        times.longest()
    );
    times
}

#[tokio::test]
async fn who_waits_for_a_change_is_answered_when_it_is_enforced_everywhere() {
    let mut stage = Stage::open().await;
    stage.works().await;
    let path = "/tenants/acme/connectors/legacy/tools/hold?wait=20";
    let mut longest = Duration::ZERO;
    for n in 0..20 {
        let began = Instant::now();
        let patch = json!({ "enabled": n % 2 == 1 });
        let answer = stage.cluster.admin(n % PAIR).patch(path, &patch).await;
        longest = longest.max(began.elapsed());
        assert_eq!(answer.header("turnbuckle-enforced"), "true");
        for gateway in 0..PAIR {
            let tools = stage.legacy.tools(gateway).await;
            assert_eq!(tools.contains(&"hold".to_owned()), n % 2 == 1);
        }
        answer.expect(200);
    }
    println!("an answer that was waited for comes after {longest:?} at most");
    assert!(longest < Duration::from_secs(2), "{longest:?}");

    // A gateway that died with the control-plane that knew it: the answer says who is missing.
    let dead = stage.cluster.gateways[0].node();
    stage.cluster.gateways[0].kill();
    stage.cluster.control_planes[0].kill();
    let began = Instant::now();
    let admin = stage.cluster.admin(1);
    let patch = json!({ "enabled": false });
    let answer = admin.patch(&path.replace("=20", "=3"), &patch).await;
    println!("a node that died is named after {:?}", began.elapsed());
    if answer.header("turnbuckle-enforced") == "false" {
        assert_eq!(answer.header("turnbuckle-behind"), dead);
        assert_eq!(answer.header("turnbuckle-silent"), dead);
    }
    let began = Instant::now();
    let patch = json!({ "enabled": true });
    let answer = admin.patch(path, &patch).await;
    println!("it is waited for no more after {:?}", began.elapsed());
    assert_eq!(answer.header("turnbuckle-enforced"), "true");
}
