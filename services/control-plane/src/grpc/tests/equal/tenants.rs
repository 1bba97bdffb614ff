//! Tenants and keys.

use http::Method;
use proto::admin::v1 as pb;
use serde_json::json;

use super::{Both, NONE};
use crate::grpc::tests::rest_of;

pub(super) async fn tenants(both: &mut Both) {
    let body = json!({"slug": "acme", "name": "Acme", "contact_email": "a@example.com"});
    let given = pb::Tenant {
        display_name: "Acme".to_owned(),
        contact_email: "a@example.com".to_owned(),
        ..pb::Tenant::default()
    };
    let created = both
        .same(
            "createTenant",
            (Method::POST, "/tenants", body),
            async |mut c| {
                let tenant_id = "acme".to_owned();
                let tenant = Some(given);
                let request = pb::CreateTenantRequest {
                    tenant_id,
                    tenant,
                    ..Default::default()
                };
                Ok(rest_of::tenant(
                    c.tenants.create_tenant(request).await?.into_inner(),
                ))
            },
        )
        .await;
    assert_eq!(
        (&created["state"], &created["version"]),
        (&json!("active"), &json!(1))
    );

    let name = || "tenants/acme".to_owned();
    let body = json!({"description": "Makes anvils."});
    both.same(
        "updateTenant",
        (Method::PATCH, "/tenants/acme", body),
        async |mut c| {
            let description = "Makes anvils.".to_owned();
            let tenant = Some(pb::Tenant {
                name: name(),
                description,
                ..Default::default()
            });
            let request = pb::UpdateTenantRequest {
                tenant,
                update_mask: None,
            };
            Ok(rest_of::tenant(
                c.tenants.update_tenant(request).await?.into_inner(),
            ))
        },
    )
    .await;
    both.same(
        "deactivateTenant",
        (Method::POST, "/tenants/acme/deactivate", NONE),
        async |mut c| {
            let request = pb::DeactivateTenantRequest {
                name: name(),
                etag: "\"2\"".to_owned(),
            };
            Ok(rest_of::tenant(
                c.tenants.deactivate_tenant(request).await?.into_inner(),
            ))
        },
    )
    .await;
    both.same(
        "activateTenant",
        (Method::POST, "/tenants/acme/activate", NONE),
        async |mut c| {
            let request = pb::ActivateTenantRequest {
                name: name(),
                ..Default::default()
            };
            Ok(rest_of::tenant(
                c.tenants.activate_tenant(request).await?.into_inner(),
            ))
        },
    )
    .await;
    let body = json!({"slug": "zeta", "name": "Zeta"});
    both.same(
        "createTenant",
        (Method::POST, "/tenants", body),
        async |mut c| {
            let display_name = "Zeta".to_owned();
            let request = pb::CreateTenantRequest {
                tenant_id: "zeta".to_owned(),
                tenant: Some(pb::Tenant {
                    display_name,
                    ..Default::default()
                }),
                ..Default::default()
            };
            Ok(rest_of::tenant(
                c.tenants.create_tenant(request).await?.into_inner(),
            ))
        },
    )
    .await;
    both.same(
        "getTenant",
        (Method::GET, "/tenants/acme", NONE),
        async |mut c| {
            let request = pb::GetTenantRequest { name: name() };
            Ok(rest_of::tenant(
                c.tenants.get_tenant(request).await?.into_inner(),
            ))
        },
    )
    .await;

    let mut token = String::new();
    for pages in 1.. {
        let path = format!("/tenants?page_size=1&page_token={token}");
        let page = both
            .same("listTenants", (Method::GET, &path, NONE), async |mut c| {
                let page_token = token.clone();
                let request = pb::ListTenantsRequest {
                    page_size: 1,
                    page_token,
                };
                let page = c.tenants.list_tenants(request).await?.into_inner();
                let tenants = page.tenants.into_iter().map(rest_of::tenant).collect();
                Ok(rest_of::list("tenants", tenants, page.next_page_token))
            })
            .await;
        match page["next_page_token"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => {
                assert_eq!(pages, 2);
                break;
            }
        }
    }
}

pub(super) async fn keys(both: &mut Both) {
    let body = json!({
        "name": "laptop", "scope": "tenant_user", "tenant": "acme",
        "expires_at": "2027-01-31T00:00:00Z",
    });
    let created = both
        .same("createKey", (Method::POST, "/keys", body), async |mut c| {
            let mut key = pb::Key {
                display_name: "laptop".to_owned(),
                tenant: "tenants/acme".to_owned(),
                expire_time: Some(prost_types::Timestamp {
                    seconds: 1_801_353_600,
                    nanos: 0,
                }),
                ..Default::default()
            };
            key.set_scope(pb::key::Scope::TenantUser);
            let request = pb::CreateKeyRequest {
                key: Some(key),
                ..Default::default()
            };
            let created = c.keys.create_key(request).await?.into_inner();
            assert!(created.secret.starts_with("tb_tu_"));
            Ok(rest_of::key(created))
        })
        .await;
    let id = created["id"].as_str().unwrap().to_owned();
    let path = format!("/keys/{id}");
    let name = || format!("keys/{id}");
    both.same("getKey", (Method::GET, &path, NONE), async |mut c| {
        let request = pb::GetKeyRequest { name: name() };
        Ok(rest_of::key(c.keys.get_key(request).await?.into_inner()))
    })
    .await;
    both.same("revokeKey", (Method::DELETE, &path, NONE), async |mut c| {
        let request = pb::RevokeKeyRequest { name: name() };
        Ok(rest_of::key(c.keys.revoke_key(request).await?.into_inner()))
    })
    .await;
    for (path, tenant) in [("/keys", ""), ("/keys?tenant=acme", "tenants/acme")] {
        both.same("listKeys", (Method::GET, path, NONE), async |mut c| {
            let request = pb::ListKeysRequest {
                tenant: tenant.to_owned(),
                ..Default::default()
            };
            let page = c.keys.list_keys(request).await?.into_inner();
            let keys = page.keys.into_iter().map(rest_of::key).collect();
            Ok(rest_of::list("keys", keys, page.next_page_token))
        })
        .await;
    }
    both.same("whoami", (Method::GET, "/whoami", NONE), async |mut c| {
        let own = c
            .keys
            .who_am_i(pb::WhoAmIRequest {})
            .await?
            .into_inner()
            .key
            .unwrap();
        Ok(json!({"key": rest_of::key(own)}))
    })
    .await;
}

pub(super) async fn nodes(both: &mut Both) {
    both.same("listNodes", (Method::GET, "/nodes", NONE), async |mut c| {
        let request = pb::ListNodesRequest::default();
        let page = c.nodes.list_nodes(request).await?.into_inner();
        let nodes = page.nodes.into_iter().map(rest_of::node).collect();
        let mut list = rest_of::list("nodes", nodes, page.next_page_token);
        list["newest_revision"] = page.newest_revision.into();
        Ok(list)
    })
    .await;
}
