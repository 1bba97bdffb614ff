//! The revisions with a handshake.

use std::time::Duration;

use serde_json::json;

use crate::rig::{Rig, initialize};

const ACME: &str = "/api/v1/acme/mcp";

#[tokio::test]
async fn the_handshake_echoes_every_revision_it_speaks_and_offers_its_latest_otherwise() {
    let rig = Rig::new();
    for (asked, answered) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let answer = rig.send(rig.post(&[], initialize(asked))).await;

        let result = answer.json()["result"].clone();
        assert_eq!(result["protocolVersion"], answered, "{asked}");
        assert_eq!(
            result["capabilities"],
            json!({"tools": {"listChanged": true}})
        );
        assert_eq!(result["serverInfo"]["name"], "acme");
        let session = answer.headers["mcp-session-id"].to_str().unwrap();
        assert!(
            session.bytes().all(|byte| matches!(byte, 0x21..=0x7e)),
            "{session}"
        );
    }
    let params = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":1}}"#;
    let (status, code, _) = rig.send(rig.post(&[], params)).await.error();
    assert_eq!((status, code), (400, -32602));
}

#[tokio::test]
async fn a_session_lists_calls_pings_and_ends() {
    let rig = Rig::new();
    let session = rig.session(ACME, &rig.keys[0]).await;
    let headers = [("mcp-session-id", session.as_str())];

    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(rig.send(rig.post(&headers, initialized)).await.status, 202);
    let answer = r#"{"jsonrpc":"2.0","id":9,"result":{}}"#;
    assert_eq!(rig.send(rig.post(&headers, answer)).await.status, 202);
    let ping = rig.legacy(&session, "ping", json!({})).await;
    assert_eq!(ping.text, r#"{"jsonrpc":"2.0","id":"a","result":{}}"#);
    let list = rig.legacy(&session, "tools/list", json!({})).await.json()["result"].clone();
    assert_eq!(list["tools"].as_array().unwrap().len(), 6);
    assert_eq!(list["tools"][0]["x"], json!(1.0));
    assert!(list.get("resultType").is_none());
    let call = rig
        .legacy(&session, "tools/call", json!({"name": "echo"}))
        .await;
    let plain = r#"{"jsonrpc":"2.0","id":"a","result":{"content":[],"echo":{},"x":1.0}}"#;
    assert_eq!(call.text, plain, "absent arguments are empty ones");

    let mut delete = rig.post(&headers, "");
    *delete.method_mut() = http::Method::DELETE;
    assert_eq!(rig.send(delete).await.status, 204);
    let gone = rig.legacy(&session, "ping", json!({})).await;
    let message = "Session not found; begin again with initialize".to_owned();
    assert_eq!(gone.error(), (404, -32600, message));
}

#[tokio::test]
async fn a_session_is_dead_to_everyone_and_everything_it_was_not_begun_for() {
    let rig = Rig::new();
    let session = rig.session(ACME, &rig.keys[0]).await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let status = async |path: &str, key: &str, session: &str| {
        let request = rig.post_to(path, key, &[("mcp-session-id", session)], ping.clone());
        rig.send(request).await.status.as_u16()
    };

    assert_eq!(status(ACME, &rig.keys[0], &session).await, 200);
    assert_eq!(
        status("/api/v1/rival/mcp", &rig.keys[1], &session).await,
        404,
        "other tenant"
    );
    assert_eq!(
        status("/api/v1/acme/connectors/one/mcp", &rig.keys[0], &session).await,
        404
    );
    let second = rig.mint(500, domain::Scope::TenantAdmin);
    let tenant = rig.source.tenants.lock().unwrap()["acme"].tenant.id;
    let stored = rig.stored(&second, domain::Scope::TenantAdmin, Some(tenant));
    rig.source.change("acme", |config| config.keys.push(stored));
    assert_eq!(
        status(ACME, &second.expose(), &session).await,
        404,
        "other principal"
    );
    assert_eq!(status(ACME, &rig.keys[0], "forged").await, 404);
    let twice = [
        ("mcp-session-id", session.as_str()),
        ("mcp-session-id", session.as_str()),
    ];
    assert_eq!(
        rig.send(rig.post(&twice, ping.clone())).await.status,
        400,
        "two sessions"
    );

    rig.source
        .change("acme", |config| config.keys[0].key.expires_at = None);
    rig.clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
    assert_eq!(status(ACME, &rig.keys[0], &session).await, 200);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(status(ACME, &rig.keys[0], &session).await, 404, "expired");
}

#[tokio::test]
async fn without_a_session_there_is_only_the_handshake() {
    let rig = Rig::new();
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();

    let (status, code, message) = rig.send(rig.post(&[], ping)).await.error();

    assert_eq!((status, code), (400, -32600));
    assert!(message.contains("Mcp-Session-Id"), "{message}");
}

#[tokio::test]
async fn an_unknown_method_is_no_lost_session_and_an_odd_version_header_is_tolerated() {
    let rig = Rig::new();
    let session = rig.session(ACME, &rig.keys[0]).await;

    let unknown = rig.legacy(&session, "prompts/list", json!({})).await;
    assert_eq!(
        unknown.error(),
        (200, -32601, "Method not found: prompts/list".to_owned())
    );

    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let with = async |version: &str| {
        let headers = [
            ("mcp-session-id", session.as_str()),
            ("mcp-protocol-version", version),
        ];
        rig.send(rig.post(&headers, ping.clone())).await
    };
    assert_eq!(
        with("2024-11-05").await.status,
        200,
        "not the negotiated one, but one we speak"
    );
    let (status, code, _) = with("2031-01-01").await.error();
    assert_eq!((status, code), (400, -32022));
}

#[tokio::test]
async fn a_key_beyond_its_cap_of_sessions_loses_the_oldest() {
    let config = gateway::Config {
        sessions_per_key: 2,
        ..gateway::Config::default()
    };
    let rig = Rig::with(config);
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(rig.session(ACME, &rig.keys[0]).await);
    }

    let mut statuses = Vec::new();
    for session in &sessions {
        statuses.push(rig.legacy(session, "ping", json!({})).await.status.as_u16());
    }

    assert_eq!(statuses, [404, 200, 200]);
}
