//! Everything needs a key, and each key opens what its scope says.

use reqwest::Method;
use serde_json::{Value, json};

use super::Platform;
use crate::harness::{Answer, Api, Mcp};

/// Every operation of the admin API: method and path, from its own document, with `tenant` and
/// values that exist nowhere in the place of its parameters.
pub(super) async fn operations(platform: &Platform, tenant: &str) -> Vec<(Method, String)> {
    let document = platform
        .public()
        .get("/api/v1/openapi.json")
        .await
        .expect(200);
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/api/v1/admin") else {
            continue;
        };
        let path = path
            .replace("{tenant}", tenant)
            .replace("{connector}", "gh")
            .replace("{tool}", "echo")
            .replace("{provider}", "github")
            .replace("{account}", "00000000000070008000000000000002")
            .replace("{connection}", "00000000000070008000000000000003")
            .replace("{id}", "00000000000070008000000000000001");
        assert!(!path.contains('{'), "an unknown parameter in {path}");
        for method in item.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            if ["GET", "POST", "PATCH", "DELETE", "PUT"].contains(&method.as_str()) {
                found.push((method.parse().unwrap(), path.clone()));
            }
        }
    }
    assert!(
        found.len() >= 30,
        "the document names all operations: {found:?}"
    );
    found
}

/// A request that would be well-formed, so that it is the key that decides.
pub(super) async fn try_operation(api: &Api, method: &Method, path: &str) -> Answer {
    let request = api.request(method.clone(), path);
    let request = match *method {
        Method::GET | Method::DELETE => request,
        _ => request.json(&body_of(method, path)),
    };
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer {
        status,
        headers,
        text,
        json,
    }
}

fn body_of(method: &Method, path: &str) -> Value {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, segments.as_slice()) {
        (&Method::POST, ["tenants"]) => json!({ "slug": "new-one", "name": "New one" }),
        (&Method::POST, ["tenants", _, "connectors"]) => {
            json!({ "slug": "x", "type": "remote_mcp", "config": { "url": "http://127.0.0.1:1/mcp" } })
        }
        (&Method::POST, ["keys"]) => json!({ "name": "x", "scope": "platform_admin" }),
        (&Method::POST, [.., "bulk-update"]) => {
            json!({ "updates": [{ "name": "echo", "enabled": false }] })
        }
        (&Method::PATCH, [.., "tools", _]) => json!({ "enabled": false }),
        (&Method::PUT, [.., "oauth-clients", _]) => json!({ "client_id": "x" }),
        (&Method::POST, [.., "accounts"]) => json!({ "name": "x", "token": "x" }),
        (&Method::PATCH, [.., "accounts", _]) => json!({ "name": "x" }),
        _ => json!({}),
    }
}

#[tokio::test]
async fn no_admin_operation_works_without_a_key() {
    let platform = Platform::start().await;
    let base = format!("{}/api/v1/admin", platform.url());
    let nobody = Api::new(base.clone(), None);
    let stranger = format!("tb_pa_{}_{}", "0".repeat(32), "A".repeat(43));
    let stranger = Api::new(base, Some(&stranger));

    for (method, path) in operations(&platform, "acme").await {
        let answer = try_operation(&nobody, &method, &path).await;
        answer.expect_problem(401, "unauthenticated");
        assert_eq!(
            answer.header("www-authenticate"),
            "Bearer realm=\"turnbuckle\"",
            "{path}"
        );
        assert_eq!(
            answer.json["request_id"],
            answer.header("x-request-id"),
            "{method} {path}"
        );

        let answer = try_operation(&stranger, &method, &path).await;
        answer.expect_problem(401, "unauthenticated");
        assert!(
            answer
                .header("www-authenticate")
                .contains("error=\"invalid_token\""),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_tenant_user_may_do_nothing_but_use_tools_with_accounts_of_its_own() {
    let platform = Platform::start().await;
    let user = platform.api(&platform.tenant("acme").await);

    for (method, path) in operations(&platform, "acme").await {
        let answer = try_operation(&user, &method, &path).await;
        let of_accounts = path.contains("/accounts") || path.contains("/connections");
        if path == "/whoami" {
            assert_eq!(answer.status, 200);
        } else if of_accounts {
            // Its own matter, of a connector that the tenant has; this one it has not.
            answer.expect_problem(404, "connector-not-found");
        } else {
            answer.expect_problem(403, "forbidden");
        }
    }
}

#[tokio::test]
async fn mcp_needs_a_live_key_in_both_eras() {
    let platform = Platform::start().await;
    let user = platform.tenant("acme").await;
    let id = platform.api(&user).get("/whoami").await.expect(200)["key"]["id"].clone();
    let mcp = platform.mcp("acme", &user);
    let session = mcp.open().await;
    assert_eq!(mcp.tools().await, Vec::<String>::new());

    for key in [
        "",
        "nonsense",
        &format!("{user}x"),
        &user.replace("tb_tu_", "tb_pa_"),
    ] {
        for answer in attempts(&mcp.with_key(key), &session.id).await {
            assert_eq!(answer.status, 401, "key {key:?}: {}", answer.text);
            assert!(
                answer.header("www-authenticate").starts_with("Bearer"),
                "key {key:?}"
            );
        }
    }

    let path = format!("/keys/{}", id.as_str().unwrap());
    platform.admin().delete(&path).await.expect(200);
    for answer in attempts(&mcp, &session.id).await {
        assert_eq!(
            answer.status, 401,
            "a revoked key opens nothing at once: {}",
            answer.text
        );
    }
}

/// One request of each kind: modern, legacy with and without a session.
async fn attempts(mcp: &Mcp, session: &str) -> Vec<Answer> {
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "scenario", "version": "1" },
        },
    });
    let in_session = [
        ("mcp-session-id", session),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    vec![
        mcp.modern("tools/list", json!({})).await,
        mcp.modern("server/discover", json!({})).await,
        mcp.post(&initialize, &[]).await,
        mcp.post(&list, &in_session).await,
        mcp.send(Method::GET, None, &in_session).await,
        mcp.send(Method::DELETE, None, &in_session).await,
    ]
}
