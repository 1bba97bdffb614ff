//! The same conversation with a server and with us in front of it, in one era: what comes is the
//! same, byte for byte, but for what is each endpoint's own (`tests/clients/differential`).

use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use super::Platform;
use crate::harness::{NodeServer, clients_folder};

/// Holds a conversation with a server made by `server`, and with one more behind a connector, so
/// that neither sees what the other has left.
async fn is_the_same(conversation: &str, server: impl AsyncFn() -> NodeServer) {
    let (direct, behind) = (server().await, server().await);
    let platform = Platform::start().await;
    let key = platform.tenant("acme").await;
    let connector =
        json!({ "slug": "behind", "type": "remote_mcp", "config": { "url": behind.url } });
    platform.connector("acme", &connector).await;
    let through = platform.connector_mcp("acme", "behind", &key);

    let output = Command::new("node")
        .args(["differential.mjs", conversation, &direct.url, &through.url])
        .current_dir(clients_folder())
        .env("MCP_KEY", &key)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();

    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn a_legacy_server_is_heard_through_us_as_it_speaks() {
    is_the_same("everything", NodeServer::everything).await;
}

#[tokio::test]
async fn a_modern_server_is_heard_through_us_as_it_speaks() {
    is_the_same("modern", NodeServer::modern).await;
}

/// What no SDK would send, between a client and a server of one legacy revision.
async fn passes_unchanged_at(revision: &str) {
    let server =
        async || NodeServer::start("clients", "raw-server.mjs", &["legacy", revision]).await;
    is_the_same(&format!("raw-legacy@{revision}"), server).await;
}

#[tokio::test]
async fn what_no_sdk_would_send_passes_unchanged_in_the_legacy_era() {
    passes_unchanged_at("2025-11-25").await;
}

#[tokio::test]
async fn what_no_sdk_would_send_passes_unchanged_at_each_older_revision() {
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18"] {
        passes_unchanged_at(revision).await;
    }
}

#[tokio::test]
async fn what_no_sdk_would_send_passes_unchanged_in_the_modern_era() {
    let server = async || NodeServer::start("clients", "raw-server.mjs", &["modern"]).await;
    is_the_same("raw-modern", server).await;
}
