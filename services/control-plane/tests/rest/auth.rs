use std::time::Duration;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::harness::Plane;

#[tokio::test]
async fn whoami_tells_any_live_key_what_it_is() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    for (scope, tenant) in [
        ("tenant_user", json!("acme")),
        ("platform_admin", Value::Null),
    ] {
        let key = json!({"name": "k", "scope": scope, "tenant": tenant});
        let key = plane.ask("POST", "/keys", key).await.expect(201);
        let secret = key["secret"].as_str().unwrap();
        let me = plane
            .ask_as(secret, "GET", "/whoami", Value::Null)
            .await
            .expect(200);
        assert_eq!(
            (&me["key"]["id"], &me["key"]["tenant"]),
            (&key["id"], &tenant)
        );
        assert!(me["key"].get("secret").is_none());
    }
}

#[tokio::test]
async fn whatever_is_no_live_key_gets_a_challenge() {
    let plane = Plane::new().await;
    let other = plane.admin.replace("tb_pa_", "tb_ta_");
    let (start, last) = plane.admin.split_at(plane.admin.len() - 1);
    let wrong = format!("{start}{}", if last == "A" { "E" } else { "A" });
    for value in [
        "Bearer x".to_owned(),
        "Bearer".to_owned(),
        format!("Basic {}", plane.admin),
        plane.admin.clone(),
        format!("Bearer {wrong}"),
        format!("Bearer {} {}", plane.admin, plane.admin),
    ] {
        let asked = plane
            .ask_with(&[("authorization", &value)], "GET", "/whoami", Value::Null)
            .await;
        asked.expect_problem(401, "unauthenticated");
        let challenge = "Bearer realm=\"turnbuckle\", error=\"invalid_token\"";
        assert_eq!(asked.header("www-authenticate"), Some(challenge), "{value}");
    }
    let key = format!("Bearer {}", plane.admin);
    let twice = [
        ("authorization", key.as_str()),
        ("authorization", key.as_str()),
    ];
    let asked = plane.ask_with(&twice, "GET", "/whoami", Value::Null).await;
    asked.expect_problem(401, "unauthenticated");

    // The stored key decides, not what the text says of its scope; the scheme has no case.
    let lower = format!("bearer {other}");
    let me = plane
        .ask_with(&[("authorization", &lower)], "GET", "/whoami", Value::Null)
        .await;
    assert_eq!(me.expect(200)["key"]["scope"], "platform_admin");
}

#[tokio::test]
async fn a_key_opens_nothing_from_the_moment_it_expires() {
    let plane = Plane::new().await;
    let body =
        json!({"name": "k", "scope": "platform_admin", "expires_at": "2026-01-01T00:01:00Z"});
    let key = plane.ask("POST", "/keys", body).await.expect(201);
    let secret = key["secret"].as_str().unwrap();

    plane.clock.advance(Duration::from_secs(59));
    plane
        .ask_as(secret, "GET", "/whoami", Value::Null)
        .await
        .expect(200);
    plane.clock.advance(Duration::from_secs(1));
    let late = plane.ask_as(secret, "GET", "/whoami", Value::Null).await;
    late.expect_problem(401, "unauthenticated");

    let path = format!("/keys/{}", key["id"].as_str().unwrap());
    assert_eq!(plane.get(&path).await.expect(200)["state"], "expired");
}

#[tokio::test]
async fn connector_types_are_the_catalogs_and_the_two_kinds_of_mcp_servers() {
    let plane = Plane::new().await;
    let answer = plane.get("/connector-types").await.expect(200);
    let types = answer["types"].as_array().unwrap();
    let shown: Vec<_> = types
        .iter()
        .map(|known| {
            json!([
                known["type"],
                known["display_name"],
                known["tools"],
                known["kind"]
            ])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!(["fake", "Fake", 2, "native"]),
            json!(["sited", "Sited", 2, "native"]),
            json!(["remote_mcp", "Remote MCP server", null, "mcp"]),
            json!(["hosted_mcp", "Hosted MCP server", null, "mcp"]),
        ]
    );
    let needed: Vec<_> = types
        .iter()
        .flat_map(|known| known["settings"].as_array().unwrap())
        .map(|setting| json!([setting["name"], setting["required"]]))
        .collect();
    assert_eq!(
        needed,
        [
            json!(["base_url", "never"]),
            json!(["base_url", "always"]),
            json!(["url", "always"]),
            json!(["command", "always"]),
            json!(["working_directory", "never"]),
        ]
    );
    assert_eq!(
        types[1]["settings"][0]["examples"],
        json!(["https://{site}.example.com"])
    );
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_problems_too() {
    let plane = Plane::new().await;
    plane.get("/nowhere").await.expect_problem(404, "not-found");
    plane
        .get("/tenants/acme/nowhere")
        .await
        .expect_problem(404, "not-found");
    let put = plane.ask("PUT", "/tenants", json!({})).await;
    put.expect_problem(405, "method-not-allowed");
    assert_eq!(put.header("allow"), Some("POST,GET,HEAD"));
    for open in [
        "/api/v1/openapi.json",
        "/docs",
        "/docs/",
        "/docs/index.html",
    ] {
        let put = Request::put(open).body(Body::empty()).unwrap();
        let put = plane.send(put).await;
        put.expect_problem(405, "method-not-allowed");
        assert_eq!(put.header("allow"), Some("GET,HEAD"), "{open}");
    }
}

#[tokio::test]
async fn a_path_that_decodes_to_no_text_is_a_problem_too_after_the_key() {
    let plane = Plane::new().await;
    for (path, field) in [
        ("/tenants/%ff", "tenant"),
        ("/tenants/acme/connectors/%ff", "connector"),
        ("/keys/%ff", "id"),
    ] {
        let refused = plane.get(path).await;
        refused.expect_problem(400, "invalid-request");
        assert_eq!(refused.fields(), [field]);
        let keyless = plane.ask_with(&[], "GET", path, Value::Null).await;
        keyless.expect_problem(401, "unauthenticated");
    }
    let file = Request::get("/docs/%ff").body(Body::empty()).unwrap();
    plane
        .send(file)
        .await
        .expect_problem(400, "invalid-request");
}

#[tokio::test]
async fn the_first_key_is_made_once_and_again_when_none_is_live() {
    let plane = Plane::new().await;
    assert!(plane.plane.bootstrap(|_| Ok(())).await.unwrap().is_none());

    let me = plane.get("/whoami").await.expect(200);
    let path = format!("/keys/{}", me["key"]["id"].as_str().unwrap());
    plane.ask("DELETE", &path, Value::Null).await.expect(200);

    let failed = plane
        .plane
        .bootstrap(|_| anyhow::bail!("disk full"))
        .await
        .unwrap_err();
    assert_eq!(failed.to_string(), "disk full");
    let again = plane.plane.bootstrap(|_| Ok(())).await.unwrap().unwrap();
    plane
        .ask_as(&again.expose(), "GET", "/whoami", Value::Null)
        .await
        .expect(200);
}
