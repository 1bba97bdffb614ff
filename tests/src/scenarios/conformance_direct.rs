//! The official conformance suite, in front of the servers of these tests with nothing between.

use std::process::Stdio;

use tokio::process::Command;

use crate::harness::{NodeServer, conformance_folder};

/// Runs the suite and prints what it found; panics when that is not as expected.
pub(super) async fn suite(url: &str, revisions: &[&str], configure: impl FnOnce(&mut Command)) {
    let mut command = Command::new("node");
    command
        .arg("run.mjs")
        .arg(url)
        .args(revisions)
        .current_dir(conformance_folder())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    configure(&mut command);

    let output = command.output().await.unwrap();

    let report = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}{errors}");
    println!("{report}");
}

/// Otherwise a failure through us could be theirs.
#[tokio::test]
async fn the_servers_of_these_tests_pass_the_suite_by_themselves() {
    const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];
    let legacy = NodeServer::start("conformance", "fixture/legacy/http.mjs", &[]).await;
    let modern = NodeServer::start("conformance", "fixture/modern/http.mjs", &[]).await;
    let direct = |command: &mut Command| {
        command.env_remove("UPSTREAM").env_remove("MCP_KEY");
    };

    tokio::join!(
        suite(&legacy.url, &LEGACY, direct),
        suite(&modern.url, &["2026-07-28"], direct),
    );
}
