//! What is pasted into MCP clients.

use serde_json::{Value, json};

use super::{Ran, World};

async fn config(world: World, rest: &[&str]) -> Ran {
    let head = [
        "client-config",
        "acme",
        "--url",
        "https://tools.example.com/",
        "--client",
    ];
    world.run(&[&head[..], rest].concat()).await
}

#[tokio::test]
async fn each_client_gets_its_own_form_with_a_placeholder_for_the_key() {
    let url = "https://tools.example.com/api/v1/acme/mcp";
    let bearer = |key: &str| json!({"Authorization": format!("Bearer {key}")});
    let cases: [(&str, Value, &str); 3] = [
        (
            "claude",
            json!({"mcpServers": {"acme": {
                "type": "http", "url": url, "headers": bearer("${TURNBUCKLE_API_KEY}"),
            }}}),
            "claude mcp add --transport http acme https://tools.example.com/api/v1/acme/mcp \
             --header \"Authorization: Bearer $TURNBUCKLE_API_KEY\"",
        ),
        (
            "cursor",
            json!({"mcpServers": {"acme": {
                "url": url, "headers": bearer("${env:TURNBUCKLE_API_KEY}"),
            }}}),
            ".cursor/mcp.json",
        ),
        (
            "vscode",
            json!({
                "servers": {"acme": {
                    "type": "http", "url": url, "headers": bearer("${input:turnbuckle-api-key}"),
                }},
                "inputs": [{
                    "type": "promptString", "id": "turnbuckle-api-key",
                    "description": "Turnbuckle API key", "password": true,
                }],
            }),
            ".vscode/mcp.json",
        ),
    ];
    for (client, document, advice) in cases {
        let table = config(World::default(), &[client]).await;
        let json = config(World::default(), &[client, "-o", "json"]).await;

        assert_eq!((table.code, table.json()), (0, document), "{client}");
        assert!(table.err.contains(advice), "{}", table.err);
        assert_eq!((json.out, json.err.as_str()), (table.out, ""), "{client}");
    }
}

#[tokio::test]
async fn a_key_is_written_only_when_its_variable_is_named() {
    let world = World::with(&[("MY_KEY", "tb_tu_1_x")]);
    let rest = ["vscode", "--connector", "gh", "--key-from-env", "MY_KEY"];

    let ran = config(world, &rest).await;

    let server = json!({
        "type": "http",
        "url": "https://tools.example.com/api/v1/acme/connectors/gh/mcp",
        "headers": {"Authorization": "Bearer tb_tu_1_x"},
    });
    assert_eq!(
        (ran.code, ran.json()),
        (0, json!({"servers": {"acme-gh": server}}))
    );
    assert!(!ran.err.contains("tb_tu_1_x"));
}
