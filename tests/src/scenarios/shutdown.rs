//! The end of the process.

use std::time::Duration;

use serde_json::json;

use crate::harness::{NodeServer, Platform, Signal, alive, eventually, signal};

/// Starts a call that reports progress; resolves when the first event is here.
async fn call_under_way(platform: &Platform, key: &str, seconds: f64) -> reqwest::Response {
    let mcp = platform.mcp("acme", key);
    let tool = "up_trigger-long-running-operation";
    let message = json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": {
            "name": tool,
            "arguments": { "duration": seconds, "steps": 100 },
            "_meta": {
                "progressToken": "p",
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "scenario", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let mut response = reqwest::Client::new()
        .post(&mcp.url)
        .bearer_auth(key)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
        .json(&message)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let first = response
        .chunk()
        .await
        .unwrap()
        .expect("an event while the call runs");
    assert!(!first.is_empty());
    response
}

async fn with_upstream() -> (Platform, NodeServer, String) {
    let upstream = NodeServer::modern().await;
    let platform = Platform::start().await;
    let user = platform.tenant("acme").await;
    let connector =
        json!({ "slug": "up", "type": "remote_mcp", "config": { "url": upstream.url } });
    platform.connector("acme", &connector).await;
    (platform, upstream, user)
}

#[tokio::test]
async fn a_stop_lets_calls_under_way_finish() {
    let (mut platform, _upstream, user) = with_upstream().await;
    let mut response = call_under_way(&platform, &user, 2.0).await;

    signal(platform.pid(), Signal::TERM);

    let mut rest = Vec::new();
    while let Some(chunk) = response.chunk().await.expect("the stream is not cut") {
        rest.extend_from_slice(&chunk);
    }
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.contains("Long running operation completed"), "{rest}");
    let status = platform.ended(Duration::from_secs(15)).await;
    assert!(status.success(), "a stop is no failure: {status}");
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let (mut platform, _upstream, user) = with_upstream().await;
    let mut response = call_under_way(&platform, &user, 100.0).await;

    signal(platform.pid(), Signal::TERM);
    let operator = platform.operator();
    let http = operator.request(reqwest::Method::GET, "/health/ready");
    eventually(
        Duration::from_secs(10),
        "it says that it drains",
        async || {
            let request = http.try_clone().unwrap();
            let answer = request
                .send()
                .await
                .expect("probes are answered to the end");
            (answer.status() == 503).then_some(())
        },
    )
    .await;
    assert!(alive(platform.pid()), "it waits for the call");

    signal(platform.pid(), Signal::TERM);

    let status = platform.ended(Duration::from_secs(5)).await;
    assert_eq!(status.code(), Some(1), "calls were cut off");
    while let Ok(Some(_)) = response.chunk().await {}
}
