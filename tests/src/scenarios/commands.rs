//! The command line: each command of the manual, in both forms, and its exit codes.

use serde_json::json;

use super::Platform;
use crate::harness::{NodeServer, node_script};

const EVERYTHING: &str = "node_modules/@modelcontextprotocol/server-everything/dist/index.js";

#[tokio::test]
async fn a_newcomer_gets_from_a_tenant_to_a_tool_call() {
    let platform = Platform::start().await;
    let upstream = NodeServer::everything().await;
    let cli = platform.cli().with_env("UPSTREAM_AUTH", "Bearer planted");
    let command = format!("node {} stdio", node_script("clients", EVERYTHING));

    let tenant = cli
        .json(&["tenant", "create", "acme", "--name", "Acme"])
        .await;
    assert_eq!(
        (&tenant["slug"], &tenant["name"]),
        (&json!("acme"), &json!("Acme"))
    );

    let everything = cli
        .json(&[
            "connector",
            "add",
            "acme",
            "everything",
            "--command",
            &command,
        ])
        .await;
    assert_eq!(everything["type"], "hosted_mcp");
    assert_eq!(
        everything["sync"]["state"], "ok",
        "it waits for the first sync"
    );
    let tools = everything["sync"]["tools"].as_u64().unwrap();
    assert!(tools >= 10, "{everything}");

    let header = "Authorization=UPSTREAM_AUTH";
    let add = [
        "connector",
        "add",
        "acme",
        "remote",
        "--mcp-url",
        &upstream.url,
    ];
    let said = cli
        .table(&[&add[..], &["--header-from-env", header]].concat())
        .await;
    assert!(
        said.contains(&tools.to_string()),
        "it says how many tools it found: {said}"
    );
    let remote = platform
        .admin()
        .get("/tenants/acme/connectors/remote")
        .await
        .expect(200);
    assert_eq!(
        remote["credential"]["header_names"],
        json!(["Authorization"])
    );

    let listed = cli.json(&["connector", "list", "acme"]).await;
    let slugs: Vec<&str> = listed["connectors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["slug"].as_str().unwrap())
        .collect();
    assert_eq!(slugs, ["everything", "remote"]);
    let table = cli.table(&["connector", "list", "acme"]).await;
    assert!(
        table.contains("everything") && table.contains("remote"),
        "{table}"
    );

    let all = cli.json(&["mcp", "tools", "acme"]).await;
    assert_eq!(all["tools"].as_array().unwrap().len() as u64, 2 * tools);
    let one = cli
        .json(&["mcp", "tools", "acme", "--connector", "everything"])
        .await;
    assert_eq!(one["tools"].as_array().unwrap().len() as u64, tools);
    let table = cli.table(&["mcp", "tools", "acme"]).await;
    assert!(
        table.contains("everything_echo") && table.contains("remote_echo"),
        "{table}"
    );

    let call = [
        "mcp",
        "call",
        "acme",
        "everything_echo",
        "--args",
        r#"{"message":"hi"}"#,
    ];
    assert_eq!(
        cli.json(&call).await["content"],
        json!([{ "type": "text", "text": "Echo: hi" }])
    );
    assert!(cli.table(&call).await.contains("Echo: hi"));

    let removed = cli
        .run(&["connector", "remove", "acme", "remote"])
        .await
        .expect(0);
    assert!(!removed.stdout.contains("error"));
    platform
        .admin()
        .get("/tenants/acme/connectors/remote")
        .await
        .expect_problem(404, "connector-not-found");
}

#[tokio::test]
async fn connector_types_names_each_with_its_number_of_tools() {
    let platform = Platform::start().await;

    let types = platform.cli().json(&["connector", "types"]).await;
    let types = types["types"].as_array().unwrap();
    let github = types
        .iter()
        .find(|kind| kind["type"] == "github")
        .expect("github is built in");
    assert_eq!(github["display_name"], "GitHub");
    assert!(github["tools"].as_u64().unwrap() > 10, "{github}");
    assert!(
        types
            .iter()
            .any(|kind| kind["type"] == "remote_mcp" && kind["tools"].is_null())
    );

    let table = platform.cli().table(&["connector", "types"]).await;
    assert!(
        table.contains("github") && table.contains("GitHub"),
        "{table}"
    );
}

#[tokio::test]
async fn a_native_connector_takes_its_token_from_the_environment() {
    let platform = Platform::start().await;
    let cli = platform
        .cli()
        .with_env("GITHUB_TOKEN", "planted-github-token");
    cli.json(&["tenant", "create", "acme", "--name", "Acme"])
        .await;

    let add = [
        "connector",
        "add",
        "acme",
        "gh",
        "--type",
        "github",
        "--secret-from-env",
        "GITHUB_TOKEN",
        "--base-url",
        "http://127.0.0.1:1/api/v3",
    ];
    let connector = cli.json(&add).await;

    assert_eq!(connector["type"], "github");
    assert_eq!(connector["credential"]["token_set"], true);
    assert!(!connector.to_string().contains("planted"), "{connector}");
    assert!(
        connector["sync"]["tools"].as_u64().unwrap() > 10,
        "{connector}"
    );
    cli.run(&["connector", "remove", "acme", "gh"])
        .await
        .expect(0);
}

#[tokio::test]
async fn a_created_key_works_and_its_client_configuration_too() {
    let platform = Platform::start().await;
    let cli = platform.cli();
    cli.json(&["tenant", "create", "acme", "--name", "Acme"])
        .await;

    let create = [
        "key",
        "create",
        "--tenant",
        "acme",
        "--scope",
        "tenant_user",
        "--name",
        "laptop",
    ];
    let key = cli.json(&create).await;
    assert_eq!(
        (&key["name"], &key["scope"]),
        (&json!("laptop"), &json!("tenant_user"))
    );
    let secret = key["secret"].as_str().unwrap();
    assert_eq!(
        platform.mcp("acme", secret).tools().await,
        Vec::<String>::new()
    );
    let table = cli.table(&create).await;
    assert!(
        table.contains("tb_tu_"),
        "the secret is shown once: {table}"
    );

    let url = format!("{}/api/v1/acme/mcp", platform.url());
    for client in ["claude", "cursor", "vscode"] {
        let config = cli
            .json(&["client-config", "acme", "--client", client])
            .await;
        let holder = if client == "vscode" {
            "servers"
        } else {
            "mcpServers"
        };
        let servers = config[holder]
            .as_object()
            .unwrap_or_else(|| panic!("{client}: {config}"));
        assert!(
            servers.values().any(|server| server["url"] == url.as_str()),
            "{client}: {config}"
        );
        let text = cli
            .table(&["client-config", "acme", "--client", client])
            .await;
        assert!(text.contains(&url), "{client}: {text}");
    }
}

#[tokio::test]
async fn the_exit_code_says_whose_fault_it_was() {
    let platform = Platform::start().await;
    let cli = platform.cli();
    cli.json(&["tenant", "create", "acme", "--name", "Acme"])
        .await;

    for (code, words) in [
        (2, "tenant create"),
        (2, "no-such-command"),
        (2, "mcp call acme x --args {broken"),
        (2, "client-config acme --client netscape"),
        (
            2,
            "connector add acme x --type github --secret-from-env UNSET",
        ),
        (3, "tenant create acme --name Again"),
        (3, "tenant create Not-A-Slug --name x"),
        (3, "connector list nobody"),
        (3, "connector remove acme nothing"),
        (3, "connector add acme x --type no-such-type"),
        (3, "mcp call acme no-such-tool --args {}"),
        (3, "--api-key tb_pa_wrong connector list acme"),
        // The admin key of the data folder is for its own platform alone.
        (2, "--url http://127.0.0.1:1 connector list acme"),
        (
            1,
            "--url http://127.0.0.1:1 --api-key x connector list acme",
        ),
    ] {
        let args: Vec<&str> = words.split(' ').collect();
        let said = cli.run(&args).await;
        assert_eq!(said.code, code, "{args:?}: {}{}", said.stdout, said.stderr);
        assert!(!said.stderr.trim().is_empty(), "{args:?} says why");
        assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
    }
}

#[tokio::test]
async fn the_address_and_the_key_come_from_flags_or_the_environment_too() {
    let platform = Platform::start().await;
    let elsewhere = crate::harness::Home::new();
    let cli = crate::harness::Cli::new(&elsewhere);
    let key = platform.admin_key();

    let said = cli.run(&["connector", "types"]).await;
    assert_ne!(said.code, 0, "there is no platform here");
    assert!(
        said.stderr.contains("TURNBUCKLE_API_KEY"),
        "{}",
        said.stderr
    );

    let from_flags = [
        "--url",
        platform.url(),
        "--api-key",
        key,
        "connector",
        "types",
    ];
    cli.run(&from_flags).await.expect(0);

    let cli = cli
        .with_env("TURNBUCKLE_URL", platform.url())
        .with_env("TURNBUCKLE_API_KEY", key);
    cli.run(&["connector", "types"]).await.expect(0);
}
