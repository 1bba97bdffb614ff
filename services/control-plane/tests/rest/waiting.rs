//! What a change says of itself, and waiting until gateways enforce it; and the list of them.

use std::time::Duration;

use fabric::Role;
use serde_json::{Value, json};
use storage::Node;
use uuid::Uuid;

use crate::harness::{NOW, Plane};

/// A gateway that enforces `revision`, heard of just now.
async fn gateway(plane: &Plane, id: u128, revision: i64) {
    let node = Node {
        id: Uuid::from_u128(id),
        role: Role::Gateway,
        version: "1.2.3".to_owned(),
        address: "10.0.0.1:8000".to_owned(),
        started_at: NOW,
        enforced: revision,
        load: 0,
        capacity: 0,
        draining: false,
    };
    plane.storage.save_nodes(&[node]).await.unwrap();
}

#[tokio::test]
async fn every_change_says_its_revision_and_what_changes_nothing_says_none() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    plane.remote("acme", "up").await;
    let key = json!({"name": "k", "scope": "tenant_user", "tenant": "acme"});
    let connector = "/tenants/acme/connectors/up";
    let tool = format!("{connector}/tools/echo");

    for (method, path, body) in [
        ("POST", "/tenants", json!({"slug": "beta", "name": "b"})),
        ("PATCH", "/tenants/acme", json!({"name": "n"})),
        ("POST", "/tenants/acme/deactivate", Value::Null),
        ("POST", "/tenants/acme/activate", Value::Null),
        ("PATCH", connector, json!({"display_name": "n"})),
        ("PATCH", &tool, json!({"enabled": false})),
        (
            "POST",
            &format!("{connector}/tools/enable-all"),
            Value::Null,
        ),
        ("POST", &format!("{connector}/disable"), Value::Null),
        ("POST", &format!("{connector}/enable"), Value::Null),
        ("POST", "/keys", key),
        ("DELETE", connector, Value::Null),
        ("DELETE", "/tenants/acme", Value::Null),
    ] {
        let before = plane.storage.last_revision().await.unwrap();
        let answer = plane.ask(method, path, body).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        let said: i64 = answer
            .header("turnbuckle-revision")
            .unwrap()
            .parse()
            .unwrap();
        assert!(said > before, "{method} {path}: {said}");
        assert_eq!(answer.header("turnbuckle-enforced"), None);
    }
    for (method, path) in [("GET", "/tenants"), ("POST", "/tenants/nope/activate")] {
        let answer = plane.ask(method, path, Value::Null).await;
        assert_eq!(answer.header("turnbuckle-revision"), None, "{path}");
    }
}

#[tokio::test]
async fn a_reading_of_tools_says_the_revision_that_its_own_task_made() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    plane.remote("acme", "up").await;
    plane.workers.lists(Ok(vec![crate::harness::tool("new")]));

    let path = "/tenants/acme/connectors/up/tools/sync";
    let synced = plane.ask("POST", path, Value::Null).await;

    let newest = plane.storage.last_revision().await.unwrap().to_string();
    assert_eq!(synced.header("turnbuckle-revision"), Some(newest.as_str()));
    let again = plane.ask("POST", path, Value::Null).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.header("turnbuckle-revision"), None);
}

#[tokio::test]
async fn a_change_that_is_waited_for_says_whether_gateways_enforce_it() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    let rename = |wait: &str| (format!("/tenants/acme?{wait}"), json!({"name": "n"}));

    // Where there is but one process, it is in force at once.
    let (path, body) = rename("wait=true");
    let alone = plane.ask("PATCH", &path, body).await;
    assert_eq!(alone.header("turnbuckle-enforced"), Some("true"));

    let far_ahead = 1_000;
    gateway(&plane, 1, far_ahead).await;
    gateway(&plane, 2, 0).await;
    let (path, body) = rename("wait=0.05");
    let behind = plane.ask("PATCH", &path, body).await;
    assert_eq!(behind.status, 200, "the change stands");
    assert_eq!(behind.header("turnbuckle-enforced"), Some("false"));
    let id = Uuid::from_u128(2).to_string();
    assert_eq!(behind.header("turnbuckle-behind"), Some(id.as_str()));

    let (path, body) = rename("wait=30");
    let catches_up = async {
        tokio::task::yield_now().await;
        gateway(&plane, 2, far_ahead).await;
    };
    let (waited, ()) = tokio::join!(plane.ask("PATCH", &path, body), catches_up);
    assert_eq!(waited.header("turnbuckle-enforced"), Some("true"));
    assert_eq!(waited.header("turnbuckle-behind"), None);
}

#[tokio::test]
async fn what_was_done_already_is_waited_for_all_the_same() {
    let plane = Plane::new().await;
    gateway(&plane, 1, 0).await;
    let body = json!({"slug": "acme", "name": "a"});
    let authorization = format!("Bearer {}", plane.admin);
    let headers = [
        ("authorization", authorization.as_str()),
        ("idempotency-key", "once"),
    ];
    let path = "/tenants?wait=0";
    plane.ask_with(&headers, "POST", path, body.clone()).await;

    let again = plane.ask_with(&headers, "POST", path, body).await;

    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("turnbuckle-enforced"), Some("false"));
}

#[tokio::test]
async fn how_long_to_wait_is_checked_before_anything_happens() {
    let plane = Plane::new().await;
    for wait in ["wait=perhaps", "wait=31", "wait=-1", "wait=1&wait=2"] {
        let path = format!("/tenants?{wait}");
        let body = json!({"slug": "acme", "name": "a"});
        let refused = plane.ask("POST", &path, body.clone()).await;
        refused.expect_problem(400, "invalid-request");
        assert_eq!(refused.fields(), ["wait"], "{wait}");
        let rule = "must be true, false, or a number of seconds from 0 to 30";
        assert_eq!(refused.body["errors"][0]["rule"], rule);

        let stranger = plane.ask_as("tb_pa_nobody", "POST", &path, body).await;
        stranger.expect_problem(401, "unauthenticated");
    }
    assert_eq!(plane.get("/tenants").await.body["tenants"], json!([]));
}

#[tokio::test]
async fn one_process_lists_itself_to_the_platform_administrator_alone() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    let tenant_admin = plane.key("tenant_admin", "acme").await;
    plane.clock.advance(Duration::from_secs(60));

    let listed = plane.get("/nodes").await.expect(200);

    let nodes = listed["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 1, "{listed}");
    let node = &nodes[0];
    assert_eq!(node["role"], "all-in-one");
    assert_eq!(node["state"], "ready");
    assert_eq!(node["enforced_revision"], listed["newest_revision"]);
    assert_eq!(node["started_at"], "2026-01-01T00:00:00.123456Z");
    assert_eq!(node["last_seen_at"], "2026-01-01T00:01:00.123456Z");
    assert_eq!(
        (&node["address"], &node["load"]),
        (&Value::Null, &Value::Null)
    );
    let refused = plane
        .ask_as(&tenant_admin, "GET", "/nodes", Value::Null)
        .await;
    refused.expect_problem(403, "forbidden");
}
