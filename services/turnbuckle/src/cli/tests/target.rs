//! Where the address and the key come from when they are not given.

use serde_json::json;

use super::{Server, World};

#[tokio::test]
async fn a_platform_on_this_machine_is_found_through_its_data_folder() {
    let server = Server::start().await;
    server.on(
        "GET /api/v1/admin/whoami",
        200,
        &json!({"key": {"name": "first"}}),
    );
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let running = json!({"pid": 1, "url": server.url, "admin_url": "", "grpc_url": ""});
    std::fs::write(data.path().join("turnbuckle.json"), running.to_string()).unwrap();

    let without = World::default()
        .run(&["whoami", "--data-dir", folder])
        .await;
    std::fs::write(data.path().join("admin.key"), "tb_pa_local\n").unwrap();
    let with = World::default()
        .run(&["whoami", "--data-dir", folder])
        .await;

    let sentence = "error: no API key: set TURNBUCKLE_API_KEY, or --data-dir to the server's \
                    data folder\n";
    assert_eq!((without.code, without.err.as_str()), (2, sentence));
    assert_eq!(with.code, 0, "{}", with.err);
    assert_eq!(
        server.seen()[0].header("authorization"),
        "Bearer tb_pa_local"
    );
}

#[tokio::test]
async fn the_local_admin_key_is_sent_to_the_local_platform_alone() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("admin.key"), "tb_pa_local\n").unwrap();
    let folder = data.path().to_str().unwrap();

    for url in [
        "https://tools.example.com",
        "http://127.0.0.1.example.com",
        "http://[2001:db8::1]",
        "http://127.0.0.1:8001",
    ] {
        let ran = World::default()
            .run(&["whoami", "--data-dir", folder, "--url", url])
            .await;
        let why = "no API key for this address, which is not that of the data folder's platform";
        let sentence = format!("error: {why}: set TURNBUCKLE_API_KEY\n");
        assert_eq!(
            (ran.code, ran.err.as_str()),
            (2, sentence.as_str()),
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_damaged_file_of_the_data_folder_is_named() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    std::fs::write(data.path().join("turnbuckle.json"), "{").unwrap();

    let ran = World::default()
        .run(&["whoami", "--data-dir", folder, "--api-key", "x"])
        .await;

    let sentence = format!("error: {folder}/turnbuckle.json is damaged: give --url\n");
    assert_eq!((ran.code, ran.err), (2, sentence));
}

#[tokio::test]
async fn mcp_is_found_where_the_data_folder_says_and_gets_its_key() {
    let (admin, gateway) = (Server::start().await, Server::start().await);
    let list = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "echo"}]}});
    gateway.on("POST /api/v1/acme/mcp", 200, &list);
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    std::fs::write(data.path().join("admin.key"), "tb_pa_local\n").unwrap();
    let running = json!({"url": admin.url, "mcp_url": gateway.url});
    std::fs::write(data.path().join("turnbuckle.json"), running.to_string()).unwrap();
    let tools = ["mcp", "tools", "acme", "--data-dir", folder];

    let found = World::default().run(&tools).await;
    let config = [
        "client-config",
        "acme",
        "--client",
        "cursor",
        "--data-dir",
        folder,
    ];
    let config = World::default().run(&config).await;
    let elsewhere = [&tools[..], &["--mcp-url", "http://127.0.0.1:1"]].concat();
    let elsewhere = World::default().run(&elsewhere).await;

    assert_eq!(found.code, 0, "{}", found.err);
    assert!(admin.seen().is_empty());
    let sent = gateway.seen();
    assert_eq!(sent[0].header("authorization"), "Bearer tb_pa_local");
    let url = config.json()["mcpServers"]["acme"]["url"].clone();
    assert_eq!(url, format!("{}/api/v1/acme/mcp", gateway.url));
    let why = "no API key for this address, which is not that of the data folder's platform";
    let sentence = format!("error: {why}: set TURNBUCKLE_API_KEY\n");
    assert_eq!((elsewhere.code, elsewhere.err), (2, sentence));
}
