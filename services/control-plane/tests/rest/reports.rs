use std::time::Duration;

use control_plane::Config;
use domain::{ConnectorId, TenantId, UpstreamInfo};
use fabric::{ConfigSource, UpstreamListener};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::harness::{Plane, tool};

const UP: &str = "/tenants/acme/connectors/up";

/// One that follows reports at once.
async fn eager() -> Plane {
    let config = Config {
        resync_delay: Duration::ZERO,
        resync_min_interval: Duration::ZERO,
        ..Config::default()
    };
    let plane = Plane::configured(storage::testing::sqlite().await, config).await;
    plane.tenant("acme").await;
    plane.remote("acme", "up").await;
    plane
}

async fn ids(plane: &Plane) -> (TenantId, ConnectorId) {
    let config = plane.plane.sources().tenant("acme").await.unwrap().unwrap();
    (config.tenant.id, config.connectors[0].connector.id)
}

#[tokio::test]
async fn an_upstream_that_says_its_tools_changed_is_read_again() {
    let plane = eager().await;
    let (tenant, connector) = ids(&plane).await;
    plane.workers.lists(Ok(vec![tool("other")]));

    for _ in 0..100 {
        plane.plane.sources().tools_changed(tenant, connector);
    }

    loop {
        let now = plane.get(UP).await.expect(200);
        if now["sync"]["tools"] == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
    let tools = plane.get(&format!("{UP}/tools")).await.expect(200);
    assert_eq!(tools["tools"][0]["name"], "other");
    // One whose connector is not there is of no consequence.
    let nobody = ConnectorId::new(uuid::Uuid::from_u128(4711));
    plane.plane.sources().tools_changed(tenant, nobody);
    plane.trigger.drain();
    plane.process.tasks.finished().await;
    assert_eq!(plane.workers.asked.lock().unwrap().get(&nobody), None);
}

#[tokio::test]
async fn reports_wait_for_their_time_and_end_with_the_process() {
    // A day of delay: nothing is read because of a report.
    let config = Config {
        resync_delay: Duration::from_secs(86_400),
        ..Config::default()
    };
    let plane = Plane::configured(storage::testing::sqlite().await, config).await;
    plane.tenant("acme").await;
    plane.remote("acme", "up").await;
    let (tenant, connector) = ids(&plane).await;
    let asked = plane.workers.times_asked();

    plane.plane.sources().tools_changed(tenant, connector);
    plane.trigger.drain();
    plane.process.tasks.finished().await;

    assert_eq!(plane.workers.times_asked(), asked);
}

#[tokio::test]
async fn what_an_upstream_says_of_itself_reaches_gateways_with_a_new_revision() {
    let plane = eager().await;
    let config = async || plane.plane.sources().tenant("acme").await.unwrap().unwrap();
    let before = config().await;
    assert_eq!(before.connectors[0].server, None);
    let info = UpstreamInfo {
        version: "2026-07-28".to_owned(),
        capabilities: RawValue::from_string(r#"{"prompts": {}}"#.to_owned()).unwrap(),
        instructions: Some("be kind".to_owned()),
        tool_list: None,
    };
    *plane.workers.server.lock().unwrap() = Some(info.clone());

    plane
        .ask("POST", &format!("{UP}/tools/sync"), Value::Null)
        .await
        .expect(200);

    let after = config().await;
    assert_eq!(after.connectors[0].server, Some(info));
    assert!(after.revision > before.revision);
    // A native connector has nothing but tools.
    let native = json!({"slug": "gh", "type": "fake"});
    plane
        .ask("POST", "/tenants/acme/connectors", native)
        .await
        .expect(201);
    assert_eq!(config().await.connectors[0].server, None);
}
