//! All control-planes are gone.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::cluster::{Cluster, PAIR, Stage, Traffic};
use crate::harness::eventually;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn calls_go_on_without_a_control_plane_and_a_gateway_starts_from_disk() {
    let mut stage = Stage::open().await;
    stage.works().await;
    let all = [&stage.legacy, &stage.modern, &stage.hosted];
    let traffic = Traffic::start(&all, &[1]).await;

    for control_plane in &mut stage.cluster.control_planes {
        control_plane.kill();
    }
    for member in stage.cluster.gateways.iter().chain(&stage.cluster.workers) {
        eventually(SOON, "it says that it is degraded", async || {
            (member.ready().await["status"] == "degraded").then_some(())
        })
        .await;
    }
    let session = stage.modern.open(1).await;
    stage.cluster.gateways[0].kill();
    let took = stage.cluster.gateways[0].restart().await;
    println!("a gateway starts without a control-plane within {took:?}");
    let ready = stage.cluster.gateways[0].ready().await;
    assert_eq!(ready["status"], "degraded", "{ready}");
    stage.works().await;
    let got = session.call(0, "echo", json!({ "text": "hi" })).await;
    assert_eq!(got.text(), "hi");
    traffic.take().unharmed();

    let began = Instant::now();
    for control_plane in &mut stage.cluster.control_planes {
        control_plane.launch();
    }
    for control_plane in &mut stage.cluster.control_planes {
        control_plane.started().await;
    }
    let off = json!({ "enabled": false });
    let path = "/tenants/acme/connectors/legacy/tools/hold";
    stage.cluster.admin(0).patch(path, &off).await.expect(200);
    for gateway in 0..PAIR {
        eventually(SOON, "the change is enforced", async || {
            let tools = stage.legacy.tools(gateway).await;
            (!tools.contains(&"hold".to_owned())).then_some(())
        })
        .await;
    }
    println!("changes are enforced again after {:?}", began.elapsed());
    for member in stage.cluster.members() {
        eventually(SOON, "it is ready again", async || {
            (member.ready().await["status"] == "ready").then_some(())
        })
        .await;
    }
    traffic.take().unharmed();
}

#[tokio::test]
async fn two_control_planes_that_start_at_once_make_one_database() {
    let mut cluster = Cluster::prepare();
    cluster.launch().await;
    cluster.tenant("acme").await;
    for control_plane in 0..PAIR {
        let tenants = cluster
            .admin(control_plane)
            .get("/tenants")
            .await
            .expect(200);
        assert_eq!(tenants["tenants"][0]["slug"], "acme", "{tenants}");
    }
    // Both came up, so neither migrated what the other had; and one first key was made.
    let count = |sql: &str| cluster.sql(sql);
    assert_eq!(
        count("SELECT count(*) FROM api_keys WHERE tenant_id IS NULL"),
        "1"
    );
}
