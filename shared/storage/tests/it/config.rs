use domain::{Connector, ConnectorKind, Scope};
use storage::Storage;
use storage::testing::each_storage;
use tokio::task::JoinSet;

use crate::fixtures::{at, connector, key, new_connector, new_tenant, raw, tenant, token, tool};

#[tokio::test]
async fn a_tenants_configuration_holds_all_of_it_in_order_and_nothing_of_others() {
    for storage in each_storage().await {
        let (acme, rival) = (
            new_tenant(&storage, 1, "acme").await,
            new_tenant(&storage, 2, "rival").await,
        );
        let zeta = new_connector(&storage, acme, 10, "zeta").await;
        let alpha = new_connector(&storage, acme, 11, "alpha").await;
        let foreign = new_connector(&storage, rival, 12, "foreign").await;
        let own = storage.tenant(acme);
        for (number, id) in [(20, acme), (21, acme), (22, rival)] {
            let key = key(number, Scope::TenantUser, Some(id));
            storage.tenant(id).create_key(&key, None).await.unwrap();
        }
        let platform = key(23, Scope::PlatformAdmin, None);
        storage.create_platform_key(&platform, None).await.unwrap();
        storage
            .tenant(rival)
            .replace_tools(foreign, &[tool("f", "")], None, at(1))
            .await
            .unwrap();
        own.replace_tools(
            zeta,
            &[tool("b", ""), tool("B", ""), tool("a", "")],
            None,
            at(1),
        )
        .await
        .unwrap();
        own.set_tools_enabled(zeta, &[("b".to_owned(), false)])
            .await
            .unwrap();
        let revision = own
            .revoke_key(key(21, Scope::TenantUser, None).key.id, at(1))
            .await
            .unwrap();

        let config = storage.tenant_config("acme").await.unwrap().unwrap();

        assert_eq!(
            (config.revision, &config.tenant),
            (revision, &tenant(1, "acme"))
        );
        let keys: Vec<_> = config
            .keys
            .iter()
            .map(|stored| stored.key.name.as_str())
            .collect();
        assert_eq!(keys, ["key 20"]);
        let connectors: Vec<_> = config.connectors.iter().map(|c| c.connector.id).collect();
        assert_eq!(connectors, [alpha, zeta]);
        assert!(config.connectors[0].tools.is_empty());
        let tools = config.connectors[1].tools.iter();
        let tools: Vec<_> = tools
            .map(|tool| (tool.definition.name.as_str(), tool.enabled))
            .collect();
        assert_eq!(tools, [("b", false), ("B", true), ("a", true)]);

        let config = storage.platform_config().await.unwrap();
        assert_eq!((config.revision, config.keys.len()), (revision, 1));
        assert_eq!(config.keys[0].key, platform.key);
        assert!(storage.tenant_config("nobody").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn every_change_takes_the_next_number_and_leaves_its_row() {
    for storage in each_storage().await {
        let acme = tenant(1, "acme");
        let id = connector(acme.id, 10, "gh").id;
        let own = storage.tenant(acme.id);
        let on = [("a".to_owned(), true)];
        let user = key(20, Scope::TenantUser, Some(acme.id));
        let admin = key(21, Scope::PlatformAdmin, None);
        let saved = Connector {
            version: 2,
            ..connector(acme.id, 10, "gh")
        };

        let revisions = [
            storage.create_tenant(&acme, None).await,
            storage
                .save_tenant(
                    &domain::Tenant {
                        version: 2,
                        ..acme.clone()
                    },
                    1,
                )
                .await,
            own.create_connector(&connector(acme.id, 10, "gh"), &token("x"), None)
                .await,
            own.save_connector(&saved, None, 1).await,
            own.replace_tools(id, &[tool("a", "")], None, at(1))
                .await
                .map(|replaced| replaced.revision.unwrap()),
            own.set_tools_enabled(id, &on).await,
            own.set_all_tools_enabled(id, false).await,
            own.sync_failed(id, "x", at(2)).await,
            own.create_key(&user, None).await,
            own.revoke_key(user.key.id, at(3)).await,
            own.delete_connector(id, None).await,
            storage.create_platform_key(&admin, None).await,
            storage.revoke_key(admin.key.id, at(3)).await,
            storage.delete_tenant(acme.id, None).await,
        ];

        let revisions: Vec<i64> = revisions.into_iter().map(Result::unwrap).collect();
        assert_eq!(revisions, (1..=14).collect::<Vec<_>>());
        let rows = "SELECT kind || ' ' || COALESCE(tenant_slug, '-') FROM config_changes
                    WHERE at > 0 ORDER BY revision";
        let expected = [
            "tenant_created acme",
            "tenant_saved acme",
            "connector_created acme",
            "connector_saved acme",
            "tools_replaced acme",
            "tools_switched acme",
            "tools_switched acme",
            "sync_failed acme",
            "key_created acme",
            "key_revoked acme",
            "connector_deleted acme",
            "key_created -",
            "key_revoked -",
            "tenant_deleted acme",
        ];
        assert_eq!(
            raw(&storage, rows).await,
            expected,
            "on {}",
            storage.backend()
        );
    }
}

/// Each change names a tool after its own connector version. A torn read would show the two
/// apart, or a revision that is not theirs.
#[tokio::test]
async fn a_configuration_read_while_changes_commit_is_never_torn() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let id = new_connector(&storage, acme, 10, "gh").await;
        let own = storage.tenant(acme);
        let first = own
            .replace_tools(id, &[tool("v", "1")], None, at(1))
            .await
            .unwrap()
            .revision
            .unwrap();

        let writer = Storage::clone(&storage);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let own = writer.tenant(acme);
            for version in 2..60 {
                let url = format!("https://example.com/{version}").parse().unwrap();
                let kind = ConnectorKind::RemoteMcp { url };
                let changed = Connector {
                    kind,
                    version,
                    ..connector(acme, 10, "gh")
                };
                own.save_connector(&changed, None, version - 1)
                    .await
                    .unwrap();
                let tools = [tool("v", &version.to_string())];
                own.replace_tools(id, &tools, None, at(version))
                    .await
                    .unwrap();
            }
        });

        while !tasks.is_empty() {
            let config = storage.tenant_config("acme").await.unwrap().unwrap();
            let connector = &config.connectors[0];
            let version = connector.connector.version;
            let title = connector.tools[0].definition.json.get();
            let at_version = |version: i64| title.contains(&format!("\"title\":\"{version}\""));
            // Each version takes two revisions: the connector's, then its tools'.
            let (done, half) = ((config.revision - first) / 2, (config.revision - first) % 2);
            assert_eq!(version, 1 + done + half, "revision {}", config.revision);
            assert!(
                at_version(version - half),
                "version {version}, {half}, {title}"
            );
            if tasks.try_join_next().is_some_and(|outcome| outcome.is_ok()) {
                break;
            }
        }
    }
}
