use domain::{AccountOwner, ConnectorKind, ConnectorSecrets};
use fabric::Subject;
use secrecy::{ExposeSecret, SecretString};
use storage::testing::each_storage;
use storage::{Changes, StorageError};

use crate::fixtures::{account, client, connector, new_connector, new_tenant};

#[tokio::test]
async fn a_tenants_registration_is_its_own_and_the_operators_serves_everybody() {
    for storage in each_storage().await {
        let (acme, rival) = (
            new_tenant(&storage, 1, "acme").await,
            new_tenant(&storage, 2, "rival").await,
        );
        let shared = client(40, None, "github");
        storage.put_oauth_client(&shared, None).await.unwrap();
        let owned = client(41, Some(acme), "github");
        let own = storage.tenant(acme);
        own.put_oauth_client(&owned, None).await.unwrap();

        let found = own.find_oauth_client("github").await.unwrap().unwrap();
        assert_eq!((found.id, &found.client_id), (owned.id, &owned.client_id));
        assert_eq!(found.settings, owned.settings);
        let secret = found.secret.unwrap();
        assert_eq!(secret.expose_secret(), "client secret");
        let found = storage.find_oauth_client("github").await.unwrap().unwrap();
        assert_eq!((found.id, found.tenant), (shared.id, None));
        let rivals = storage.tenant(rival);
        assert!(rivals.find_oauth_client("github").await.unwrap().is_none());
        assert!(
            rivals
                .usable_oauth_client(owned.id)
                .await
                .unwrap()
                .is_none()
        );
        for tenant in [acme, rival] {
            let usable = storage.tenant(tenant).usable_oauth_client(shared.id).await;
            assert!(usable.unwrap().is_some(), "on {}", storage.backend());
        }
        let all = storage.list_oauth_clients(None, 9).await.unwrap();
        let of_acme = own.list_oauth_clients(None, 9).await.unwrap();
        assert_eq!((all.len(), of_acme.len()), (1, 1));
        let as_operators = storage.put_oauth_client(&owned, None).await;
        assert!(matches!(as_operators, Err(StorageError::NotFound)));
        let as_rivals = rivals.put_oauth_client(&owned, None).await;
        assert!(matches!(as_rivals, Err(StorageError::NotFound)));
    }
}

#[tokio::test]
async fn registrations_that_no_account_is_connected_with_are_found_with_what_ends_them() {
    for storage in each_storage().await {
        let (acme, rival) = (
            new_tenant(&storage, 1, "acme").await,
            new_tenant(&storage, 2, "rival").await,
        );
        let gh = new_connector(&storage, acme, 10, "gh").await;
        let own = storage.tenant(acme);
        let mut made = client(40, Some(acme), "mcp https://one.example/mcp");
        made.registration = Some(SecretString::from("ends it"));
        own.put_oauth_client(&made, None).await.unwrap();
        let used = client(41, Some(acme), "mcp https://two.example/mcp");
        own.put_oauth_client(&used, None).await.unwrap();
        let mut new = account((acme, gh), 30, AccountOwner::Tenant, "a");
        new.oauth_client = Some(used.id);
        own.connect_account(&new, None).await.unwrap();

        let unused = own.list_unused_oauth_clients().await.unwrap();
        let found: Vec<_> = unused.iter().map(|client| client.id).collect();
        assert_eq!(found, [made.id], "on {}", storage.backend());
        let ends = unused[0].registration.as_ref().unwrap();
        assert_eq!(ends.expose_secret(), "ends it");
        let rivals = storage.tenant(rival).list_unused_oauth_clients().await;
        assert!(rivals.unwrap().is_empty());

        made.secret = None;
        own.put_oauth_client(&made, None).await.unwrap();
        let again = own.find_oauth_client(&made.provider).await.unwrap();
        let again = again.unwrap();
        assert!(again.secret.is_none());
        assert_eq!(again.registration.unwrap().expose_secret(), "ends it");
    }
}

