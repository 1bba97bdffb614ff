//! Whose key opens what, for every route that the description has.

use serde_json::{Value, json};

use crate::harness::{Answer, Plane};

/// A route with its placeholders filled for one tenant.
struct Route {
    id: String,
    method: String,
    path: String,
    body: Value,
}

/// Every route of the description, aimed at what `tenant` has.
fn routes(tenant: &str, key_id: &str) -> Vec<Route> {
    let document: Value = serde_json::from_str(&control_plane::openapi_document()).unwrap();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let path = path.strip_prefix("/api/v1/admin").unwrap();
            let path = path
                .replace("{tenant}", tenant)
                .replace("{connector}", "up")
                .replace("{tool}", "echo")
                .replace("{provider}", "github")
                .replace("{connection}", key_id)
                .replace("{account}", key_id)
                .replace("{id}", key_id);
            let body = match id.as_str() {
                "createTenant" => json!({"slug": "new-one", "name": "x"}),
                "updateTenant" => json!({"name": "changed"}),
                "createConnector" => json!({"slug": "new-one", "type": "fake"}),
                "updateConnector" => json!({"display_name": "changed"}),
                "updateTool" => json!({"enabled": false}),
                "bulkUpdateTools" => json!({"updates": [{"name": "echo", "enabled": false}]}),
                "createKey" => json!({"name": "x", "scope": "tenant_user", "tenant": tenant}),
                "putOAuthClient" | "putTenantOAuthClient" => json!({"client_id": "x"}),
                "createAccount" => json!({"name": "x", "token": "x"}),
                "updateAccount" => json!({"name": "changed"}),
                "approveTool" | "createConnection" => json!({}),
                _ => Value::Null,
            };
            assert_eq!(
                body.is_null(),
                operation.get("requestBody").is_none(),
                "{id}: a body here"
            );
            routes.push(Route {
                id,
                method: method.to_uppercase(),
                path,
                body,
            });
        }
    }
    assert!(routes.len() >= 30, "{}", routes.len());
    routes
}

impl Route {
    async fn ask(&self, plane: &Plane, key: Option<&str>) -> Answer {
        let authorization = format!("Bearer {}", key.unwrap_or_default());
        let headers = [("authorization", authorization.as_str())];
        let headers = if key.is_some() { &headers[..] } else { &[] };
        plane
            .ask_with(headers, &self.method, &self.path, self.body.clone())
            .await
    }
}

/// A problem without what differs from request to request.
fn essence(mut answer: Answer) -> (u16, Value) {
    if let Some(problem) = answer.body.as_object_mut() {
        problem.remove("request_id");
        problem.remove("instance");
    }
    (answer.status.as_u16(), answer.body)
}

/// All that can be read of a tenant.
async fn everything(plane: &Plane, tenant: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for path in ["", "/connectors", "/connectors/up", "/connectors/up/tools"] {
        texts.push(plane.get(&format!("/tenants/{tenant}{path}")).await.text);
    }
    texts.push(plane.get("/keys").await.text);
    texts.push(plane.get("/tenants").await.text);
    texts
}

struct Ground {
    plane: Plane,
    /// The id of a key of tenant `theirs`.
    key_id: String,
}

async fn ground() -> Ground {
    let plane = Plane::new().await;
    for tenant in ["ours", "theirs"] {
        plane.tenant(tenant).await;
        plane.remote(tenant, "up").await;
    }
    let key = json!({"name": "x", "scope": "tenant_user", "tenant": "theirs"});
    let key = plane.ask("POST", "/keys", key).await.expect(201);
    Ground {
        key_id: key["id"].as_str().unwrap().to_owned(),
        plane,
    }
}

#[tokio::test]
async fn no_route_opens_without_a_live_key() {
    let Ground { plane, key_id } = ground().await;
    let garbage = plane.admin.replace('_', "-");
    let body =
        json!({"name": "x", "scope": "platform_admin", "expires_at": "2026-01-01T00:00:01Z"});
    let expired = plane.ask("POST", "/keys", body).await.expect(201)["secret"].clone();
    let body = json!({"name": "x", "scope": "platform_admin"});
    let revoked = plane.ask("POST", "/keys", body).await.expect(201);
    let path = format!("/keys/{}", revoked["id"].as_str().unwrap());
    plane.ask("DELETE", &path, Value::Null).await.expect(200);
    plane.clock.advance(std::time::Duration::from_secs(1));
    let before = everything(&plane, "theirs").await;

    let keys = [
        None,
        Some(garbage.as_str()),
        Some(expired.as_str().unwrap()),
        Some(revoked["secret"].as_str().unwrap()),
    ];
    for route in routes("theirs", &key_id) {
        for key in keys {
            let answer = route.ask(&plane, key).await;
            answer.expect_problem(401, "unauthenticated");
            let challenge = match key {
                None => "Bearer realm=\"turnbuckle\"",
                Some(_) => "Bearer realm=\"turnbuckle\", error=\"invalid_token\"",
            };
            assert_eq!(
                answer.header("www-authenticate"),
                Some(challenge),
                "{}",
                route.id
            );
        }
    }
    assert_eq!(everything(&plane, "theirs").await, before);
}

