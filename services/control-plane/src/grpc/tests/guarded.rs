//! Nothing opens without a key, and no key opens another tenant: on every method there is.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use prost::Message;
use prost_types::FileDescriptorSet;
use proto::admin::v1 as pb;
use serde_json::json;
use tower::ServiceExt;

use super::world::World;

/// Path and service of every method, ours and those of reflection.
fn methods() -> Vec<(String, String)> {
    let described = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut methods: Vec<(String, String)> = Vec::new();
    for file in &described.file {
        for service in &file.service {
            let service_name = format!("{}.{}", file.package(), service.name());
            let paths = service
                .method
                .iter()
                .map(|m| format!("/{service_name}/{}", m.name()));
            methods.extend(paths.map(|path| (path, service.name().to_owned())));
        }
    }
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        methods.push((path, "ServerReflection".to_owned()));
    }
    methods
}

/// Sends one message as it is; gives the status, the message and the details of the answer.
async fn status(
    world: &World,
    path: &str,
    token: Option<&str>,
    message: &[u8],
) -> (String, String, String) {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    let mut request = Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(token) = token {
        request = request.header("authorization", token);
    }
    let request = request.body(Body::from(Bytes::from(frame))).unwrap();
    let response = world.grpc.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let trailers = body
        .collect()
        .await
        .unwrap()
        .trailers()
        .cloned()
        .unwrap_or_default();
    let read = |headers: &HeaderMap, name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let field = |name| read(&parts.headers, name).or_else(|| read(&trailers, name));
    ["grpc-status", "grpc-message", "grpc-status-details-bin"]
        .map(|name| field(name).unwrap_or_default())
        .into()
}

#[tokio::test]
async fn no_method_but_health_answers_without_a_live_key() {
    let world = World::new().await;
    let body = json!({"slug": "acme", "name": "Acme"});
    world
        .rest(&world.root, Method::POST, "/tenants", &body)
        .await;
    let revoked = world.key("tenant_admin", "acme").await;
    let id = &revoked[6..38];
    let (done, _) = world
        .rest(
            &world.root,
            Method::DELETE,
            &format!("/keys/{id}"),
            &json!(null),
        )
        .await;
    assert!(done.is_success());
    let revoked = format!("Bearer {revoked}");
    let basic = format!("Basic {}", world.root);

    let mut methods = methods();
    assert_eq!(methods.len(), 47);
    methods.push((
        "/turnbuckle.admin.v1.TenantService/Nope".to_owned(),
        String::new(),
    ));
    for (path, _) in &methods {
        for token in [
            None,
            Some("Bearer x"),
            Some(basic.as_str()),
            Some(revoked.as_str()),
        ] {
            let (code, ..) = status(&world, path, token, b"").await;
            assert_eq!(code, "16", "{path} {token:?}");
        }
    }
    let (code, ..) = status(&world, "/grpc.health.v1.Health/Check", None, b"").await;
    assert_eq!(code, "0");
}

#[tokio::test]
async fn what_is_another_tenants_is_as_absent_as_what_does_not_exist() {
    let world = World::new().await;
    for slug in ["acme", "rival"] {
        let body = json!({"slug": slug, "name": slug});
        world
            .rest(&world.root, Method::POST, "/tenants", &body)
            .await;
    }
    let body = json!({"slug": "gh", "type": "github"});
    world
        .rest(&world.root, Method::POST, "/tenants/acme/connectors", &body)
        .await;
    let body = json!({"name": "k", "scope": "tenant_admin", "tenant": "acme"});
    let (_, key) = world.rest(&world.root, Method::POST, "/keys", &body).await;
    let key = key["id"].as_str().unwrap();
    let absent = uuid::Uuid::from_u128(4711).to_string();
    // What is there opens to whoever may see it: the messages are good ones.
    let root = format!("Bearer {}", world.root);
    let seen = foreign("KeyService", "GetKey", "acme", key);
    assert_eq!(
        status(
            &world,
            "/turnbuckle.admin.v1.KeyService/GetKey",
            Some(&root),
            &seen
        )
        .await
        .0,
        "0"
    );

    for scope in ["tenant_admin", "tenant_user"] {
        let token = format!("Bearer {}", world.key(scope, "rival").await);
        for (path, service) in methods() {
            let method = path.rsplit('/').next().unwrap().to_owned();
            let theirs = foreign(&service, &method, "acme", key);
            let nobodys = foreign(&service, &method, "nobody", &absent);
            if theirs == nobodys {
                // It names nothing of anybody.
                continue;
            }
            let theirs = status(&world, &path, Some(&token), &theirs).await;
            let nobodys = status(&world, &path, Some(&token), &nobodys).await;
            assert_eq!(theirs, nobodys, "{path} as {scope}");
            assert!(
                matches!(theirs.0.as_str(), "5" | "7"),
                "{path} as {scope}: {theirs:?}"
            );
        }
    }
}

