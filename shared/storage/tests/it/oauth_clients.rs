use domain::AccountOwner;
use secrecy::{ExposeSecret, SecretString};
use storage::StorageError;
use storage::testing::each_storage;

use crate::fixtures::{account, client, new_connector, new_tenant};

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
