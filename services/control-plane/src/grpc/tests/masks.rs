//! Updates change what their mask names, and nothing else; creations happen once.

use http::Method;
use prost_types::FieldMask;
use proto::admin::v1 as pb;
use serde_json::json;
use tonic_types::StatusExt;

use super::world::{Clients, World};

fn named(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    })
}

fn map(pairs: &[(&str, &str)]) -> std::collections::HashMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

async fn remote_with_headers(world: &World) -> Clients {
    let body = json!({"slug": "acme", "name": "Acme"});
    world
        .rest(&world.root, Method::POST, "/tenants", &body)
        .await;
    let body = json!({
        "slug": "r", "type": "remote_mcp", "config": {"url": "https://mcp.example.com/"},
        "secrets": {"headers": {"X-One": "1", "X-Two": "2"}},
    });
    world
        .rest(
            &world.root,
            Method::POST,
            "/tenants/acme/connectors?wait=true",
            &body,
        )
        .await;
    world.clients(&world.root)
}

async fn headers_after(
    clients: &mut Clients,
    paths: &[&str],
    given: &[(&str, &str)],
) -> Vec<String> {
    let connector = pb::Connector {
        name: "tenants/acme/connectors/r".to_owned(),
        secrets: Some(pb::Secrets {
            headers: map(given),
            ..Default::default()
        }),
        ..Default::default()
    };
    let request = pb::UpdateConnectorRequest {
        connector: Some(connector),
        update_mask: named(paths),
    };
    let updated = clients
        .connectors
        .update_connector(request)
        .await
        .unwrap()
        .into_inner();
    updated.credential.unwrap().header_names
}

#[tokio::test]
async fn secrets_are_set_removed_and_replaced_as_the_mask_says() {
    let world = World::new().await;
    let mut clients = remote_with_headers(&world).await;
    let c = &mut clients;

    assert_eq!(
        headers_after(c, &[], &[("X-Three", "3")]).await,
        ["X-One", "X-Three", "X-Two"]
    );
    let one = ["secrets.headers.`X-One`", "secrets.headers.X-Four"];
    assert_eq!(
        headers_after(c, &one, &[("X-Four", "4")]).await,
        ["X-Four", "X-Three", "X-Two"]
    );
    assert_eq!(
        headers_after(c, &["secrets.headers"], &[("X-Five", "5")]).await,
        ["X-Five"]
    );
    assert_eq!(
        headers_after(c, &["display_name"], &[("X-Six", "6")]).await,
        ["X-Five"]
    );
    assert!(headers_after(c, &["secrets"], &[]).await.is_empty());
}

#[tokio::test]
async fn a_mask_that_names_what_cannot_change_is_refused() {
    let world = World::new().await;
    let mut clients = remote_with_headers(&world).await;

    for path in [
        "uid",
        "type",
        "enabled",
        "secrets.token.x",
        "secrets.env.",
        "",
    ] {
        let name = "tenants/acme/connectors/r".to_owned();
        let connector = Some(pb::Connector {
            name,
            ..Default::default()
        });
        let request = pb::UpdateConnectorRequest {
            connector,
            update_mask: named(&[path]),
        };
        let refused = clients
            .connectors
            .update_connector(request)
            .await
            .unwrap_err();
        let details = refused.get_error_details();
        let blamed = &details.bad_request().unwrap().field_violations[0].field;
        assert_eq!(blamed, "update_mask", "{path:?}");
    }
}

#[tokio::test]
async fn a_named_field_that_is_not_set_is_emptied() {
    let world = World::new().await;
    let mut clients = remote_with_headers(&world).await;
    let update = |tenant, paths: &[&str]| pb::UpdateTenantRequest {
        tenant: Some(pb::Tenant {
            name: "tenants/acme".to_owned(),
            ..tenant
        }),
        update_mask: named(paths),
    };
    let text = |text: &str| text.to_owned();

    let both = pb::Tenant {
        display_name: text("A"),
        description: text("d"),
        ..Default::default()
    };
    let first = clients
        .tenants
        .update_tenant(update(both.clone(), &["description"]))
        .await;
    let first = first.unwrap().into_inner();
    assert_eq!(
        (first.display_name.as_str(), first.description.as_str()),
        ("Acme", "d")
    );

    let bare = pb::Tenant {
        display_name: text("A"),
        ..Default::default()
    };
    let second = clients
        .tenants
        .update_tenant(update(bare, &["*"]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (second.display_name.as_str(), second.description.as_str()),
        ("A", "")
    );
}

#[tokio::test]
async fn a_creation_with_a_request_id_happens_once_over_both_interfaces() {
    let world = World::new().await;
    let mut clients = world.clients(&world.root);
    let request = |name: &str| pb::CreateTenantRequest {
        tenant_id: "acme".to_owned(),
        tenant: Some(pb::Tenant {
            display_name: name.to_owned(),
            ..Default::default()
        }),
        request_id: "once".to_owned(),
    };

    let first = clients
        .tenants
        .create_tenant(request("Acme"))
        .await
        .unwrap()
        .into_inner();
    let again = clients
        .tenants
        .create_tenant(request("Acme"))
        .await
        .unwrap()
        .into_inner();
    let other = clients
        .tenants
        .create_tenant(request("Other"))
        .await
        .unwrap_err();

    assert_eq!(first, again);
    let details = other.get_error_details();
    assert_eq!(
        details.error_info().unwrap().reason,
        "IDEMPOTENCY_KEY_REUSED"
    );
}
