use control_plane::Config;
use serde_json::{Value, json};

use crate::harness::{Plane, tool};

const UP: &str = "/tenants/acme/connectors/up";

#[tokio::test]
async fn what_was_not_read_before_the_end_is_read_at_the_next_start() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    plane.workers.gate.forget_permits(1_000);
    let body = json!({"slug": "up", "type": "remote_mcp", "config": {"url": "http://u/mcp"}});
    plane
        .ask("POST", "/tenants/acme/connectors", body)
        .await
        .expect(201);
    while plane.workers.times_asked() == 0 {
        tokio::task::yield_now().await;
    }

    let plane = plane.restart().await;

    assert_eq!(plane.synced(UP).await["sync"]["tools"], 2);
    // A second start finds nothing to do.
    let plane = plane.restart().await;
    assert_eq!(plane.synced(UP).await["sync"]["state"], "ok");
    assert_eq!(plane.workers.times_asked(), 0);
}

#[tokio::test]
async fn a_native_connector_gets_the_tools_of_a_new_version_at_the_next_start() {
    let plane = Plane::new().await;
    let tenant = plane.tenant("acme").await;
    let body = json!({"slug": "gh", "type": "fake", "prefix": "p"});
    let path = "/tenants/acme/connectors/gh";
    let connector = plane
        .ask("POST", "/tenants/acme/connectors", body)
        .await
        .expect(201);
    // As an older version would have left them.
    let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let rows = plane.storage.tenant(id(&tenant).parse().unwrap());
    let old = [tool("fake_one"), tool("fake_gone")];
    rows.replace_tools(
        id(&connector).parse().unwrap(),
        &old,
        None,
        crate::harness::NOW,
    )
    .await
    .unwrap();

    let plane = plane.restart().await;

    loop {
        let tools = plane.get(&format!("{path}/tools")).await.expect(200);
        if tools["tools"][1]["name"] == "fake_two" {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn mcp_servers_are_read_again_now_and_then() {
    let config = Config {
        sync_interval: std::time::Duration::from_secs(1),
        ..Config::default()
    };
    let plane = Plane::configured(storage::testing::sqlite().await, config).await;
    plane.tenant("acme").await;
    plane.remote("acme", "up").await;
    plane.workers.lists(Ok(vec![tool("later")]));
    loop {
        if plane.get(UP).await.expect(200)["sync"]["tools"] == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_tenant_has_200_connectors_at_most() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    let create = |n: usize| {
        let body = json!({"slug": format!("c{n}"), "type": "fake", "enabled": false});
        plane.ask("POST", "/tenants/acme/connectors", body)
    };
    for n in 0..200 {
        create(n).await.expect(201);
    }
    create(200).await.expect_problem(409, "limit-reached");
}
