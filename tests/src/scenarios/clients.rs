//! Clients that nobody here wrote, calling servers that nobody here wrote, through us: every
//! feature that an SDK offers (`tests/clients/features`), over each transport and in each mode, at
//! the tenant's endpoint and at the connector's.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use super::Platform;
use crate::harness::{Mcp, NodeServer, clients_folder, node_script};

/// A script in `tests/clients`, with the modes to run it in.
struct Sdk {
    script: &'static str,
    modes: &'static str,
}

/// Over Streamable HTTP, HTTP+SSE and WebSocket.
const V1: Sdk = Sdk {
    script: "v1.test.mjs",
    modes: "",
};
/// In each of its modes.
const V2: Sdk = Sdk {
    script: "v2.test.mjs",
    modes: "legacy,auto,pinned",
};
/// At each revision before the newest legacy one.
const V2_OLDER: Sdk = Sdk {
    script: "v2.test.mjs",
    modes: "2025-06-18,2025-03-26,2024-11-05",
};

/// A server behind a connector of the same name.
struct Upstream<'a> {
    slug: &'a str,
    connector: Value,
    era: &'a str,
    disabled: Option<&'a str>,
}

impl<'a> Upstream<'a> {
    fn remote(slug: &'a str, era: &'a str, server: &NodeServer) -> Self {
        let config = json!({ "url": server.url });
        Self {
            slug,
            connector: json!({ "slug": slug, "type": "remote_mcp", "config": config }),
            era,
            disabled: None,
        }
    }

    /// `server-everything` as a process of ours, with one tool that an admin has disabled.
    fn hosted() -> Self {
        let script = node_script(
            "clients",
            "node_modules/@modelcontextprotocol/server-everything/dist/index.js",
        );
        let config = json!({ "command": ["node", script, "stdio"] });
        Self {
            slug: "hosted",
            connector: json!({ "slug": "hosted", "type": "hosted_mcp", "config": config }),
            era: "legacy",
            disabled: Some("get-sum"),
        }
    }

    /// Runs an SDK's features at both endpoints.
    async fn is_used_by(&self, sdk: &Sdk) {
        let platform = Platform::start().await;
        let key = platform.tenant("acme").await;
        platform.connector("acme", &self.connector).await;
        if let Some(tool) = self.disabled {
            let path = format!("/tenants/acme/connectors/{}/tools/{tool}", self.slug);
            let disabled = json!({ "enabled": false });
            platform.admin().patch(&path, &disabled).await.expect(200);
        }

        let single = platform.connector_mcp("acme", self.slug, &key);
        let aggregated = platform.mcp("acme", &key);
        let reports = [
            self.report(sdk, &single, "").await,
            self.report(sdk, &aggregated, self.slug).await,
        ];

        let failures: Vec<String> = reports.into_iter().filter_map(Result::err).collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    /// Runs an SDK's features at one endpoint; `prefix` is what it calls the connector by, if it
    /// does.
    async fn report(&self, sdk: &Sdk, mcp: &Mcp, prefix: &str) -> Result<(), String> {
        let mut command = Command::new("node");
        command
            .args(["--test", "--test-reporter=spec", sdk.script])
            .current_dir(clients_folder())
            .env("MCP_URL", &mcp.url)
            .env("MCP_KEY", &mcp.key)
            .env("MCP_CONNECTOR", prefix)
            .env("MCP_UPSTREAM", self.era)
            .env("MCP_MODES", sdk.modes)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(tool) = self.disabled {
            command.env("MCP_DISABLED", tool);
        }
        let output = command.output().await.unwrap();
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stdout);
        Err(format!("{} at {}:\n{said}", sdk.script, mcp.url))
    }
}

#[tokio::test]
async fn sdk_v1_uses_every_feature_of_a_legacy_server_over_stdio() {
    Upstream::hosted().is_used_by(&V1).await;
}

#[tokio::test]
async fn sdk_v2_uses_every_feature_of_a_legacy_server_over_stdio() {
    Upstream::hosted().is_used_by(&V2).await;
}

#[tokio::test]
async fn sdk_v1_uses_every_feature_of_a_legacy_server_over_streamable_http() {
    let server = NodeServer::everything().await;
    Upstream::remote("remote", "legacy", &server)
        .is_used_by(&V1)
        .await;
}

#[tokio::test]
async fn sdk_v2_uses_every_feature_of_a_legacy_server_over_streamable_http() {
    let server = NodeServer::everything().await;
    Upstream::remote("remote", "legacy", &server)
        .is_used_by(&V2)
        .await;
}

#[tokio::test]
async fn sdk_v1_uses_every_feature_of_a_legacy_server_over_http_and_sse() {
    let server = NodeServer::start("clients", "everything-http.mjs", &["sse"]).await;
    Upstream::remote("events", "legacy", &server)
        .is_used_by(&V1)
        .await;
}

#[tokio::test]
async fn sdk_v2_uses_every_feature_of_a_legacy_server_over_http_and_sse() {
    let server = NodeServer::start("clients", "everything-http.mjs", &["sse"]).await;
    Upstream::remote("events", "legacy", &server)
        .is_used_by(&V2)
        .await;
}

#[tokio::test]
async fn sdk_v1_uses_every_feature_of_a_modern_server() {
    let server = NodeServer::modern().await;
    Upstream::remote("modern", "modern", &server)
        .is_used_by(&V1)
        .await;
}

#[tokio::test]
async fn sdk_v2_uses_every_feature_of_a_modern_server() {
    let server = NodeServer::modern().await;
    Upstream::remote("modern", "modern", &server)
        .is_used_by(&V2)
        .await;
}

#[tokio::test]
async fn sdk_v2_at_each_older_revision_uses_a_legacy_server() {
    let server = NodeServer::everything().await;
    Upstream::remote("remote", "legacy", &server)
        .is_used_by(&V2_OLDER)
        .await;
}

#[tokio::test]
async fn sdk_v2_at_each_older_revision_uses_a_modern_server() {
    let server = NodeServer::modern().await;
    Upstream::remote("modern", "modern", &server)
        .is_used_by(&V2_OLDER)
        .await;
}
