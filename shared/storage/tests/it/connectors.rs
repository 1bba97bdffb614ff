use std::collections::BTreeMap;

use domain::limits::CONNECTORS_PER_TENANT;
use domain::{
    ChangedTools, Connector, ConnectorKind, ConnectorSecrets, OnChange, SyncState, SyncStatus,
};
use storage::testing::each_storage;
use storage::{Constraint, Storage, StorageError};
use tokio::task::JoinSet;

use crate::fixtures::{at, connector, new_connector, new_tenant, token};

#[tokio::test]
async fn each_kind_of_connector_comes_back_with_its_secrets_beside_it() {
    for mut storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let pair = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let url = "https://example.com/mcp?a=b".parse().unwrap();
        let hosted = ConnectorKind::HostedMcp {
            command: vec!["npx".to_owned(), "-y".to_owned(), "x y".to_owned()],
            working_directory: Some("/srv".to_owned()),
        };
        let made = [
            (connector(acme, 10, "gh"), token("one")),
            (
                Connector {
                    kind: ConnectorKind::RemoteMcp { url },
                    ..connector(acme, 11, "far")
                },
                ConnectorSecrets {
                    headers: pair("X-Key", "two"),
                    ..ConnectorSecrets::default()
                },
            ),
            (
                Connector {
                    kind: hosted,
                    enabled: false,
                    ..connector(acme, 12, "near")
                },
                ConnectorSecrets {
                    env: pair("KEY", "three"),
                    ..ConnectorSecrets::default()
                },
            ),
        ];

        for (connector, secrets) in &made {
            storage
                .tenant(acme)
                .create_connector(connector, secrets, None)
                .await
                .unwrap();
        }
        storage.reopen().await;

        let own = storage.tenant(acme);
        for (stored, secrets) in made {
            let expected = Connector {
                credential: secrets.info(),
                ..stored
            };
            let slug = expected.slug.as_str();
            assert_eq!(own.secrets(expected.id).await.unwrap(), Some(secrets));
            assert_eq!(
                own.find_connector(slug).await.unwrap().as_ref(),
                Some(&expected)
            );
            let by_id = own.find_connector_by_id(expected.id).await.unwrap();
            assert_eq!(by_id, Some(expected));
        }
    }
}

#[tokio::test]
async fn a_slug_is_taken_once_in_a_tenant_and_free_in_another() {
    for storage in each_storage().await {
        let (acme, rival) = (
            new_tenant(&storage, 1, "acme").await,
            new_tenant(&storage, 2, "rival").await,
        );
        new_connector(&storage, acme, 10, "gh").await;
        new_connector(&storage, rival, 20, "gh").await;

        let own = storage.tenant(acme);
        let same_slug = own
            .create_connector(&connector(acme, 11, "gh"), &token("x"), None)
            .await;
        let same_id = own
            .create_connector(&connector(acme, 10, "other"), &token("x"), None)
            .await;

        assert!(matches!(
            same_slug,
            Err(StorageError::Conflict(Constraint::SlugTaken))
        ));
        assert!(matches!(
            same_id,
            Err(StorageError::Conflict(Constraint::IdTaken))
        ));
        assert_eq!(own.list_connectors(None, 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_tenant_has_no_more_connectors_than_allowed_and_lists_them_by_pages() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        for number in 0..CONNECTORS_PER_TENANT as u128 {
            new_connector(&storage, acme, 1000 + number, &format!("c{number}")).await;
        }

        let own = storage.tenant(acme);
        let more = own
            .create_connector(&connector(acme, 5000, "more"), &token("x"), None)
            .await;
        let first = own.list_connectors(None, 150).await.unwrap();
        let rest = own
            .list_connectors(first.last().map(|c| c.id), 150)
            .await
            .unwrap();

        assert!(matches!(
            more,
            Err(StorageError::Conflict(Constraint::LimitReached))
        ));
        assert_eq!(
            (first.len(), rest.len()),
            (150, CONNECTORS_PER_TENANT - 150)
        );
        assert!(first.iter().chain(&rest).map(|c| c.id).is_sorted());
    }
}

#[tokio::test]
async fn a_saved_connector_keeps_secrets_slug_and_sync_unless_they_are_given() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let id = new_connector(&storage, acme, 10, "gh").await;
        let own = storage.tenant(acme);
        own.sync_failed(id, "no route", at(5)).await.unwrap();
        let changed = Connector {
            display_name: "Our GitHub".to_owned(),
            enabled: false,
            prefix: "ours".to_owned(),
            on_change: OnChange::Warn,
            updated_at: at(60),
            version: 2,
            ..connector(acme, 10, "renamed")
        };

        own.save_connector(&changed, None, 1).await.unwrap();

        let stored = own.find_connector("gh").await.unwrap().unwrap();
        let expected = Connector {
            slug: "gh".parse().unwrap(),
            credential: token("a token").info(),
            sync: SyncStatus {
                state: SyncState::Failed,
                at: Some(at(5)),
                error: Some("no route".to_owned()),
                tools: 0,
                changed: ChangedTools::default(),
            },
            ..changed.clone()
        };
        assert_eq!(stored, expected);
        assert_eq!(own.secrets(id).await.unwrap(), Some(token("a token")));

        let emptied = Connector {
            version: 3,
            ..changed
        };
        let none = ConnectorSecrets::default();
        own.save_connector(&emptied, Some(&none), 2).await.unwrap();

        let stored = own.find_connector("gh").await.unwrap().unwrap();
        assert_eq!((stored.version, stored.credential), (3, none.info()));
        assert_eq!(own.secrets(id).await.unwrap(), Some(none));
    }
}

