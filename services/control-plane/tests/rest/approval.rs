use std::sync::{Arc, Mutex};

use fabric::{ConfigListener, ConfigSource, Subject};
use serde_json::{Value, json};
use storage::testing::each_storage;

use crate::harness::{Plane, tool, tool_that};
use crate::log::Log;

const UP: &str = "/tenants/acme/connectors/up";
const SYNC: &str = "/tenants/acme/connectors/up/tools/sync";
const ECHO: &str = "/tenants/acme/connectors/up/tools/echo";

#[derive(Default)]
struct Heard(Mutex<Vec<Subject>>);

impl ConfigListener for Heard {
    fn changed(&self, subject: &Subject, _: i64) {
        self.0.lock().unwrap().push(subject.clone());
    }
}

/// Whether a gateway lists `echo`, and what its definition says.
async fn served(plane: &Plane) -> (bool, bool) {
    let config = plane.plane.sources().tenant("acme").await.unwrap().unwrap();
    let tools = &config.connectors[0].tools;
    let echo = tools.iter().find(|t| t.definition.name == "echo").unwrap();
    (
        echo.enabled,
        echo.definition.json.get().contains("deletes it"),
    )
}

/// A connector with `echo` changed by its upstream after the first reading.
async fn turned(plane: &Plane, on_change: &str) -> Value {
    plane.tenant("acme").await;
    plane.remote("acme", "up").await;
    plane
        .ask("PATCH", UP, json!({"on_change": on_change}))
        .await
        .expect(200);
    let turned = tool_that("echo", "deletes it");
    plane.workers.lists(Ok(vec![turned, tool("add")]));
    plane.ask("POST", SYNC, Value::Null).await.expect(200)
}

fn part(tool: &Value) -> Value {
    json!([tool["state"], tool["description"], tool["enabled"]])
}

#[tokio::test]
async fn a_held_tool_is_off_until_the_difference_was_seen_and_approved() {
    for storage in each_storage().await {
        let plane = Plane::on(storage).await;
        let connector = turned(&plane, "hold").await;
        assert_eq!(
            connector["sync"]["changed"],
            json!({"count": 1, "names": ["echo"]})
        );
        let held = plane.get(ECHO).await.expect(200);
        assert_eq!(part(&held), json!(["held", "does it", true]));
        assert_eq!(served(&plane).await, (false, false));
        // Being enabled is another matter.
        plane
            .ask("PATCH", ECHO, json!({"enabled": true}))
            .await
            .expect(200);
        assert_eq!(served(&plane).await, (false, false));

        let changes = plane.get(&format!("{ECHO}/changes")).await.expect(200);
        let (old, new) = (tool("echo"), tool_that("echo", "deletes it"));
        let text = |json: &str| serde_json::from_str::<Value>(json).unwrap();
        assert_eq!(
            changes,
            json!({
                "name": "echo", "state": "held",
                "hash": old.hash().to_string(), "pending_hash": new.hash().to_string(),
                "approved": text(old.json.get()), "pending": text(new.json.get()),
                "diff": [{"path": "/description", "before": "does it", "after": "deletes it"}],
                "diff_complete": true,
            })
        );

        let heard = Arc::new(Heard::default());
        plane.plane.sources().subscribe(heard.clone());
        let approve = format!("{ECHO}/approve");
        let seen = json!({"hash": changes["pending_hash"]});
        let approved = plane.ask("POST", &approve, seen.clone()).await.expect(200);
        assert_eq!(part(&approved), json!(["approved", "deletes it", true]));
        assert_eq!(heard.0.lock().unwrap().len(), 1);
        assert_eq!(served(&plane).await, (true, true));
        // Once more changes nothing.
        plane.ask("POST", &approve, seen).await.expect(200);
        plane.ask("POST", &approve, Value::Null).await.expect(200);
        assert_eq!(heard.0.lock().unwrap().len(), 1);
        let connector = plane.get(UP).await.expect(200);
        assert_eq!(connector["sync"]["changed"]["count"], 0);
        let changes = plane.get(&format!("{ECHO}/changes")).await.expect(200);
        assert_eq!(
            (&changes["pending"], &changes["diff"], &changes["hash"]),
            (&Value::Null, &json!([]), &approved["hash"])
        );
    }
}

