//! What each command asks of the server, and what it shows.

use serde_json::json;

use super::{Server, World};

const CONNECTORS: &str = "GET /api/v1/admin/tenants/acme/connectors?page_size=500";

fn connector(state: &str, tools: u32, error: Option<&str>) -> serde_json::Value {
    json!({
        "id": "0198", "slug": "gh", "display_name": "gh", "type": "github", "enabled": true,
        "prefix": "", "config": {}, "version": 1,
        "credential": {"token_set": true, "header_names": [], "env_names": []},
        "sync": {"state": state, "at": null, "error": error, "tools": tools},
    })
}

#[tokio::test]
async fn a_tenant_is_created_with_the_key_and_shown() {
    let server = Server::start().await;
    let tenant = json!({"slug": "acme", "name": "Acme", "state": "active", "version": 1});
    server.on("POST /api/v1/admin/tenants", 201, &tenant);

    let table = server
        .run(&["tenant", "create", "acme", "--name", "Acme"])
        .await;
    let json = server
        .run(&["-o", "json", "tenant", "create", "acme", "--name", "Acme"])
        .await;

    assert_eq!((table.code, table.err.as_str()), (0, ""));
    assert!(
        table
            .out
            .starts_with("Slug:        acme\nName:        Acme\n"),
        "{}",
        table.out
    );
    assert_eq!((json.code, json.json()), (0, tenant));
    let seen = &server.seen()[0];
    assert_eq!(seen.body, json!({"slug": "acme", "name": "Acme"}));
    assert_eq!(seen.header("authorization"), "Bearer tb_pa_1_secret");
}

#[tokio::test]
async fn the_pages_of_a_list_become_one() {
    let server = Server::start().await;
    let one = json!({"connectors": [connector("ok", 42, None)], "next_page_token": "a/b"});
    let mut other = connector("failed", 0, Some("no"));
    other["slug"] = "jira".into();
    other["enabled"] = false.into();
    server.on(CONNECTORS, 200, &one);
    server.on(
        "GET /api/v1/admin/tenants/acme/connectors?page_size=500&page_token=a%2Fb",
        200,
        &json!({"connectors": [other]}),
    );

    let table = server.run(&["connector", "list", "acme"]).await;
    let json = server
        .run(&["connector", "list", "acme", "-o", "json"])
        .await;

    assert_eq!(
        table.out,
        "SLUG  TYPE    ENABLED  SYNC    TOOLS  NAME\n\
         gh    github  yes      ok      42     gh\n\
         jira  github  no       failed  0      gh\n"
    );
    assert_eq!(json.json()["connectors"].as_array().map(Vec::len), Some(2));
    assert_eq!(json.json().get("next_page_token"), None);
}

#[tokio::test]
async fn an_added_connector_says_how_many_tools_it_has() {
    let server = Server::start().await;
    let line = "POST /api/v1/admin/tenants/acme/connectors?wait=true";
    server.on(line, 201, &connector("ok", 42, None));
    let world = World::with(&[("GITHUB_TOKEN", "hunter2")]);

    let ran = server
        .run_in(
            world,
            &[
                "connector",
                "add",
                "acme",
                "gh",
                "--type",
                "github",
                "--secret-from-env",
                "GITHUB_TOKEN",
                "--base-url",
                "https://ghe.example.com/api/v3",
            ],
        )
        .await;

    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "Connector gh is added: 42 tools found.\n")
    );
    assert_eq!(
        server.seen()[0].body,
        json!({
            "slug": "gh", "type": "github",
            "config": {"base_url": "https://ghe.example.com/api/v3"},
            "secrets": {"token": "hunter2"},
        })
    );
}

#[tokio::test]
async fn a_connector_whose_tools_cannot_be_read_stays_and_the_command_fails() {
    let server = Server::start().await;
    let failed = connector("failed", 0, Some("the token was refused."));
    server.on(
        "POST /api/v1/admin/tenants/acme/connectors?wait=true",
        201,
        &failed,
    );

    let table = server
        .run(&["connector", "add", "acme", "gh", "--type", "github"])
        .await;
    let json = server
        .run(&[
            "connector",
            "add",
            "acme",
            "gh",
            "--type",
            "github",
            "-o",
            "json",
        ])
        .await;

    assert_eq!((table.code, table.out.as_str()), (1, ""));
    assert_eq!(
        table.err,
        "error: connector gh is added, but its tools cannot be read: the token was refused; \
         `turnbuckle connector sync acme gh` tries again\n"
    );
    assert_eq!((json.code, json.json()), (1, failed));
    let problem: serde_json::Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!(problem["type"], "urn:turnbuckle:problem:sync-failed");
}

