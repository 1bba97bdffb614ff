//! The 2026-07-28 revision.

use serde_json::json;

use crate::rig::{MODERN, Rig, definition, meta};

#[tokio::test]
async fn discover_names_the_server_and_only_what_works() {
    let answer = Rig::new().modern("server/discover", json!({})).await;

    assert_eq!(answer.status, 200);
    let info = json!({"name": "acme", "title": "acme", "version": env!("CARGO_PKG_VERSION")});
    assert_eq!(
        answer.json()["result"],
        json!({
            "resultType": "complete",
            "supportedVersions": [MODERN],
            "capabilities": {"tools": {"listChanged": true}},
            "ttlMs": 60_000,
            "cacheScope": "private",
            "_meta": {"io.modelcontextprotocol/serverInfo": info},
        })
    );
    assert!(!answer.headers.contains_key("mcp-session-id"));
}

#[tokio::test]
async fn tools_are_listed_in_a_fixed_order_page_by_page_without_the_disabled_ones() {
    let config = gateway::Config {
        tools_per_page: 4,
        ..gateway::Config::default()
    };
    let rig = Rig::with(config);

    let first = rig.modern("tools/list", json!({})).await.json()["result"].clone();
    let second = rig
        .modern("tools/list", json!({"cursor": first["nextCursor"]}))
        .await;
    let second = second.json()["result"].clone();

    let names = |page: &serde_json::Value| -> Vec<String> {
        let tools = page["tools"].as_array().unwrap().iter();
        tools
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(&first),
        ["echo", "progress", "wait", "two_echo"],
        "connectors by slug, each one's tools as it lists them"
    );
    assert_eq!(names(&second), ["two_progress", "two_wait"]);
    assert_eq!(
        (&first["resultType"], &first["cacheScope"]),
        (&json!("complete"), &json!("private"))
    );
    assert!(second.get("nextCursor").is_none());
    let bad = rig.modern("tools/list", json!({"cursor": "bm9uZQ"})).await;
    assert_eq!(bad.error(), (200, -32602, "Invalid cursor".to_owned()));
}

#[tokio::test]
async fn a_call_reaches_the_right_connector_under_the_upstreams_own_name() {
    let rig = Rig::new();
    let arguments = json!({"a": [1, {"b": "ü"}]});

    let answer = rig
        .modern(
            "tools/call",
            json!({"name": "two_echo", "arguments": arguments}),
        )
        .await;

    let result = answer.json()["result"].clone();
    assert_eq!(
        (&result["echo"], &result["resultType"]),
        (&arguments, &json!("complete"))
    );
    assert!(
        answer.text.contains(r#""x":1.0"#),
        "unknown members keep their text"
    );
    assert_eq!(
        result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "acme"
    );
    let calls = rig.worker.calls.lock().unwrap();
    let name = calls[0].request.name.as_deref();
    assert_eq!((name, calls[0].version), (Some("echo"), 7));
    assert_eq!(calls[0].connector.as_uuid().as_u128(), 12);
}

#[tokio::test]
async fn missing_or_contradictory_headers_are_refused() {
    let rig = Rig::new();
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "echo", "_meta": meta()},
    })
    .to_string();
    let version = ("mcp-protocol-version", MODERN);
    let (method, name) = (("mcp-method", "tools/call"), ("mcp-name", "echo"));
    let send = async |headers: &[(&str, &str)]| {
        let (status, code, _) = rig.send(rig.post(headers, body.clone())).await.error();
        (status, code)
    };

    assert_eq!(send(&[method, name]).await, (400, -32020), "no version");
    assert_eq!(
        send(&[("mcp-protocol-version", "2025-11-25"), method, name]).await,
        (400, -32020)
    );
    assert_eq!(send(&[version, name]).await, (400, -32020), "no method");
    assert_eq!(
        send(&[version, ("mcp-method", "Tools/Call"), name]).await,
        (400, -32020)
    );
    assert_eq!(
        send(&[version, method, method, name]).await,
        (400, -32020),
        "method twice"
    );
    assert_eq!(send(&[version, method]).await, (400, -32020), "no name");
    assert_eq!(
        send(&[version, method, ("mcp-name", "other")]).await,
        (400, -32020)
    );
    assert_eq!(
        send(&[version, method, ("mcp-name", "=?base64?!?=")]).await,
        (400, -32020)
    );
    assert_eq!(
        send(&[version, method, ("mcp-name", "=?base64?ZWNobw==?=")])
            .await
            .0,
        200
    );
    assert_eq!(
        send(&[version, version, method, name]).await,
        (400, -32020),
        "version twice"
    );
}