#[tokio::test]
async fn a_change_is_served_and_marked_or_just_served_where_the_connector_says_so() {
    let plane = Plane::new().await;
    let connector = turned(&plane, "warn").await;
    assert_eq!(connector["sync"]["changed"]["names"], json!(["echo"]));
    let changed = plane.get(ECHO).await.expect(200);
    assert_eq!(part(&changed), json!(["changed", "deletes it", true]));
    assert_eq!(served(&plane).await, (true, true));
    let all = plane
        .ask("POST", &format!("{UP}/tools/approve-all"), Value::Null)
        .await
        .expect(200);
    assert_eq!(all["tools"].as_array().unwrap().len(), 1);
    assert_eq!(
        part(&all["tools"][0]),
        json!(["approved", "deletes it", true])
    );

    let plane = Plane::new().await;
    let connector = turned(&plane, "accept").await;
    assert_eq!(connector["sync"]["changed"]["count"], 0);
    let accepted = plane.get(ECHO).await.expect(200);
    assert_eq!(part(&accepted), json!(["approved", "deletes it", true]));
}

#[tokio::test]
async fn an_approval_of_something_else_is_refused() {
    let plane = Plane::new().await;
    turned(&plane, "hold").await;
    let approve = format!("{ECHO}/approve");
    for stale in [tool("echo"), tool_that("echo", "sends it")] {
        let body = json!({"hash": stale.hash().to_string()});
        let refused = plane.ask("POST", &approve, body).await;
        refused.expect_problem(409, "definition-changed");
    }
    for (body, field) in [
        (json!({"hash": "x"}), "hash"),
        (json!({"hash": 1}), "hash"),
        (json!({"sha": "x"}), "sha"),
    ] {
        let refused = plane.ask("POST", &approve, body).await;
        refused.expect_problem(400, "invalid-request");
        assert_eq!(refused.fields(), [field], "{}", refused.text);
    }
    for path in ["no/approve", "no/changes"] {
        let method = if path.ends_with('s') { "GET" } else { "POST" };
        let path = format!("{UP}/tools/{path}");
        let refused = plane.ask(method, &path, Value::Null).await;
        refused.expect_problem(404, "tool-not-found");
    }
    assert_eq!(served(&plane).await, (false, false));

    // The rule for changes is the connector's, and a native one has no choice.
    let native = json!({"slug": "gh", "type": "fake"});
    let native = plane
        .ask("POST", "/tenants/acme/connectors", native)
        .await
        .expect(201);
    assert_eq!(native["on_change"], "accept");
    for (connector, rule) in [("gh", "warn"), ("up", "ask")] {
        let path = format!("/tenants/acme/connectors/{connector}");
        let refused = plane.ask("PATCH", &path, json!({"on_change": rule})).await;
        refused.expect_problem(400, "invalid-request");
        assert_eq!(refused.fields(), ["on_change"], "{}", refused.text);
    }
}

#[tokio::test]
async fn another_rule_holds_for_what_waits_already() {
    let plane = Plane::new().await;
    turned(&plane, "hold").await;

    let relaxed = plane.ask("PATCH", UP, json!({"on_change": "accept"})).await;
    let relaxed = relaxed.expect(200);
    assert_eq!(
        (&relaxed["on_change"], &relaxed["sync"]["state"]),
        (&json!("accept"), &json!("pending"))
    );
    plane.synced(UP).await;
    assert_eq!(served(&plane).await, (true, true));

    let back = plane.ask("PATCH", UP, json!({"on_change": null})).await;
    assert_eq!(back.expect(200)["on_change"], "hold");
}

#[tokio::test]
async fn a_change_is_logged_once_with_the_names_of_its_tools() {
    for (rule, said) in [
        ("hold", "they are held back until they are approved"),
        (
            "warn",
            "they are served with a change that nobody has approved",
        ),
    ] {
        let (log, _guard) = Log::keep();
        let plane = Plane::new().await;
        turned(&plane, rule).await;
        plane.ask("POST", SYNC, Value::Null).await.expect(200);

        let text = log.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(said)).collect();
        assert_eq!(lines.len(), 1, "{text}");
        let names = lines[0].contains("names=[\"echo\"]");
        assert!(lines[0].contains("WARN") && names, "{}", lines[0]);
    }
}
