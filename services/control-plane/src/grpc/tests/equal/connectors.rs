//! Connectors.

use http::Method;
use prost_types::FieldMask;
use proto::admin::v1 as pb;
use serde_json::json;

use super::{Both, NONE, PATH, at};
use crate::grpc::tests::rest_of;

pub(super) async fn connectors(both: &mut Both) {
    both.same(
        "listConnectorTypes",
        (Method::GET, "/connector-types", NONE),
        async |mut c| {
            let request = pb::ListConnectorTypesRequest {};
            let known = c
                .connectors
                .list_connector_types(request)
                .await?
                .into_inner()
                .types;
            Ok(json!({"types": known.into_iter().map(rest_of::connector_type).collect::<Vec<_>>()}))
        },
    )
    .await;

    let hosted = pb::Connector {
        r#type: "hosted_mcp".to_owned(),
        config: Some(pb::connector::Config::HostedMcp(pb::HostedMcpConfig {
            command: vec!["npx".to_owned(), "-y".to_owned(), "x".to_owned()],
            working_directory: "/srv".to_owned(),
        })),
        secrets: Some(pb::Secrets {
            env: [("KEY".to_owned(), "hunter2".to_owned())].into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let remote = pb::Connector {
        r#type: "remote_mcp".to_owned(),
        display_name: "Far".to_owned(),
        prefix: Some("far".to_owned()),
        on_change: pb::connector::OnChange::Warn.into(),
        enabled: Some(false),
        config: Some(pb::connector::Config::RemoteMcp(pb::RemoteMcpConfig {
            url: "https://mcp.example.com/mcp".to_owned(),
        })),
        secrets: Some(pb::Secrets {
            headers: [("X-Key".to_owned(), "hunter2".to_owned())].into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let native = pb::Connector {
        r#type: "github".to_owned(),
        config: Some(pb::connector::Config::Native(pb::NativeConfig {
            base_url: "https://ghe.example.com/api/v3".to_owned(),
        })),
        secrets: Some(pb::Secrets {
            token: "hunter2".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    for (slug, connector, body) in [
        (
            "e",
            hosted,
            json!({
                "slug": "e", "type": "hosted_mcp",
                "config": {"command": ["npx", "-y", "x"], "working_directory": "/srv"},
                "secrets": {"env": {"KEY": "hunter2"}},
            }),
        ),
        (
            "far",
            remote,
            json!({
                "slug": "far", "type": "remote_mcp", "display_name": "Far", "prefix": "far",
                "on_change": "warn", "enabled": false, "config": {"url": "https://mcp.example.com/mcp"},
                "secrets": {"headers": {"X-Key": "hunter2"}},
            }),
        ),
        (
            "gh",
            native,
            json!({
                "slug": "gh", "type": "github",
                "config": {"base_url": "https://ghe.example.com/api/v3"},
                "secrets": {"token": "hunter2"},
            }),
        ),
    ] {
        let request = (Method::POST, "/tenants/acme/connectors?wait=true", body);
        let created = both.same("createConnector", request, async |mut c| {
            let request = pb::CreateConnectorRequest {
                parent: "tenants/acme".to_owned(),
                connector_id: slug.to_owned(),
                connector: Some(connector),
                wait_for_sync: true,
                ..Default::default()
            };
            Ok(rest_of::connector(
                c.connectors.create_connector(request).await?.into_inner(),
            ))
        });
        assert_eq!(created.await["slug"], slug);
    }

    let far = pb::connector::Config::RemoteMcp(pb::RemoteMcpConfig {
        url: "https://mcp.example.com/".to_owned(),
    });
    let url = json!({"url": "https://mcp.example.com/"});
    for (r#type, config, settings, rule, number) in [
        ("github", json!({}), None, "hold", 1),
        ("remote_mcp", url, Some(far), "ask", 9),
    ] {
        let body = json!({"slug": "x", "type": r#type, "config": config, "on_change": rule});
        let request = (Method::POST, "/tenants/acme/connectors", body);
        let refused = both.same("createConnector", request, async |mut c| {
            let connector = pb::Connector {
                r#type: r#type.to_owned(),
                config: settings,
                on_change: number,
                ..Default::default()
            };
            let request = pb::CreateConnectorRequest {
                parent: "tenants/acme".to_owned(),
                connector_id: "x".to_owned(),
                connector: Some(connector),
                ..Default::default()
            };
            Ok(rest_of::connector(
                c.connectors.create_connector(request).await?.into_inner(),
            ))
        });
        assert_eq!(refused.await["errors"][0]["field"], "on_change");
    }

    let body = json!({
        "display_name": "Every", "on_change": null, "config": {"working_directory": null},
    });
    both.same(
        "updateConnector",
        (Method::PATCH, PATH, body),
        async |mut c| {
            let display_name = "Every".to_owned();
            let connector = Some(pb::Connector {
                name: at(),
                display_name,
                ..Default::default()
            });
            let paths = ["display_name", "on_change", "hosted_mcp.working_directory"]
                .map(str::to_owned)
                .to_vec();
            let update_mask = Some(FieldMask { paths });
            let request = pb::UpdateConnectorRequest {
                connector,
                update_mask,
            };
            Ok(rest_of::connector(
                c.connectors.update_connector(request).await?.into_inner(),
            ))
        },
    )
    .await;
    both.settle().await;
    let disable = format!("{PATH}/disable");
    both.same(
        "disableConnector",
        (Method::POST, &disable, NONE),
        async |mut c| {
            let request = pb::DisableConnectorRequest {
                name: at(),
                ..Default::default()
            };
            Ok(rest_of::connector(
                c.connectors.disable_connector(request).await?.into_inner(),
            ))
        },
    )
    .await;
    let enable = format!("{PATH}/enable");
    both.same(
        "enableConnector",
        (Method::POST, &enable, NONE),
        async |mut c| {
            let request = pb::EnableConnectorRequest {
                name: at(),
                ..Default::default()
            };
            Ok(rest_of::connector(
                c.connectors.enable_connector(request).await?.into_inner(),
            ))
        },
    )
    .await;
    let sync = format!("{PATH}/tools/sync");
    both.same("syncTools", (Method::POST, &sync, NONE), async |mut c| {
        let request = pb::SyncToolsRequest { parent: at() };
        Ok(rest_of::connector(
            c.tools.sync_tools(request).await?.into_inner(),
        ))
    })
    .await;
    both.same("getConnector", (Method::GET, PATH, NONE), async |mut c| {
        let request = pb::GetConnectorRequest { name: at() };
        Ok(rest_of::connector(
            c.connectors.get_connector(request).await?.into_inner(),
        ))
    })
    .await;
    let list = "/tenants/acme/connectors?page_size=2";
    both.same(
        "listConnectors",
        (Method::GET, list, NONE),
        async |mut c| {
            let parent = "tenants/acme".to_owned();
            let request = pb::ListConnectorsRequest {
                parent,
                page_size: 2,
                ..Default::default()
            };
            let page = c.connectors.list_connectors(request).await?.into_inner();
            let connectors = page
                .connectors
                .into_iter()
                .map(rest_of::connector)
                .collect();
            Ok(rest_of::list(
                "connectors",
                connectors,
                page.next_page_token,
            ))
        },
    )
    .await;
}