#[tokio::test]
async fn a_command_is_split_by_the_rules_of_a_shell_and_run_by_none() {
    let server = Server::start().await;
    let pending = connector("pending", 0, None);
    server.on("POST /api/v1/admin/tenants/acme/connectors", 201, &pending);
    let world = World::with(&[("KEY", "hunter2"), ("OTHER", "hunter3")]);

    let ran = server
        .run_in(
            world,
            &[
                "connector",
                "add",
                "acme",
                "x",
                "--no-wait",
                "--command",
                "npx -y 'a b' \"$HOME\" c\\ d;e",
                "--env-from-env",
                "KEY",
                "--env-from-env",
                "TOKEN=OTHER",
            ],
        )
        .await;

    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "Connector x is added; its tools are being read.\n")
    );
    assert_eq!(
        server.seen()[0].body,
        json!({
            "slug": "x", "type": "hosted_mcp",
            "config": {"command": ["npx", "-y", "a b", "$HOME", "c d;e"]},
            "secrets": {"env": {"KEY": "hunter2", "TOKEN": "hunter3"}},
        })
    );
}

#[tokio::test]
async fn a_remote_server_gets_its_headers_from_the_environment_and_its_token_from_a_prompt() {
    let server = Server::start().await;
    let line = "POST /api/v1/admin/tenants/acme/connectors?wait=true";
    server.on(line, 201, &connector("ok", 1, None));
    let world = World {
        watched: true,
        typed: Some("typed"),
        ..World::with(&[("VAR", "Basic x")])
    };

    let ran = server
        .run_in(
            world,
            &[
                "connector",
                "add",
                "acme",
                "r",
                "--mcp-url",
                "http://127.0.0.1:3001/mcp",
                "--header-from-env",
                "X-Auth=VAR",
                "--secret-prompt",
            ],
        )
        .await;

    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "Connector r is added: 1 tool found.\n")
    );
    assert!(ran.err.contains("Reading the tools of r") && ran.err.ends_with("\r\x1b[2K"));
    assert_eq!(
        server.seen()[0].body,
        json!({
            "slug": "r", "type": "remote_mcp",
            "config": {"url": "http://127.0.0.1:3001/mcp"},
            "secrets": {"token": "typed", "headers": {"X-Auth": "Basic x"}},
        })
    );
}

