use domain::Scope;
use storage::testing::each_storage;
use storage::{Constraint, StorageError};

use crate::fixtures::{answer, at, connector, key, new_tenant, token, tool};

/// Each operation of a tenant is tried by a rival who knows all ids and names.
#[tokio::test]
async fn no_operation_of_a_tenant_reaches_what_is_anothers() {
    for storage in each_storage().await {
        let (acme, rival) = (
            new_tenant(&storage, 1, "acme").await,
            new_tenant(&storage, 2, "rival").await,
        );
        let (theirs, mine) = (storage.tenant(acme), storage.tenant(rival));
        let stored = connector(acme, 10, "gh");
        let id = stored.id;
        theirs
            .create_connector(&stored, &token("secret"), None)
            .await
            .unwrap();
        theirs
            .replace_tools(id, &[tool("a", "A")], None, at(1))
            .await
            .unwrap();
        let their_key = key(11, Scope::TenantAdmin, Some(acme));
        theirs.create_key(&their_key, None).await.unwrap();
        let before = format!("{:?}", storage.tenant_config("acme").await.unwrap());
        let mut as_mine = stored.clone();
        as_mine.tenant = rival;

        assert_eq!(mine.find_connector("gh").await.unwrap(), None);
        assert_eq!(mine.find_connector_by_id(id).await.unwrap(), None);
        assert_eq!(mine.list_connectors(None, 10).await.unwrap(), []);
        assert_eq!(mine.secrets(id).await.unwrap(), None);
        assert!(mine.list_tools(id, None, 10).await.unwrap().is_empty());
        assert!(mine.find_tool(id, "a").await.unwrap().is_none());
        assert_eq!(mine.list_keys(None, 10).await.unwrap(), []);
        assert!(mine.find_key(their_key.key.id).await.unwrap().is_none());

        let off = [("a".to_owned(), false)];
        let note = answer("k", "{}");
        for (operation, outcome) in [
            (
                "create",
                mine.create_connector(&stored, &token("x"), Some(&note))
                    .await,
            ),
            (
                "save",
                mine.save_connector(&stored, Some(&token("x")), 1).await,
            ),
            (
                "save as mine",
                mine.save_connector(&as_mine, Some(&token("x")), 1).await,
            ),
            (
                "approve",
                mine.approve_tool(id, "a", None)
                    .await
                    .map(Option::unwrap_or_default),
            ),
            (
                "approve all",
                mine.approve_all_tools(id)
                    .await
                    .map(|(revision, _)| revision.unwrap_or_default()),
            ),
            ("delete", mine.delete_connector(id, None).await),
            (
                "delete with version",
                mine.delete_connector(id, Some(1)).await,
            ),
            (
                "replace tools",
                mine.replace_tools(id, &[tool("b", "B")], None, at(2))
                    .await
                    .map(|replaced| replaced.revision.unwrap()),
            ),
            ("sync failed", mine.sync_failed(id, "x", at(2)).await),
            ("sync started", mine.sync_started(id).await.map(|()| 0)),
            ("switch tools", mine.set_tools_enabled(id, &off).await),
            (
                "switch all tools",
                mine.set_all_tools_enabled(id, false).await,
            ),
            ("revoke key", mine.revoke_key(their_key.key.id, at(2)).await),
        ] {
            assert!(
                matches!(outcome, Err(StorageError::NotFound)),
                "{operation}: {outcome:?}"
            );
        }
        let same_id = mine
            .create_connector(&as_mine, &token("x"), Some(&note))
            .await;
        assert!(matches!(
            same_id,
            Err(StorageError::Conflict(Constraint::IdTaken))
        ));
        let foreign_key = mine
            .create_key(&key(12, Scope::TenantUser, Some(acme)), None)
            .await;
        assert!(matches!(
            foreign_key,
            Err(StorageError::Conflict(Constraint::KeyOwner))
        ));

        let after = format!("{:?}", storage.tenant_config("acme").await.unwrap());
        assert_eq!(after, before, "on {}", storage.backend());
        assert_eq!(theirs.secrets(id).await.unwrap(), Some(token("secret")));
    }
}