#[tokio::test]
async fn a_connector_is_deleted_with_its_secrets_when_the_version_fits() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let id = new_connector(&storage, acme, 10, "gh").await;
        let own = storage.tenant(acme);

        let stale = own.delete_connector(id, Some(2)).await;
        own.delete_connector(id, Some(1)).await.unwrap();
        let again = own.delete_connector(id, None).await;
        let saved = own
            .save_connector(&connector(acme, 10, "gh"), None, 1)
            .await;

        assert!(matches!(stale, Err(StorageError::VersionMismatch)));
        assert!(matches!(again, Err(StorageError::NotFound)));
        assert!(matches!(saved, Err(StorageError::NotFound)));
        assert_eq!(own.find_connector("gh").await.unwrap(), None);
        assert_eq!(own.secrets(id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn without_a_tenant_nothing_can_be_added() {
    for storage in each_storage().await {
        let nobody = crate::fixtures::tenant(1, "nobody").id;
        let connector = connector(nobody, 10, "gh");

        let made = storage
            .tenant(nobody)
            .create_connector(&connector, &token("x"), None)
            .await;

        assert!(matches!(made, Err(StorageError::NotFound)), "{made:?}");
    }
}

#[tokio::test]
async fn of_writers_at_once_each_either_counts_or_learns_that_it_came_late() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        new_connector(&storage, acme, 10, "gh").await;

        let mut writers = JoinSet::new();
        for writer in 0..8 {
            let storage = Storage::clone(&storage);
            writers.spawn(async move {
                let own = storage.tenant(acme);
                let (mut counted, mut late) = (0, 0);
                for turn in 0..10 {
                    let read = own.find_connector("gh").await.unwrap().unwrap();
                    let display_name = format!("{} {writer}.{turn}", read.display_name);
                    let version = read.version + 1;
                    let changed = Connector {
                        display_name,
                        version,
                        ..read.clone()
                    };
                    match own.save_connector(&changed, None, read.version).await {
                        Ok(_) => counted += 1,
                        Err(StorageError::VersionMismatch) => late += 1,
                        Err(other) => panic!("{other}"),
                    }
                }
                (counted, late)
            });
        }
        let outcomes = writers.join_all().await;

        let counted: i64 = outcomes.iter().map(|(counted, _)| counted).sum();
        let late: i64 = outcomes.iter().map(|(_, late)| late).sum();
        let stored = storage
            .tenant(acme)
            .find_connector("gh")
            .await
            .unwrap()
            .unwrap();
        assert_eq!((stored.version, counted + late), (1 + counted, 80));
        // Every change that counted is still to be seen: none was written over.
        assert_eq!(stored.display_name.split(' ').count() as i64, 1 + counted);
    }
}
