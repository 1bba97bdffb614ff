//! Clients that nobody here wrote, calling servers that nobody here wrote, through us.

use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use crate::harness::{Mcp, NodeServer, Platform, clients_folder, node_script};

/// Runs one SDK's story against an endpoint.
async fn tell(script: &str, mcp: &Mcp, prefix: &str, disabled: Option<&str>) {
    let mut command = Command::new("node");
    command
        .args(["--test", script])
        .current_dir(clients_folder())
        .env("MCP_URL", &mcp.url)
        .env("MCP_KEY", &mcp.key)
        .env("MCP_PREFIX", prefix)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(tool) = disabled {
        command.env("MCP_DISABLED", format!("{prefix}{tool}"));
    }
    let output = command.output().await.unwrap();
    assert!(
        output.status.success(),
        "{script} at {}:\n{}{}",
        mcp.url,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Both SDKs, at the tenant's endpoint and at the connector's.
async fn both_sdks_at_both_endpoints(platform: &Platform, connector: &str, disabled: Option<&str>) {
    let key = platform.key("acme", "tenant_user").await;
    for script in ["v1.test.mjs", "v2.test.mjs"] {
        let prefix = format!("{connector}_");
        tell(script, &platform.mcp("acme", &key), &prefix, disabled).await;
        tell(
            script,
            &platform.connector_mcp("acme", connector, &key),
            "",
            disabled,
        )
        .await;
    }
}

#[tokio::test]
async fn sdk_clients_of_both_eras_use_server_everything_hosted_over_stdio() {
    let platform = Platform::start().await;
    platform.tenant("acme").await;
    let script = node_script(
        "clients",
        "node_modules/@modelcontextprotocol/server-everything/dist/index.js",
    );
    let connector = json!({
        "slug": "everything", "type": "hosted_mcp",
        "config": { "command": ["node", script, "stdio"] },
    });
    platform.connector("acme", &connector).await;
    let tool = "/tenants/acme/connectors/everything/tools/get-sum";
    platform
        .admin()
        .patch(tool, &json!({ "enabled": false }))
        .await
        .expect(200);

    both_sdks_at_both_endpoints(&platform, "everything", Some("get-sum")).await;
}

#[tokio::test]
async fn sdk_clients_of_both_eras_use_server_everything_over_streamable_http() {
    let upstream = NodeServer::everything().await;
    let platform = Platform::start().await;
    platform.tenant("acme").await;
    let connector =
        json!({ "slug": "remote", "type": "remote_mcp", "config": { "url": upstream.url } });
    platform.connector("acme", &connector).await;

    both_sdks_at_both_endpoints(&platform, "remote", None).await;
}

#[tokio::test]
async fn sdk_clients_of_both_eras_use_a_modern_server() {
    let upstream = NodeServer::modern().await;
    let platform = Platform::start().await;
    platform.tenant("acme").await;
    let connector =
        json!({ "slug": "modern", "type": "remote_mcp", "config": { "url": upstream.url } });
    platform.connector("acme", &connector).await;

    both_sdks_at_both_endpoints(&platform, "modern", None).await;
}