#[tokio::test]
async fn another_client_id_is_another_registration_which_older_accounts_do_not_have() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let gh = new_connector(&storage, acme, 10, "gh").await;
        let own = storage.tenant(acme);
        let told = async || {
            let config = storage.tenant_config("acme").await.unwrap().unwrap();
            config.connectors[0].accounts
        };
        let first = client(40, Some(acme), "github");
        own.put_oauth_client(&first, None).await.unwrap();
        let mut new = account((acme, gh), 30, AccountOwner::Tenant, "a");
        new.oauth_client = Some(first.id);
        own.connect_account(&new, None).await.unwrap();
        let used = async || {
            let held = own.held_account(new.account.id).await.unwrap();
            held.unwrap().oauth_client
        };

        let mut changed = client(41, Some(acme), "github");
        changed.client_id = first.client_id.clone();
        changed.secret = Some(SecretString::from("another"));
        let stale = own.put_oauth_client(&changed, Some(7)).await;
        assert!(matches!(stale, Err(StorageError::VersionMismatch)));
        let (_, stored) = own.put_oauth_client(&changed, Some(1)).await.unwrap();
        assert_eq!((stored.id, stored.version), (first.id, 2));
        assert_eq!(used().await, Some(first.id), "on {}", storage.backend());

        let other = client(42, Some(acme), "github");
        let (_, stored) = own.put_oauth_client(&other, Some(2)).await.unwrap();
        assert_eq!((stored.id, stored.version), (other.id, 3));
        assert_eq!(used().await, None);
        assert_eq!(told().await, 4);

        let stale = own.delete_oauth_client("github", Some(2)).await;
        assert!(matches!(stale, Err(StorageError::VersionMismatch)));
        own.delete_oauth_client("github", Some(3)).await.unwrap();
        let gone = own.delete_oauth_client("github", None).await;
        assert!(matches!(gone, Err(StorageError::NotFound)));
        let gone = own.put_oauth_client(&other, Some(3)).await;
        assert!(matches!(gone, Err(StorageError::NotFound)));
        assert_eq!(told().await, 5);
    }
}

#[tokio::test]
async fn a_change_of_the_operators_is_one_to_each_tenant_that_it_serves_and_to_no_other() {
    for storage in each_storage().await {
        let (acme, own, other) = (
            new_tenant(&storage, 1, "acme").await,
            new_tenant(&storage, 2, "own").await,
            new_tenant(&storage, 3, "other").await,
        );
        let beta = new_tenant(&storage, 4, "beta").await;
        for (number, tenant) in [(10, acme), (11, own), (12, beta)] {
            new_connector(&storage, tenant, number, "gh").await;
        }
        // A name that differs where `_` would stand for any letter.
        let mut alike = connector(other, 13, "alike");
        alike.kind = ConnectorKind::Native {
            catalog: "git-hub".to_owned(),
            base_url: None,
        };
        let secrets = ConnectorSecrets::default();
        let theirs = storage.tenant(other);
        theirs
            .create_connector(&alike, &secrets, None)
            .await
            .unwrap();
        let owned = client(40, Some(own), "github");
        let owns = storage.tenant(own);
        owns.put_oauth_client(&owned, None).await.unwrap();
        let told = async |slug: &str| {
            let config = storage.tenant_config(slug).await.unwrap().unwrap();
            config.connectors[0].accounts
        };
        let before = storage.last_revision().await.unwrap();

        let shared = client(41, None, "github");
        let (changes, _) = storage.put_oauth_client(&shared, None).await.unwrap();

        let subjects: Vec<_> = changes.iter().map(|change| &change.subject).collect();
        let tenant = |slug: &str| Subject::Tenant(slug.to_owned());
        assert_eq!(subjects, [&tenant("acme"), &tenant("beta")]);
        let Changes::Since { changes: all, last } =
            storage.changes_since(before, 10).await.unwrap()
        else {
            panic!("there are gaps on {}", storage.backend());
        };
        assert_eq!((&all, last), (&changes, before + 2));
        assert_eq!(
            (
                told("acme").await,
                told("own").await,
                told("other").await,
                told("beta").await
            ),
            (1, 1, 0, 1),
            "on {}",
            storage.backend()
        );

        let git_hub = client(42, None, "git_hub");
        let (none, _) = storage.put_oauth_client(&git_hub, None).await.unwrap();
        assert_eq!(none, []);
        assert_eq!(storage.last_revision().await.unwrap(), last);
        let ended = storage.delete_oauth_client("github", None).await.unwrap();
        assert_eq!(ended.len(), 2);
        assert_eq!(told("beta").await, 2);
    }
}