#[tokio::test]
async fn another_tenants_things_are_as_absent_as_those_of_no_tenant() {
    let Ground { plane, key_id } = ground().await;
    let admin = plane.key("tenant_admin", "ours").await;
    let user = plane.key("tenant_user", "ours").await;
    let before = everything(&plane, "theirs").await;

    let absent = routes("nowhere", "0190b6b5-0000-7000-8000-000000000000");
    for (foreign, absent) in routes("theirs", &key_id).iter().zip(&absent) {
        for key in [&admin, &user] {
            let answer = essence(foreign.ask(&plane, Some(key)).await);
            let (status, problem) = match foreign.id.as_str() {
                "whoami" => (200, None),
                "listConnectorTypes" | "listOAuthProviders" | "listKeys" if *key == admin => {
                    (200, None)
                }
                "createTenant" | "listTenants" | "listNodes" | "listOAuthClients"
                | "putOAuthClient" | "deleteOAuthClient" => (403, Some("forbidden")),
                "listConnectorTypes" | "listOAuthProviders" | "listKeys" | "createKey"
                | "getKey" | "revokeKey"
                    if *key == user =>
                {
                    (403, Some("forbidden"))
                }
                "getKey" | "revokeKey" => (404, Some("key-not-found")),
                _ => (404, Some("tenant-not-found")),
            };
            assert_eq!(answer.0, status, "{}: {}", foreign.id, answer.1);
            if let Some(problem) = problem {
                let name = format!("urn:turnbuckle:problem:{problem}");
                assert_eq!(answer.1["type"], name, "{}", foreign.id);
                assert_eq!(
                    answer,
                    essence(absent.ask(&plane, Some(key)).await),
                    "{}",
                    foreign.id
                );
            }
        }
    }
    let listed = plane
        .ask_as(&admin, "GET", "/keys?tenant=theirs", Value::Null)
        .await;
    listed.expect_problem(404, "tenant-not-found");
    assert_eq!(everything(&plane, "theirs").await, before);
}

#[tokio::test]
async fn a_tenant_user_key_opens_no_administration_but_of_its_own_accounts() {
    let Ground { plane, .. } = ground().await;
    let user = plane.key("tenant_user", "ours").await;
    let me = plane
        .ask_as(&user, "GET", "/whoami", Value::Null)
        .await
        .expect(200);
    let before = everything(&plane, "ours").await;

    for route in routes("ours", me["key"]["id"].as_str().unwrap()) {
        let answer = route.ask(&plane, Some(&user)).await;
        match route.id.as_str() {
            "whoami" => drop(answer.expect(200)),
            // Accounts are its own matter: see `accounts`.
            "listAccounts" => assert_eq!(answer.expect(200)["accounts"], json!([])),
            "createAccount" => drop(answer.expect(201)),
            "getAccount" | "updateAccount" | "disconnectAccount" => {
                answer.expect_problem(404, "account-not-found");
            }
            "getConnection" => answer.expect_problem(404, "connection-not-found"),
            "createConnection" => assert_eq!(answer.status, 409, "{}", answer.text),
            _ => answer.expect_problem(403, "forbidden"),
        }
    }
    assert_eq!(everything(&plane, "ours").await, before);
}

#[tokio::test]
async fn a_tenant_admin_key_manages_its_own_tenant_but_not_the_tenant_itself() {
    let Ground { plane, .. } = ground().await;
    let admin = plane.key("tenant_admin", "ours").await;
    for (method, path) in [
        ("PATCH", "/tenants/ours"),
        ("DELETE", "/tenants/ours"),
        ("POST", "/tenants/ours/activate"),
        ("POST", "/tenants/ours/deactivate"),
    ] {
        let body = if method == "PATCH" {
            json!({"name": "x"})
        } else {
            Value::Null
        };
        let refused = plane.ask_as(&admin, method, path, body).await;
        refused.expect_problem(403, "forbidden");
    }
    plane
        .ask_as(&admin, "GET", "/tenants/ours", Value::Null)
        .await
        .expect(200);
    let body = json!({"slug": "gh", "type": "fake"});
    plane
        .ask_as(&admin, "POST", "/tenants/ours/connectors", body)
        .await
        .expect(201);
}
