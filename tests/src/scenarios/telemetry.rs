//! What operators read, and what must never be in it.

use std::fs;
use std::time::Duration;

use serde_json::json;

use super::startup::secret_of;
use crate::harness::{Home, NodeServer, Platform, eventually};

/// The sum of all samples of a metric whose line holds every one of `labels`.
async fn total(platform: &Platform, name: &str, labels: &[&str]) -> f64 {
    let text = platform.metrics().await;
    let samples = text.lines().filter(|line| {
        let named = line
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']));
        named && labels.iter().all(|label| line.contains(label))
    });
    samples
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

#[tokio::test]
async fn nothing_secret_is_in_logs_metrics_answers_or_files() {
    const TOKEN: &str = "planted-token-5d1f0c";
    const HEADER: &str = "planted-header-8e2a4b";
    const ENV: &str = "planted-env-c07f91";
    const ARGUMENT: &str = "planted-argument-1b9d77";

    let upstream = NodeServer::modern().await;
    let home = Home::new().with_env("TURNBUCKLE_LOG__FILTER", "debug");
    let platform = home.start().await;
    let user = platform.tenant("acme").await;
    let remote = json!({
        "slug": "up", "type": "remote_mcp", "config": { "url": upstream.url },
        "secrets": { "token": TOKEN, "headers": { "x-planted": HEADER } },
    });
    platform.connector("acme", &remote).await;
    let hosted = json!({
        "slug": "gone", "type": "hosted_mcp", "config": { "command": ["no-such-command-here"] },
        "secrets": { "env": { "PLANTED": ENV } },
    });
    let path = "/tenants/acme/connectors?wait=true";
    let failed = platform.admin().post(path, &hosted).await.expect(201);
    assert_eq!(failed["sync"]["state"], "failed", "{failed}");

    let mcp = platform.mcp("acme", &user);
    let echoed = mcp.call("up_echo", json!({ "message": ARGUMENT })).await;
    assert_eq!(
        echoed["result"]["content"][0]["text"],
        format!("Echo: {ARGUMENT}")
    );
    mcp.call("up_echo", json!({ "wrong": ARGUMENT })).await;
    mcp.call(ARGUMENT, json!({})).await;
    let session = mcp.open().await;
    session.request("tools/list", json!({})).await;

    let mut read = vec![
        ("metrics".to_owned(), platform.metrics().await.into_bytes()),
        ("log".to_owned(), platform.home().log().into_bytes()),
    ];
    for path in [
        "/tenants/acme/connectors",
        "/tenants/acme/connectors/up",
        "/keys",
        "/tenants",
    ] {
        read.push((
            path.to_owned(),
            platform.admin().get(path).await.text.into_bytes(),
        ));
    }
    let admin_key = platform.home().admin_key();
    let home = platform.stop().await;
    for entry in fs::read_dir(home.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && !path.ends_with("admin.key") {
            read.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }

    let secret_of = |key: &str| secret_of(key).to_owned();
    let planted = [
        TOKEN.to_owned(),
        HEADER.to_owned(),
        ENV.to_owned(),
        ARGUMENT.to_owned(),
        secret_of(&user),
        secret_of(&admin_key),
        session.id.clone(),
    ];
    for (place, bytes) in &read {
        for secret in &planted {
            assert!(!holds(bytes, secret), "{secret} is in {place}");
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn metrics_count_what_really_happened() {
    let upstream = NodeServer::modern().await;
    let platform = Platform::start().await;
    let user = platform.tenant("acme").await;
    let remote = json!({ "slug": "up", "type": "remote_mcp", "config": { "url": upstream.url } });
    platform.connector("acme", &remote).await;
    let mcp = platform.mcp("acme", &user);
    let calls = (
        "turnbuckle_worker_calls_total",
        ["kind=\"remote_mcp\"", "outcome=\"result\""],
    );
    let requests = (
        "turnbuckle_mcp_requests_total",
        ["method=\"tools/call\"", "end=\"ok\""],
    );
    let sessions = ("turnbuckle_mcp_sessions", []);
    let errors = ("turnbuckle_worker_upstream_errors_total", []);
    let took = (
        "turnbuckle_worker_call_duration_seconds_count",
        ["kind=\"remote_mcp\""],
    );

    for _ in 0..3 {
        mcp.call("up_echo", json!({ "message": "hi" })).await;
    }
    becomes(&platform, calls.0, &calls.1, 3.0).await;
    becomes(&platform, requests.0, &requests.1, 3.0).await;
    becomes(&platform, took.0, &took.1, 3.0).await;

    let session = mcp.open().await;
    becomes(&platform, sessions.0, &sessions.1, 1.0).await;
    session.send(reqwest::Method::DELETE, None).await;
    becomes(&platform, sessions.0, &sessions.1, 0.0).await;

    drop(upstream);
    mcp.call("up_echo", json!({ "message": "hi" })).await;
    becomes(&platform, errors.0, &errors.1, 1.0).await;
}

/// Counting may end a moment after the answer has left.
async fn becomes(platform: &Platform, name: &str, labels: &[&str], value: f64) {
    let what = format!("{name}{labels:?} is {value}");
    eventually(Duration::from_secs(5), &what, async || {
        (total(platform, name, labels).await == value).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_answer_can_be_found_in_the_log_by_its_request_id() {
    let platform = Platform::start().await;

    let answer = platform.admin().get("/tenants/nobody").await;

    answer.expect_problem(404, "tenant-not-found");
    let id = answer.header("x-request-id").to_owned();
    assert_eq!(answer.json["request_id"], id.as_str());
    let log = platform.home().log();
    assert!(log.contains(&id), "{id} is not in:\n{log}");
}
