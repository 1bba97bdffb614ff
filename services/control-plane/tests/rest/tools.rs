use serde_json::{Value, json};
use storage::testing::each_storage;

use crate::harness::{Plane, tool};

const TOOLS: &str = "/tenants/acme/connectors/up/tools";

fn states(tools: &Value) -> Vec<(String, bool)> {
    let tools = tools["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| {
            (
                tool["name"].as_str().unwrap().to_owned(),
                tool["enabled"].as_bool().unwrap(),
            )
        })
        .collect()
}

fn both(add: bool, echo: bool) -> Vec<(String, bool)> {
    vec![("add".to_owned(), add), ("echo".to_owned(), echo)]
}

#[tokio::test]
async fn tools_are_listed_and_switched_one_many_and_all() {
    for storage in each_storage().await {
        let plane = Plane::on(storage).await;
        plane.tenant("acme").await;
        plane.remote("acme", "up").await;

        assert_eq!(
            plane.get(&format!("{TOOLS}/echo")).await.expect(200),
            json!({
                "name": "echo", "exposed_name": "up_echo", "title": "Tool echo",
                "description": "does it", "enabled": true,
                "state": "approved", "hash": tool("echo").hash().to_string(), "pending_hash": null,
                "annotations": {"readOnlyHint": true}, "input_schema": {"type": "object"},
                "output_schema": null,
            })
        );
        let off = plane
            .ask("PATCH", &format!("{TOOLS}/echo"), json!({"enabled": false}))
            .await;
        assert_eq!(off.expect(200)["enabled"], false);
        assert_eq!(
            states(&plane.get(TOOLS).await.expect(200)),
            both(true, false)
        );

        let updates = json!({"updates": [{"name": "echo", "enabled": true}, {"name": "add", "enabled": false}]});
        let changed = plane
            .ask("POST", &format!("{TOOLS}/bulk-update"), updates)
            .await
            .expect(200);
        assert_eq!(states(&changed), both(false, true));

        let updates =
            json!({"updates": [{"name": "add", "enabled": true}, {"name": "no", "enabled": true}]});
        let refused = plane
            .ask("POST", &format!("{TOOLS}/bulk-update"), updates)
            .await;
        refused.expect_problem(422, "unknown-tools");
        assert_eq!(
            refused.body["errors"][0]["rule"],
            "\"no\" is no tool of the connector"
        );
        assert_eq!(
            states(&plane.get(TOOLS).await.expect(200)),
            both(false, true)
        );

        let all = plane
            .ask("POST", &format!("{TOOLS}/disable-all"), Value::Null)
            .await
            .expect(200);
        assert_eq!(states(&all), both(false, false));
        // A reading keeps what was decided.
        plane
            .ask("POST", &format!("{TOOLS}/sync"), Value::Null)
            .await
            .expect(200);
        assert_eq!(
            states(&plane.get(TOOLS).await.expect(200)),
            both(false, false)
        );
        let all = plane
            .ask("POST", &format!("{TOOLS}/enable-all"), Value::Null)
            .await
            .expect(200);
        assert_eq!(states(&all), both(true, true));

        let first = plane.get(&format!("{TOOLS}?page_size=1")).await.expect(200);
        let token = first["next_page_token"].as_str().unwrap();
        let last = plane
            .get(&format!("{TOOLS}?page_size=1&page_token={token}"))
            .await
            .expect(200);
        assert_eq!(states(&last), [("echo".to_owned(), true)]);
    }
}

#[tokio::test]
async fn unknown_tools_and_odd_changes_are_refused() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    plane.remote("acme", "up").await;
    plane
        .get(&format!("{TOOLS}/no"))
        .await
        .expect_problem(404, "tool-not-found");
    let unknown = plane
        .ask("PATCH", &format!("{TOOLS}/no"), json!({"enabled": true}))
        .await;
    unknown.expect_problem(404, "tool-not-found");
    let echo = json!({"name": "echo", "enabled": true});
    for body in [
        json!({"updates": []}),
        json!({"updates": [echo, echo]}),
        json!({}),
    ] {
        let refused = plane
            .ask("POST", &format!("{TOOLS}/bulk-update"), body)
            .await;
        refused.expect_problem(400, "invalid-request");
    }
    let updates = json!({"updates": [["echo", false]]});
    let refused = plane
        .ask("POST", &format!("{TOOLS}/bulk-update"), updates)
        .await;
    refused.expect_problem(400, "invalid-request");
    assert_eq!(
        refused.body["errors"],
        json!([{"field": "updates[0]", "rule": "must be an object"}])
    );
}