#[tokio::test]
async fn a_secret_is_read_from_a_file_without_its_line_end() {
    let server = Server::start().await;
    server.on(
        "PATCH /api/v1/admin/tenants/acme/connectors/gh",
        200,
        &connector("ok", 1, None),
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hunter2\n").unwrap();
    let path = file.path().to_str().unwrap();

    let ran = server
        .run(&[
            "connector",
            "update",
            "acme",
            "gh",
            "--secret-from-file",
            path,
        ])
        .await;

    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(
        server.seen()[0].body,
        json!({"secrets": {"token": "hunter2"}})
    );
    assert!(
        !ran.out.contains("hunter2") && ran.out.contains("Token set:"),
        "{}",
        ran.out
    );
}

#[tokio::test]
async fn connector_types_are_shown_with_their_number_of_tools_and_what_they_need() {
    let server = Server::start().await;
    let types = json!({"types": [
        {"type": "github", "display_name": "GitHub", "tools": 40, "kind": "native", "settings": [
            {"name": "base_url", "required": "never", "examples": ["https://{host}/api/v3"]},
        ]},
        {"type": "jira", "display_name": "Jira", "tools": 50, "kind": "native", "settings": [
            {"name": "base_url", "required": "with_token", "examples": ["https://{site}.example"]},
        ]},
        {"type": "remote_mcp", "display_name": "MCP", "tools": null, "kind": "mcp", "settings": [
            {"name": "url", "required": "always", "examples": ["https://mcp.example"]},
        ]},
    ]});
    server.on("GET /api/v1/admin/connector-types", 200, &types);

    let table = server.run(&["connector", "types"]).await;
    let json = server.run(&["connector", "types", "-o", "json"]).await;

    assert_eq!(
        table.out,
        "TYPE        NAME    TOOLS  NEEDS\n\
         github      GitHub  40     -\n\
         jira        Jira    50     --base-url https://{site}.example (with a token)\n\
         remote_mcp  MCP     -      --mcp-url https://mcp.example\n"
    );
    assert_eq!(json.json(), types);
}

#[tokio::test]
async fn a_new_keys_secret_is_shown_once() {
    let server = Server::start().await;
    let key = json!({
        "id": "01", "name": "laptop", "scope": "tenant_user", "tenant": "acme",
        "state": "active", "secret": "tb_tu_01_x",
    });
    server.on("POST /api/v1/admin/keys", 201, &key);
    let line = [
        "key",
        "create",
        "--tenant",
        "acme",
        "--scope",
        "tenant_user",
        "--name",
        "laptop",
    ];

    let table = server.run(&line).await;
    let json = server.run(&[&line[..], &["-o", "json"]].concat()).await;

    assert!(table.out.contains("\ntb_tu_01_x\n"), "{}", table.out);
    assert_eq!(json.json(), key);
    let body = json!({"name": "laptop", "scope": "tenant_user", "tenant": "acme"});
    assert_eq!(server.seen()[0].body, body);
}

#[tokio::test]
async fn tools_are_switched_one_by_one_or_all_at_once() {
    let server = Server::start().await;
    let tools = json!({"tools": [{"name": "echo", "exposed_name": "e_echo", "enabled": false}]});
    server.on(
        "POST /api/v1/admin/tenants/acme/connectors/e/tools/bulk-update",
        200,
        &tools,
    );
    server.on(
        "POST /api/v1/admin/tenants/acme/connectors/e/tools/enable-all",
        200,
        &tools,
    );

    let some = server
        .run(&["tool", "disable", "acme", "e", "echo", "add"])
        .await;
    let all = server.run(&["tool", "enable", "acme", "e", "--all"]).await;
    let none = server.run(&["tool", "enable", "acme", "e"]).await;

    assert_eq!(
        (some.code, all.code, none.code),
        (0, 0, 2),
        "{} {}",
        some.err,
        all.err
    );
    assert!(
        some.out.contains("echo  e_echo      no       -"),
        "{}",
        some.out
    );
    let updates = json!([{"name": "echo", "enabled": false}, {"name": "add", "enabled": false}]);
    let [first, second] = &server.seen()[..] else {
        panic!("two requests")
    };
    assert_eq!(first.body, json!({"updates": updates}));
    assert!(
        second.line.ends_with("/tools/enable-all"),
        "{}",
        second.line
    );
}

#[tokio::test]
async fn a_tenant_is_deleted_only_when_its_name_is_typed_again() {
    let server = Server::start().await;
    server.on_text("DELETE /api/v1/admin/tenants/acme", 204, "text/plain", "");
    let delete = ["tenant", "delete", "acme"];
    let typing = |typed| World {
        typed: Some(typed),
        ..World::default()
    };

    let alone = server.run(&delete).await;
    let wrong = server.run_in(typing("acne"), &delete).await;
    assert!(server.seen().is_empty());
    let right = server.run_in(typing("acme"), &delete).await;
    let sure = server.run(&[&delete[..], &["--yes"]].concat()).await;

    assert_eq!(
        (alone.code, wrong.code, right.code, sure.code),
        (2, 1, 0, 0)
    );
    assert!(alone.err.ends_with("confirm with --yes\n"), "{}", alone.err);
    assert_eq!(right.out, "Tenant acme is deleted.\n");
}

#[tokio::test]
async fn what_an_upstream_wrote_cannot_command_the_terminal() {
    let server = Server::start().await;
    let lines = json!({"lines": [{"at": "2026-01-01T00:00:00Z", "text": "\u{1b}]0;owned\u{7}"}]});
    server.on(
        "GET /api/v1/admin/tenants/acme/connectors/e/process/stderr",
        200,
        &lines,
    );

    let ran = server.run(&["connector", "logs", "acme", "e"]).await;

    assert_eq!(ran.out, "2026-01-01T00:00:00Z \u{fffd}]0;owned\u{fffd}\n");
}
