use domain::{Scope, Tenant, TenantState};
use storage::testing::each_storage;
use storage::{Constraint, Storage, StorageError};
use tokio::task::JoinSet;

use crate::fixtures::{
    answer, at, at_rest, connector, holds, key, new_connector, new_tenant, raw, tenant, token, tool,
};

#[tokio::test]
async fn a_tenant_comes_back_as_it_was_stored_also_after_a_restart() {
    for mut storage in each_storage().await {
        let acme = tenant(1, "acme");

        storage.create_tenant(&acme, None).await.unwrap();
        storage.reopen().await;

        assert_eq!(
            storage.find_tenant("acme").await.unwrap(),
            Some(acme.clone())
        );
        assert_eq!(
            storage.find_tenant_by_id(acme.id).await.unwrap(),
            Some(acme)
        );
        assert_eq!(storage.find_tenant("Acme").await.unwrap(), None);
        assert_eq!(storage.find_tenant("rival").await.unwrap(), None);
        storage.ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_slug_and_an_id_are_taken_once() {
    for storage in each_storage().await {
        new_tenant(&storage, 1, "acme").await;

        let same_slug = storage.create_tenant(&tenant(2, "acme"), None).await;
        let same_id = storage.create_tenant(&tenant(1, "other"), None).await;

        assert!(matches!(
            same_slug,
            Err(StorageError::Conflict(Constraint::SlugTaken))
        ));
        assert!(matches!(
            same_id,
            Err(StorageError::Conflict(Constraint::IdTaken))
        ));
        assert_eq!(storage.list_tenants(None, 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn pages_of_tenants_follow_each_other_without_gap_or_repetition() {
    for storage in each_storage().await {
        for (number, slug) in [(3, "a"), (1, "c"), (2, "b"), (u128::MAX, "z"), (4, "d")] {
            new_tenant(&storage, number, slug).await;
        }

        let mut slugs = Vec::new();
        let mut after = None;
        loop {
            let page = storage.list_tenants(after, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            slugs.extend(page.iter().map(|tenant| tenant.slug.to_string()));
        }

        assert_eq!(slugs, ["c", "b", "a", "d", "z"], "on {}", storage.backend());
    }
}

#[tokio::test]
async fn a_change_counts_only_against_the_version_it_was_made_from() {
    for storage in each_storage().await {
        new_tenant(&storage, 1, "acme").await;
        let changed = Tenant {
            name: "Acme 2".to_owned(),
            state: TenantState::Inactive,
            updated_at: at(60),
            version: 2,
            ..tenant(1, "acme")
        };

        let stale = storage.save_tenant(&changed, 7).await;
        let absent = storage.save_tenant(&tenant(2, "other"), 1).await;
        storage.save_tenant(&changed, 1).await.unwrap();
        let again = storage.save_tenant(&changed, 1).await;

        assert!(matches!(stale, Err(StorageError::VersionMismatch)));
        assert!(matches!(absent, Err(StorageError::NotFound)));
        assert!(matches!(again, Err(StorageError::VersionMismatch)));
        assert_eq!(storage.find_tenant("acme").await.unwrap(), Some(changed));
    }
}

#[tokio::test]
async fn deleting_a_tenant_deletes_all_that_is_its_own_and_its_data_key() {
    for storage in each_storage().await {
        let (acme, rival) = (
            new_tenant(&storage, 1, "acme").await,
            new_tenant(&storage, 2, "rival").await,
        );
        for (number, owner) in [(10, acme), (20, rival)] {
            let connector = new_connector(&storage, owner, number, "gh").await;
            let own = storage.tenant(owner);
            own.replace_tools(connector, &[tool("a", "A")], None, at(1))
                .await
                .unwrap();
            let key = key(number, Scope::TenantUser, Some(owner));
            own.create_key(&key, Some(&answer(&number.to_string(), "{}")))
                .await
                .unwrap();
        }
        let of_acme = match storage.backend() {
            "sqlite" => format!("tenant_id = X'{}'", acme.as_uuid().simple()),
            _ => format!("tenant_id = '{acme}'"),
        };
        let hex = if storage.backend() == "sqlite" {
            "hex(wrapped)"
        } else {
            "encode(wrapped, 'hex')"
        };
        let wrapped = raw(
            &storage,
            &format!("SELECT {hex} FROM data_keys WHERE {of_acme}"),
        )
        .await;
        let wrapped = unhex(&wrapped[0]);
        assert!(holds(&at_rest(&storage), &wrapped));

        let stale = storage.delete_tenant(acme, Some(9)).await;
        assert!(matches!(stale, Err(StorageError::VersionMismatch)));
        storage.delete_tenant(acme, Some(1)).await.unwrap();

        let tables = [
            "data_keys",
            "connectors",
            "connector_secrets",
            "tools",
            "api_keys",
            "remembered",
        ];
        for table in tables {
            let left = raw(
                &storage,
                &format!("SELECT COUNT(*) FROM {table} WHERE {of_acme}"),
            )
            .await;
            let others = raw(&storage, &format!("SELECT COUNT(*) FROM {table}")).await;
            assert_eq!(
                (left, others),
                (vec!["0".to_owned()], vec!["1".to_owned()]),
                "{table}"
            );
        }
        assert!(
            !holds(&at_rest(&storage), &wrapped),
            "on {}",
            storage.backend()
        );
        let again = storage.delete_tenant(acme, None).await;
        assert!(matches!(again, Err(StorageError::NotFound)));
        // The slug is free again, for a tenant that has nothing to do with the old one.
        new_tenant(&storage, 3, "acme").await;
    }
}

#[tokio::test]
async fn a_tenant_deleted_while_others_add_to_it_leaves_nothing_and_nobody_stuck() {
    for storage in each_storage().await {
        for round in 0..5 {
            let acme = new_tenant(&storage, 1 + round, "acme").await;
            let id = new_connector(&storage, acme, 1_000 + round, "first").await;
            let mut tasks = JoinSet::new();
            for number in 0..6 {
                let storage = Storage::clone(&storage);
                tasks.spawn(async move {
                    let own = storage.tenant(acme);
                    let connector =
                        connector(acme, 2_000 + round * 10 + number, &format!("c{number}"));
                    let user = key(3_000 + round * 10 + number, Scope::TenantUser, Some(acme));
                    vec![
                        own.create_connector(&connector, &token("x"), None).await,
                        own.replace_tools(id, &[tool("a", "A")], None, at(1))
                            .await
                            .map(|replaced| replaced.revision.unwrap_or_default()),
                        own.create_key(&user, None).await,
                        own.set_all_tools_enabled(id, false).await,
                    ]
                });
            }
            let deleting = Storage::clone(&storage);
            tasks.spawn(async move { vec![deleting.delete_tenant(acme, None).await] });

            for outcome in tasks.join_all().await.into_iter().flatten() {
                let expected = matches!(outcome, Ok(_) | Err(StorageError::NotFound));
                assert!(expected, "on {}: {outcome:?}", storage.backend());
            }
            for table in [
                "tenants",
                "data_keys",
                "connectors",
                "connector_secrets",
                "tools",
                "api_keys",
            ] {
                let left = raw(&storage, &format!("SELECT COUNT(*) FROM {table}")).await;
                assert_eq!(left, ["0"], "{table} on {}", storage.backend());
            }
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).unwrap() as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
