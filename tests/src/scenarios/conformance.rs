//! The official conformance suite, asked for the requirements of each revision that it has, in
//! front of upstreams of either era. What may fail is listed in `tests/conformance/expected`, each
//! with its reason; anything else fails the test, as does a listed one that passes.

use serde_json::{Value, json};

use super::Platform;
use crate::harness::{NodeServer, node_script};
use crate::scenarios::conformance_direct::suite;

/// The revisions with frozen requirements, then the older ones of which something applies.
const REVISIONS: [&str; 4] = ["2025-11-25", "2026-07-28", "2025-06-18", "2025-03-26"];

/// What is behind the platform.
struct Upstream {
    /// Unique among the tests: results of several runs lie side by side.
    name: &'static str,
    /// Whose lists of known failures hold, `legacy` or `modern`.
    era: &'static str,
    connector: Value,
    /// Ask one revision after another: what a process on stdio logs belongs to no call, so it
    /// reaches a client only while one call is in flight.
    in_turn: bool,
}

impl Upstream {
    fn hosted(name: &'static str, era: &'static str) -> Self {
        let script = node_script("conformance", &format!("fixture/{era}/stdio.mjs"));
        let config = json!({ "command": ["node", script] });
        Self {
            name,
            era,
            connector: json!({ "slug": "fixture", "type": "hosted_mcp", "config": config }),
            in_turn: true,
        }
    }

    fn remote(name: &'static str, era: &'static str, server: &NodeServer) -> Self {
        let config = json!({ "url": server.url });
        Self {
            name,
            era,
            connector: json!({ "slug": "fixture", "type": "remote_mcp", "config": config }),
            in_turn: false,
        }
    }

    /// Runs the suite at the connector's own endpoint.
    async fn conforms(&self) {
        let platform = Platform::start().await;
        let key = platform.tenant("acme").await;
        platform.connector("acme", &self.connector).await;
        let endpoint = platform.connector_mcp("acme", "fixture", &key);

        suite(&endpoint.url, &REVISIONS, |command| {
            command
                .env("MCP_KEY", &key)
                .env("UPSTREAM", self.era)
                .env("RESULTS", format!("{}-{}", self.name, Platform::PLACE));
            if self.in_turn {
                command.env("IN_TURN", "1");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn the_suite_passes_in_front_of_a_hosted_server_of_the_legacy_era() {
    Upstream::hosted("legacy-hosted", "legacy").conforms().await;
}

#[tokio::test]
async fn the_suite_passes_in_front_of_a_remote_server_of_the_legacy_era() {
    let server = NodeServer::start("conformance", "fixture/legacy/http.mjs", &[]).await;
    Upstream::remote("legacy-remote", "legacy", &server)
        .conforms()
        .await;
}

#[tokio::test]
async fn the_suite_passes_in_front_of_a_hosted_server_of_the_modern_era() {
    Upstream::hosted("modern-hosted", "modern").conforms().await;
}

#[tokio::test]
async fn the_suite_passes_in_front_of_a_remote_server_of_the_modern_era() {
    let server = NodeServer::start("conformance", "fixture/modern/http.mjs", &[]).await;
    Upstream::remote("modern-remote", "modern", &server)
        .conforms()
        .await;
}

/// What the lists of known failures leave to rules of ours (`docs/protocol.md`).
#[tokio::test]
async fn what_the_other_era_cannot_do_is_explained_in_terms_of_the_own() {
    let platform = Platform::start().await;
    let key = platform.tenant("acme").await;
    let legacy = NodeServer::start("conformance", "fixture/legacy/http.mjs", &[]).await;
    let modern = NodeServer::start("conformance", "fixture/modern/http.mjs", &[]).await;
    for (slug, server) in [("legacy", &legacy), ("modern", &modern)] {
        let config = json!({ "url": server.url });
        let connector = json!({ "slug": slug, "type": "remote_mcp", "config": config });
        platform.connector("acme", &connector).await;
    }
    let behind = |slug| platform.connector_mcp("acme", slug, &key);

    // The upstream asks for what the client did not declare: it is refused, and the call goes on.
    let answer = behind("legacy")
        .call("test_missing_capability", json!({}))
        .await;
    let result = &answer["result"];
    assert_eq!(result["isError"], true, "{answer}");
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("-32601"), "{answer}");

    // An upstream that refuses for the same reason: no code of the modern era reaches this client.
    let session = behind("modern").open().await;
    let call = json!({ "name": "test_missing_capability", "arguments": {} });
    let answer = session.request("tools/call", call).await.response();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let prompt = json!({ "name": "test_input_required_result_prompt" });
    let answer = session.request("prompts/get", prompt).await.response();
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert_eq!(
        answer["error"]["data"]["requiredCapabilities"],
        json!({ "elicitation": {} }),
        "{answer}"
    );
}