/// A message about what belongs to a tenant.
fn foreign(service: &str, method: &str, tenant: &str, key: &str) -> Vec<u8> {
    let tenant = format!("tenants/{tenant}");
    let connector = format!("{tenant}/connectors/gh");
    // The first field of most requests is the resource or its parent.
    let named = |name: String| pb::GetTenantRequest { name }.encode_to_vec();
    match (service, method) {
        (_, "CreateTenant") => pb::CreateTenantRequest::default().encode_to_vec(),
        (
            _,
            "ListTenants"
            | "ListConnectorTypes"
            | "ListNodes"
            | "ListOAuthProviders"
            | "WhoAmI"
            | "ServerReflectionInfo",
        ) => Vec::new(),
        (_, "UpdateTenant") => {
            let tenant = Some(pb::Tenant {
                name: tenant,
                ..Default::default()
            });
            pb::UpdateTenantRequest {
                tenant,
                ..Default::default()
            }
            .encode_to_vec()
        }
        ("TenantService", _) | (_, "ListConnectors" | "CreateConnector" | "ListOAuthClients") => {
            named(tenant)
        }
        (_, "DeleteOAuthClient") => named(format!("{tenant}/oauthClients/github")),
        (_, "SetOAuthClient") => pb::SetOAuthClientRequest {
            oauth_client: Some(pb::OAuthClient {
                name: format!("{tenant}/oauthClients/github"),
                client_id: "c".to_owned(),
                ..Default::default()
            }),
        }
        .encode_to_vec(),
        (_, "GetConnection") => named(format!("{connector}/connections/{key}")),
        (_, "GetAccount" | "DisconnectAccount") => named(format!("{connector}/accounts/{key}")),
        (_, "UpdateAccount") => pb::UpdateAccountRequest {
            account: Some(pb::Account {
                name: format!("{connector}/accounts/{key}"),
                ..Default::default()
            }),
            sign_in: None,
        }
        .encode_to_vec(),
        (_, "UpdateConnector") => {
            let connector = Some(pb::Connector {
                name: connector,
                ..Default::default()
            });
            pb::UpdateConnectorRequest {
                connector,
                ..Default::default()
            }
            .encode_to_vec()
        }
        (_, "GetProcess" | "RestartProcess" | "ListStderr") => {
            named(format!("{connector}/process"))
        }
        (_, "GetTool" | "GetToolChanges" | "ApproveTool") => {
            named(format!("{connector}/tools/github_get_issue"))
        }
        (_, "UpdateTool") => {
            let name = format!("{connector}/tools/github_get_issue");
            let tool = Some(pb::Tool {
                name,
                ..Default::default()
            });
            pb::UpdateToolRequest {
                tool,
                ..Default::default()
            }
            .encode_to_vec()
        }
        (_, "CreateKey") => {
            let mut key = pb::Key {
                tenant,
                display_name: "k".to_owned(),
                ..Default::default()
            };
            key.set_scope(pb::key::Scope::TenantUser);
            pb::CreateKeyRequest {
                key: Some(key),
                ..Default::default()
            }
            .encode_to_vec()
        }
        (_, "ListKeys") => pb::ListKeysRequest {
            tenant,
            ..Default::default()
        }
        .encode_to_vec(),
        ("KeyService", _) => named(format!("keys/{key}")),
        _ => named(connector),
    }
}
