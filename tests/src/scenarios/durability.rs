//! What was acknowledged stays.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Api, NodeServer, Platform, eventually};

#[tokio::test]
async fn a_restart_keeps_everything() {
    let upstream = NodeServer::modern().await;
    let platform = Platform::start().await;
    let user = platform.tenant("acme").await;
    let secrets = json!({ "token": "kept-token", "headers": { "x-kept": "yes" } });
    let connector = json!({
        "slug": "up", "type": "remote_mcp", "config": { "url": upstream.url }, "secrets": secrets,
    });
    platform.connector("acme", &connector).await;
    let tool = "/tenants/acme/connectors/up/tools/get-tiny-image";
    platform
        .admin()
        .patch(tool, &json!({ "enabled": false }))
        .await
        .expect(200);
    let admin_key = platform.home().admin_key();
    let session = platform.mcp("acme", &user).open().await;
    let paths = [
        "/tenants",
        "/tenants/acme/connectors",
        "/tenants/acme/connectors/up/tools",
        "/keys",
    ];
    let before = read(&platform.admin(), &paths).await;

    let platform = platform.stop().await.start().await;

    assert_eq!(
        platform.home().admin_key(),
        admin_key,
        "the admin key is made once"
    );
    assert_eq!(read(&platform.admin(), &paths).await, before);
    let mcp = platform.mcp("acme", &user);
    let answer = mcp.call("up_echo", json!({ "message": "again" })).await;
    assert_eq!(answer["result"]["content"][0]["text"], "Echo: again");
    assert!(
        !mcp.tools().await.contains(&"up_get-tiny-image".to_owned()),
        "off stays off"
    );
    let ended = session.through(&mcp).request("tools/list", json!({})).await;
    assert_eq!(
        ended.status, 404,
        "a session ends with its process, and its client starts anew"
    );
}

#[tokio::test]
async fn a_kill_at_any_moment_loses_no_acknowledged_write() {
    let mut platform = Platform::start().await;
    let mut acknowledged = BTreeSet::new();

    for round in 0..4 {
        let mut writers = JoinSet::new();
        for writer in 0..4 {
            let admin = platform.admin();
            writers.spawn(async move { write_until_dead(&admin, round, writer).await });
        }
        let enough = acknowledged.len() + 10;
        let admin = platform.admin();
        eventually(
            Duration::from_secs(60),
            "some writes are acknowledged",
            async || (slugs(&admin).await.len() >= enough).then_some(()),
        )
        .await;

        let home = platform.kill();
        for written in writers.join_all().await {
            acknowledged.extend(written);
        }
        platform = home.start().await;

        let kept = slugs(&platform.admin()).await;
        let lost: Vec<&String> = acknowledged.difference(&kept).collect();
        assert!(
            lost.is_empty(),
            "round {round}: acknowledged and gone: {lost:?}"
        );
    }
}

/// Creates tenants until the connection breaks; returns those that were acknowledged.
async fn write_until_dead(admin: &Api, round: u32, writer: u32) -> Vec<String> {
    let mut written = Vec::new();
    for n in 0..10_000 {
        let slug = format!("t-{round}-{writer}-{n}");
        let tenant = json!({ "slug": slug, "name": slug });
        let request = admin
            .request(reqwest::Method::POST, "/tenants")
            .json(&tenant);
        match request.send().await {
            Ok(answer) if answer.status() == 201 => written.push(slug),
            Ok(answer) => panic!("{}: {}", answer.status(), answer.text().await.unwrap()),
            Err(_) => break,
        }
    }
    written
}

/// All tenants, over all pages.
async fn slugs(admin: &Api) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut path = "/tenants?page_size=500".to_owned();
    loop {
        let page = admin.get(&path).await.expect(200);
        for tenant in page["tenants"].as_array().unwrap() {
            found.insert(tenant["slug"].as_str().unwrap().to_owned());
        }
        match page["next_page_token"].as_str() {
            Some(token) => path = format!("/tenants?page_size=500&page_token={token}"),
            None => return found,
        }
    }
}

async fn read(admin: &Api, paths: &[&str]) -> Vec<Value> {
    let mut all = Vec::new();
    for path in paths {
        let mut document = admin.get(path).await.expect(200);
        // When a key was used last is told in batches and may lag.
        for key in document["keys"].as_array_mut().into_iter().flatten() {
            key["last_used_at"] = Value::Null;
        }
        all.push(document);
    }
    all
}
