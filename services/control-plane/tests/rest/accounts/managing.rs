//! Accounts that there are.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::oauth::Fault;

use super::rig::{CONNECTOR, Rig};

const NONE: Value = Value::Null;

fn one(account: &Value) -> String {
    format!("{CONNECTOR}/accounts/{}", account["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_user_sees_and_ends_no_account_but_its_own() {
    let rig = Rig::new("gitlab").await;
    let tenants = rig.connect(&rig.admin, NONE).await;
    let own = rig.connect(&rig.user, NONE).await;
    assert_eq!((tenants.len(), own.len()), (1, 1));
    assert_eq!(tenants[0]["key"], NONE);
    assert!(own[0]["key"].is_string());
    assert_eq!(rig.accounts(&rig.admin).await.len(), 2);
    let other = rig.plane.key("tenant_user", "acme").await;

    for (method, body) in [
        ("GET", NONE),
        ("PATCH", json!({"name": "x"})),
        ("DELETE", NONE),
    ] {
        for account in [&tenants[0], &own[0]] {
            let tried = rig
                .plane
                .ask_as(&other, method, &one(account), body.clone())
                .await;
            tried.expect_problem(404, "account-not-found");
        }
    }
    let (begun, _) = rig.begin(&rig.user, NONE).await;
    let path = format!("{CONNECTOR}/connections/{}", begun["id"].as_str().unwrap());
    let tried = rig.plane.ask_as(&other, "GET", &path, NONE).await;
    tried.expect_problem(404, "connection-not-found");
    let path = format!("{CONNECTOR}/connections");
    let for_another = json!({"key": own[0]["key"]});
    let tried = rig.plane.ask_as(&other, "POST", &path, for_another).await;
    tried.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn an_account_that_is_disconnected_ends_here_whatever_its_provider_says() {
    let rig = Rig::new("gitlab").await;
    let accounts = rig.connect(&rig.user, NONE).await;
    let ended = rig
        .plane
        .ask_as(&rig.user, "DELETE", &one(&accounts[0]), NONE)
        .await;
    assert_eq!(ended.expect(200)["provider"], "revoked");
    assert!(rig.provider.counts().revocations >= 1);

    let accounts = rig.connect(&rig.user, NONE).await;
    rig.provider.away(true);
    let ended = rig
        .plane
        .ask_as(&rig.user, "DELETE", &one(&accounts[0]), NONE)
        .await;
    assert_eq!(ended.expect(200)["provider"], "failed");
    assert_eq!(rig.accounts(&rig.user).await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_is_deleted_ends_its_accounts_at_their_providers() {
    for what in ["connector", "key", "tenant"] {
        let rig = Rig::new("gitlab").await;
        let accounts = rig.connect(&rig.user, NONE).await;
        let key = format!("/keys/{}", accounts[0]["key"].as_str().unwrap());
        let (path, status) = match what {
            "connector" => (CONNECTOR, 204),
            "key" => (key.as_str(), 200),
            _ => ("/tenants/acme", 204),
        };

        rig.plane.ask("DELETE", path, NONE).await.expect(status);

        let mut waited = 0;
        while rig.provider.counts().revocations == 0 {
            waited += 1;
            assert!(waited < 500, "the provider hears of the deleted {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if what == "key" {
            assert_eq!(rig.accounts(&rig.admin).await, Vec::<Value>::new());
        }
    }
}

#[tokio::test]
async fn a_provider_that_never_answers_holds_no_deletion_up() {
    let rig = Rig::new("gitlab").await;
    rig.connect(&rig.admin, NONE).await;
    rig.provider.fail_always(Some(Fault::Hold));
    let deleted = rig.plane.ask("DELETE", CONNECTOR, NONE);
    let deleted = tokio::time::timeout(Duration::from_secs(2), deleted).await;
    deleted.unwrap().expect(204);
}

#[tokio::test]
async fn tokens_that_people_have_are_accounts_too_and_one_of_them_is_preferred() {
    let rig = Rig::new("gitlab").await;
    let path = format!("{CONNECTOR}/accounts");
    let create = |body| rig.plane.ask_as(&rig.user, "POST", &path, body);
    let first = create(json!({"name": "one", "token": "hunter2-token"})).await;
    assert!(!first.text.contains("hunter2"), "{}", first.text);
    let first = first.expect(201);
    let second = create(json!({"name": "two", "username": "u", "password": "p"})).await;
    let second = second.expect(201);
    let preferred = |account: &Value| account["preferred"].as_bool().unwrap();
    assert!(preferred(&second) && !preferred(&rig.accounts(&rig.user).await[0]));

    let body = json!({"preferred": true, "name": "uno"});
    let changed = rig
        .plane
        .ask_as(&rig.user, "PATCH", &one(&first), body)
        .await;
    assert_eq!(changed.expect(200)["name"], "uno");
    let now = rig.accounts(&rig.user).await;
    assert!(preferred(&now[0]) && !preferred(&now[1]));

    create(json!({"name": "uno", "token": "t"}))
        .await
        .expect_problem(409, "name-taken");
    for (wrong, field) in [
        (json!({"name": "x"}), "token"),
        (json!({"name": "x", "token": "a\nb"}), "token"),
        (json!({"name": "", "token": "t"}), "name"),
        (
            json!({"name": "x", "username": "u:v", "password": "p"}),
            "username",
        ),
        (
            json!({"name": "x", "token": "t", "variables": {"site": "../x"}}),
            "variables",
        ),
    ] {
        assert_eq!(create(wrong).await.fields(), [field]);
    }
    let unprefer = json!({"preferred": false});
    let refused = rig
        .plane
        .ask_as(&rig.user, "PATCH", &one(&first), unprefer)
        .await;
    assert_eq!(refused.fields(), ["preferred"]);
    let ended = rig
        .plane
        .ask_as(&rig.user, "DELETE", &one(&first), NONE)
        .await;
    assert_eq!(ended.expect(200)["provider"], "not_ours");
    assert!(
        preferred(&rig.accounts(&rig.user).await[0]),
        "another takes over"
    );
}

#[tokio::test]
async fn a_credential_says_where_its_calls_go_when_nothing_else_does() {
    let rig = Rig::new("jira").await;
    let path = format!("{CONNECTOR}/accounts");
    let account = |variables: Value| {
        let body = json!({
            "name": "a", "username": "ada@example.com", "password": "p", "variables": variables,
        });
        rig.plane.ask("POST", &path, body)
    };

    let lost = account(json!({})).await;
    assert_eq!(lost.fields(), ["variables"]);
    let rule = lost.body["errors"][0]["rule"].as_str().unwrap();
    assert!(
        rule.contains("site, for https://{site}.atlassian.net"),
        "{rule}"
    );
    let said = account(json!({"site": "acme"})).await.expect(201);
    assert_eq!(said["variables"], json!({"site": "acme"}));

    // A token of the connector itself says nothing either.
    let connector = |slug: &str, config: Value| {
        let body = json!({
            "slug": slug, "type": "jira", "prefix": slug, "config": config,
            "secrets": {"token": "ada@example.com:p"}, "enabled": false,
        });
        rig.plane.ask("POST", "/tenants/acme/connectors", body)
    };
    let lost = connector("d", json!({})).await;
    assert_eq!(lost.fields(), ["config.base_url"]);
    let rule = lost.body["errors"][0]["rule"].as_str().unwrap();
    assert!(
        rule.contains("your own site, e.g. https://{site}"),
        "{rule}"
    );
    let site = json!({"base_url": "https://acme.atlassian.net"});
    connector("d", site).await.expect(201);
    let removed = json!({"config": null});
    let path = "/tenants/acme/connectors/d";
    let lost = rig.plane.ask("PATCH", path, removed).await;
    assert_eq!(lost.fields(), ["config.base_url"]);
    let token = json!({"secrets": {"token": "t:p"}});
    let lost = rig.plane.ask("PATCH", CONNECTOR, token).await;
    assert_eq!(lost.fields(), ["config.base_url"]);
}
