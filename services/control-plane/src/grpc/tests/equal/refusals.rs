//! Refusals, and deletions.

use http::Method;
use proto::admin::v1 as pb;
use serde_json::{Value, json};
use tonic::Code;
use tonic_types::StatusExt;

use super::{AT, Both, NONE, PATH, at};

/// Each with the field that gRPC blames, where it is one.
pub(super) async fn refusals(both: &mut Both) {
    let body = json!({"slug": "No", "name": "", "contact_email": "x"});
    both.same(
        "createTenant",
        (Method::POST, "/tenants", body),
        async |mut c| {
            let contact_email = "x".to_owned();
            let tenant = Some(pb::Tenant {
                contact_email,
                ..Default::default()
            });
            let tenant_id = "No".to_owned();
            let request = pb::CreateTenantRequest {
                tenant_id,
                tenant,
                ..Default::default()
            };
            let refused = c.tenants.create_tenant(request).await.unwrap_err();
            let details = refused.get_error_details();
            let blamed = details.bad_request().unwrap().field_violations.iter();
            let blamed: Vec<&str> = blamed.map(|violation| violation.field.as_str()).collect();
            assert_eq!(
                blamed,
                ["tenant_id", "tenant.display_name", "tenant.contact_email"]
            );
            assert_eq!(refused.code(), Code::InvalidArgument);
            Err(refused)
        },
    )
    .await;
    let body = json!({"slug": "x", "type": "remote_mcp", "config": {"url": "ftp://x/"}});
    let path = "/tenants/acme/connectors";
    both.same(
        "createConnector",
        (Method::POST, path, body),
        async |mut c| {
            let url = "ftp://x/".to_owned();
            let config = Some(pb::connector::Config::RemoteMcp(pb::RemoteMcpConfig {
                url,
            }));
            let r#type = "remote_mcp".to_owned();
            let request = pb::CreateConnectorRequest {
                parent: "tenants/acme".to_owned(),
                connector_id: "x".to_owned(),
                connector: Some(pb::Connector {
                    r#type,
                    config,
                    ..Default::default()
                }),
                ..Default::default()
            };
            let refused = c.connectors.create_connector(request).await.unwrap_err();
            let details = refused.get_error_details();
            let blamed = &details.bad_request().unwrap().field_violations[0].field;
            assert_eq!(blamed, "connector.remote_mcp.url");
            Err(refused)
        },
    )
    .await;
    both.same(
        "getTenant",
        (Method::GET, "/tenants/nope", NONE),
        async |mut c| {
            let request = pb::GetTenantRequest {
                name: "tenants/nope".to_owned(),
            };
            let refused = c.tenants.get_tenant(request).await.unwrap_err();
            assert_eq!(refused.code(), Code::NotFound);
            Err(refused)
        },
    )
    .await;
    let body = json!({"slug": "acme", "name": "Acme"});
    both.same(
        "createTenant",
        (Method::POST, "/tenants", body),
        async |mut c| {
            let display_name = "Acme".to_owned();
            let request = pb::CreateTenantRequest {
                tenant_id: "acme".to_owned(),
                tenant: Some(pb::Tenant {
                    display_name,
                    ..Default::default()
                }),
                ..Default::default()
            };
            let refused = c.tenants.create_tenant(request).await.unwrap_err();
            assert_eq!(refused.code(), Code::AlreadyExists);
            Err(refused)
        },
    )
    .await;
    let list = "/tenants?page_token=garbage";
    both.same("listTenants", (Method::GET, list, NONE), async |mut c| {
        let page_token = "garbage".to_owned();
        let request = pb::ListTenantsRequest {
            page_token,
            ..Default::default()
        };
        let refused = c.tenants.list_tenants(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        Err(refused)
    })
    .await;
    let body = json!({"updates": [{"name": "nope", "enabled": true}]});
    let bulk = format!("{PATH}/tools/bulk-update");
    both.same(
        "bulkUpdateTools",
        (Method::POST, &bulk, body),
        async |mut c| {
            let name = format!("{AT}/tools/nope");
            let updates = vec![pb::ToolUpdate {
                name,
                enabled: true,
            }];
            let request = pb::BulkUpdateToolsRequest {
                parent: at(),
                updates,
            };
            let refused = c.tools.bulk_update_tools(request).await.unwrap_err();
            assert_eq!(refused.code(), Code::NotFound);
            Err(refused)
        },
    )
    .await;
    let path = "/tenants/acme/connectors/gh/process";
    both.same("getProcess", (Method::GET, path, NONE), async |mut c| {
        let name = "tenants/acme/connectors/gh/process".to_owned();
        let refused = c
            .connectors
            .get_process(pb::GetProcessRequest { name })
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        Err(refused)
    })
    .await;
}

pub(super) async fn ends(both: &mut Both) {
    both.same(
        "deleteConnector",
        (Method::DELETE, PATH, NONE),
        async |mut c| {
            let stale = pb::DeleteConnectorRequest {
                name: at(),
                etag: "\"1\"".to_owned(),
            };
            let refused = c.connectors.delete_connector(stale).await.unwrap_err();
            assert_eq!(refused.code(), Code::Aborted);
            let request = pb::DeleteConnectorRequest {
                name: at(),
                ..Default::default()
            };
            c.connectors
                .delete_connector(request)
                .await
                .map(|_| Value::Null)
        },
    )
    .await;
    both.same(
        "deleteTenant",
        (Method::DELETE, "/tenants/acme", NONE),
        async |mut c| {
            let name = "tenants/acme".to_owned();
            let request = pb::DeleteTenantRequest {
                name,
                ..Default::default()
            };
            c.tenants.delete_tenant(request).await.map(|_| Value::Null)
        },
    )
    .await;
}
