use control_plane::Config;
use serde_json::{Value, json};

use crate::harness::{Plane, failure, tool};

const SYNC: &str = "/tenants/acme/connectors/up/tools/sync";
const UP: &str = "/tenants/acme/connectors/up";

#[tokio::test]
async fn a_failed_reading_keeps_the_tools_and_says_why() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    plane.remote("acme", "up").await;

    plane.workers.lists(Err(failure("connection refused")));
    let failed = plane.ask("POST", SYNC, Value::Null).await;
    failed.expect_problem(502, "upstream-failed");
    assert!(
        failed.body["detail"]
            .as_str()
            .unwrap()
            .contains("connection refused")
    );
    let connector = plane.get(UP).await.expect(200);
    assert_eq!(
        connector["sync"],
        json!({
            "state": "failed", "at": "2026-01-01T00:00:00.123456Z",
            "error": "connection refused", "tools": 2, "changed": {"count": 0, "names": []},
        })
    );
    let tools = plane.get(&format!("{UP}/tools")).await.expect(200);
    assert_eq!(tools["tools"].as_array().unwrap().len(), 2);

    plane.workers.lists(Ok(vec![tool("other")]));
    let synced = plane.ask("POST", SYNC, Value::Null).await.expect(200);
    assert_eq!(
        (&synced["sync"]["error"], &synced["sync"]["tools"]),
        (&Value::Null, &json!(1))
    );
}

#[tokio::test]
async fn creation_with_wait_answers_after_the_first_reading_either_way() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    plane.workers.lists(Err(failure("no such host")));
    let connector = plane.remote("acme", "up").await;
    assert_eq!(connector["sync"]["state"], "failed");
    assert_eq!(connector["sync"]["error"], "no such host");
}

#[tokio::test]
async fn creation_with_wait_waits_for_the_reading_that_it_began_and_begins_no_other() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    plane.workers.lists(Err(failure("exit code 0")));
    for n in 1..=20 {
        let connector = plane.remote("acme", &format!("up{n}")).await;
        assert_eq!(connector["sync"]["error"], "exit code 0");
        assert_eq!(plane.workers.times_asked(), n);
    }
}

#[tokio::test]
async fn a_tool_named_twice_counts_once_and_too_many_are_cut() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    let mut tools: Vec<_> = (0..2_001).map(|n| tool(&format!("t{n}"))).collect();
    tools.insert(0, tool("t0"));
    plane.workers.lists(Ok(tools));
    assert_eq!(plane.remote("acme", "up").await["sync"]["tools"], 2_000);
}

#[tokio::test]
async fn readings_of_one_connector_are_never_beside_each_other() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    plane.remote("acme", "up").await;
    plane.workers.gate.forget_permits(1_000);
    let asked = plane.workers.times_asked();

    let all = (0..20).map(|_| plane.ask("POST", SYNC, Value::Null));
    let all = futures_util::future::join_all(all);
    let open = async {
        while plane.workers.times_asked() == asked {
            tokio::task::yield_now().await;
        }
        plane.workers.gate.add_permits(1_000);
    };
    let (answers, ()) = tokio::join!(all, open);

    assert!(answers.iter().all(|answer| answer.status == 200));
    // The one that was under way, and one for all who came after it had asked.
    let times = plane.workers.times_asked() - asked;
    assert!((1..=2).contains(&times), "{times}");
}

#[tokio::test]
async fn an_upstream_that_hangs_is_given_up_at_the_deadline() {
    // Two minutes by default.
    let config = Config {
        sync_deadline: std::time::Duration::from_secs(1),
        ..Config::default()
    };
    let plane = Plane::configured(storage::testing::sqlite().await, config).await;
    plane.tenant("acme").await;
    plane.workers.gate.forget_permits(1_000);
    let connector = plane.remote("acme", "up").await;
    assert_eq!(
        connector["sync"]["error"],
        "its tools did not come within 1 s"
    );
}

#[tokio::test]
async fn disabled_connectors_are_not_read() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    let body = json!({
        "slug": "up", "type": "remote_mcp", "config": {"url": "http://u/"}, "enabled": false,
    });
    let path = "/tenants/acme/connectors?wait=true";
    let created = plane.ask("POST", path, body).await.expect(201);
    assert_eq!(created["sync"]["state"], "pending");
    plane
        .ask("POST", SYNC, Value::Null)
        .await
        .expect_problem(409, "connector-disabled");
    assert_eq!(plane.workers.times_asked(), 0);

    plane
        .ask("POST", &format!("{UP}/enable"), Value::Null)
        .await
        .expect(200);
    plane.ask("POST", SYNC, Value::Null).await.expect(200);
    assert!(plane.workers.times_asked() >= 1);
}

#[tokio::test]
async fn connectors_of_a_deactivated_tenant_are_not_read() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    plane.remote("acme", "up").await;
    plane
        .ask("POST", "/tenants/acme/deactivate", Value::Null)
        .await
        .expect(200);
    // Whatever reading was under way ends with the process; the next one begins none.
    let plane = plane.restart().await;
    plane
        .ask("POST", SYNC, Value::Null)
        .await
        .expect_problem(409, "tenant-inactive");
    assert_eq!(plane.workers.times_asked(), 0);
}
