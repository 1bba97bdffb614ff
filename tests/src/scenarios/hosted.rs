//! Servers that Turnbuckle runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::Platform;
use crate::harness::{alive, clients_folder, descendants, eventually_blocking, node_script};

#[tokio::test]
async fn the_whole_process_tree_dies_with_a_killed_owner() {
    let platform = Platform::start().await;
    let key = platform.tenant("acme").await;
    let script = node_script("clients", "forking-server.mjs");
    let connector = json!({
        "slug": "forks", "type": "hosted_mcp", "config": { "command": ["node", script] },
    });
    platform.connector("acme", &connector).await;
    // The process that the tools were read from has ended with its session; a call starts another.
    let endpoint = platform.connector_mcp("acme", "forks", &key);
    endpoint.call("nothing", json!({})).await;
    let path = "/tenants/acme/connectors/forks/process";
    let process = platform.admin().get(path).await.expect(200);
    assert_eq!(process["state"], "running");
    let server = u32::try_from(process["pid"].as_u64().unwrap()).unwrap();
    // Its children tell their numbers on standard error; one has left the session and was orphaned.
    let mut strays = stray_children(&platform).await;
    strays.retain(|pid| alive(*pid));
    assert!(!strays.is_empty());
    let mut tree = hosted_processes(&platform);
    tree.extend(strays);
    assert!(
        tree.contains(&server) && tree.iter().all(|pid| alive(*pid)),
        "{tree:?}"
    );

    let rest = platform.kill();

    eventually_blocking(
        Duration::from_secs(5),
        "no process of the tree is left",
        || tree.iter().all(|pid| !alive(*pid)).then_some(()),
    )
    .await;
    drop(rest);
}

/// All that runs below the platform.
fn hosted_processes(platform: &Platform) -> BTreeSet<u32> {
    let hosts = platform.hosts().into_iter();
    hosts.flat_map(descendants).collect()
}

/// Process ids that `forking-server.mjs` wrote to its standard error, read through REST.
async fn stray_children(platform: &Platform) -> Vec<u32> {
    let path = "/tenants/acme/connectors/forks/process/stderr";
    let lines = platform.admin().get(path).await.expect(200);
    let texts = lines["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["text"].as_str().unwrap());
    texts
        .filter_map(|text| text.strip_prefix("child ")?.parse().ok())
        .collect()
}

#[tokio::test]
async fn a_removed_connector_takes_its_processes_along() {
    let platform = Platform::start().await;
    platform.tenant("acme").await;
    let script = node_script("clients", "forking-server.mjs");
    let connector = json!({
        "slug": "forks", "type": "hosted_mcp", "config": { "command": ["node", script] },
    });
    platform.connector("acme", &connector).await;
    let mut tree = hosted_processes(&platform);
    tree.extend(stray_children(&platform).await);
    assert!(!tree.is_empty());

    platform
        .admin()
        .delete("/tenants/acme/connectors/forks")
        .await
        .expect(204);

    eventually_blocking(
        Duration::from_secs(5),
        "no process of the tree is left",
        || tree.iter().all(|pid| !alive(*pid)).then_some(()),
    )
    .await;
}

#[tokio::test]
async fn a_hosted_server_sees_its_own_environment_and_nothing_of_ours() {
    let env = [("SECRET_OF_THE_OPERATOR", "must-not-travel")];
    let platform = Platform::start_with_env(&env).await;
    let user = platform.tenant("acme").await;
    let script = node_script(
        "clients",
        "node_modules/@modelcontextprotocol/server-everything/dist/index.js",
    );
    let connector = json!({
        "slug": "everything", "type": "hosted_mcp",
        "config": { "command": ["node", script, "stdio"] },
        "secrets": { "env": { "MINE": "yes" } },
    });
    platform.connector("acme", &connector).await;

    let answer = platform
        .mcp("acme", &user)
        .call("everything_get-env", json!({}))
        .await;

    let text = answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"));
    let seen: BTreeMap<String, String> = serde_json::from_str(text).unwrap();
    assert_eq!(seen["MINE"], "yes");
    let given = [
        "HOME",
        "LANG",
        "MINE",
        "PATH",
        "TMPDIR",
        "TURNBUCKLE_HOSTED_SERVER",
    ];
    let strange: Vec<&String> = seen
        .keys()
        .filter(|name| !given.contains(&name.as_str()))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
    let own = platform.host_folders().into_iter();
    let mut own = own.map(|folder| folder.canonicalize().unwrap());
    assert!(
        own.any(|folder| Path::new(&seen["HOME"]).starts_with(folder)),
        "a home of its own: {}",
        seen["HOME"]
    );
}

#[tokio::test]
async fn npx_runs_a_server_that_is_installed() {
    let platform = Platform::start().await;
    let user = platform.tenant("acme").await;
    let cache = platform.home().path().join("npm");
    fs::create_dir(&cache).unwrap();
    // What is installed in the working folder is taken: no registry is asked.
    let connector = json!({
        "slug": "everything", "type": "hosted_mcp",
        "config": {
            "command": ["npx", "-y", "@modelcontextprotocol/server-everything"],
            "working_directory": clients_folder(),
        },
        "secrets": { "env": { "npm_config_offline": "true", "npm_config_cache": cache } },
    });
    platform.connector("acme", &connector).await;

    let mcp = platform.mcp("acme", &user);
    let answer = mcp
        .call("everything_echo", json!({ "message": "hi" }))
        .await;

    assert_eq!(
        answer["result"]["content"][0]["text"], "Echo: hi",
        "{answer}"
    );
}