#[tokio::test]
async fn metadata_must_be_there_and_name_a_version_that_is_served() {
    let rig = Rig::new();
    let send = async |header: &str, params: serde_json::Value| {
        let headers = [
            ("mcp-protocol-version", header),
            ("mcp-method", "tools/list"),
        ];
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params});
        rig.send(rig.post(&headers, body.to_string())).await
    };
    let version = "io.modelcontextprotocol/protocolVersion";

    let (status, code, _) = send(MODERN, json!({})).await.error();
    assert_eq!((status, code), (400, -32602), "no metadata");
    let (status, code, _) = send(MODERN, json!({"_meta": {version: MODERN}}))
        .await
        .error();
    assert_eq!((status, code), (400, -32602), "no capabilities");
    let unknown = send("2099-01-01", json!({"_meta": {version: "2099-01-01"}})).await;
    assert_eq!((unknown.status.as_u16(), unknown.error().1), (400, -32022));
    assert_eq!(
        unknown.json()["error"]["data"],
        json!({"supported": [MODERN], "requested": "2099-01-01"})
    );
}

#[tokio::test]
async fn what_the_revision_removed_is_not_found() {
    let rig = Rig::new();
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "tasks/list",
        "no/such",
    ] {
        let answer = rig.modern(method, json!({})).await;
        assert_eq!(
            answer.error(),
            (404, -32601, format!("Method not found: {method}"))
        );
    }
    for method in ["GET", "DELETE", "PUT"] {
        let mut request = rig.post(&[("mcp-protocol-version", MODERN)], "");
        *request.method_mut() = method.parse().unwrap();
        assert_eq!(rig.send(request).await.status, 405, "{method}");
    }
}

#[tokio::test]
async fn a_notification_is_accepted_and_a_response_is_not() {
    let rig = Rig::new();
    let headers = [("mcp-protocol-version", MODERN)];

    let told = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(rig.send(rig.post(&headers, told)).await.status, 202);
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let (status, code, _) = rig.send(rig.post(&headers, response)).await.error();
    assert_eq!((status, code), (400, -32600));
}

#[tokio::test]
async fn annotated_arguments_must_be_repeated_in_headers() {
    let rig = Rig::new();
    let schema = json!({"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
    }});
    let broken = json!({"type": "object", "properties": {
        "list": {"type": "array", "x-mcp-header": "List"},
    }});
    rig.source.change("acme", |tenant| {
        let tools = &mut tenant.connectors[0].tools;
        tools[0].definition = definition("echo", &schema);
        tools[1].definition = definition("progress", &broken);
    });
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "echo", "arguments": {"region": "eu"}, "_meta": meta()},
    })
    .to_string();
    let base = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
    ];

    let missing = rig.send(rig.post(&base, body.clone())).await;
    let message = "header mcp-param-region is missing".to_owned();
    assert_eq!(missing.error(), (400, -32020, message));
    let with = |value| [base[0], base[1], base[2], ("mcp-param-region", value)];
    assert_eq!(
        rig.send(rig.post(&with("us"), body.clone())).await.status,
        400
    );
    assert_eq!(rig.send(rig.post(&with("eu"), body)).await.status, 200);
    let unlisted = rig.modern("tools/call", json!({"name": "progress"})).await;
    assert_eq!(
        unlisted.error().2,
        "Unknown tool: progress",
        "broken annotations are not offered"
    );
}
