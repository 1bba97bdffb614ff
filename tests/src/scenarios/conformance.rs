//! The official conformance suite, with a fixture of the legacy era behind us. What may fail is
//! listed in `tests/conformance/expected`; anything else fails the test, as does a listed one that
//! passes.

use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use crate::harness::{Platform, conformance_folder, node_script};

#[tokio::test]
async fn the_official_suite_passes_at_both_revisions_but_for_what_is_listed() {
    let platform = Platform::start().await;
    let key = platform.tenant("acme").await;
    let connector = json!({
        "slug": "fixture", "type": "hosted_mcp",
        "config": { "command": ["node", node_script("conformance", "fixture/stdio.mjs")] },
    });
    platform.connector("acme", &connector).await;
    let endpoint = platform.connector_mcp("acme", "fixture", &key);

    let output = Command::new("node")
        .args(["run.mjs", &endpoint.url])
        .current_dir(conformance_folder())
        .env("MCP_KEY", &key)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();

    let report = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{report}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    println!("{report}");
}
