use domain::AccountOwner;
use secrecy::{ExposeSecret, SecretString};
use storage::testing::each_storage;
use storage::{ConnectFlow, Constraint, FlowStatus, StorageError};
use uuid::Uuid;

use crate::fixtures::{at, flow, new_connector, new_key, new_tenant};

#[tokio::test]
async fn an_attempt_is_found_by_what_the_browser_brings_and_takes_each_step_once() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let gh = new_connector(&storage, acme, 10, "gh").await;
        let key = new_key(&storage, acme, 20).await;
        let own = storage.tenant(acme);
        let offered = flow((acme, gh), 40, AccountOwner::Key(key));
        own.create_flow(&offered).await.unwrap();
        let found = storage.find_flow_by_nonce(&[40; 32]).await.unwrap();
        let found = found.unwrap();
        assert_eq!((found.tenant, found.owner), (acme, offered.owner));
        assert_eq!(found.details.expose_secret(), "details");
        let unused = own.list_unused_flows(gh, offered.owner, at(1), 9).await;
        assert_eq!(unused.unwrap().len(), 1);
        let over = own.list_unused_flows(gh, offered.owner, at(601), 9).await;
        assert!(over.unwrap().is_empty());
        let others = own.list_unused_flows(gh, AccountOwner::Tenant, at(1), 9);
        assert!(others.await.unwrap().is_empty());

        let redirected = ConnectFlow {
            status: FlowStatus::Redirected,
            state_hash: Some([41; 32]),
            browser_hash: Some([42; 32]),
            details: SecretString::from("with a verifier"),
            ..found.clone()
        };
        assert!(own.advance_flow(&found, &redirected).await.unwrap());
        assert!(!own.advance_flow(&found, &redirected).await.unwrap());
        let answered = storage.find_flow_by_state(&[41; 32]).await.unwrap();
        let answered = answered.unwrap();
        assert_eq!(answered.browser_hash, Some([42; 32]));
        assert_eq!(answered.details.expose_secret(), "with a verifier");
        let unused = own.list_unused_flows(gh, offered.owner, at(1), 9).await;
        assert!(unused.unwrap().is_empty());

        // Sent to the provider once more, with another state: who holds the first is late.
        let again = ConnectFlow {
            state_hash: Some([43; 32]),
            ..answered.clone()
        };
        assert!(own.advance_flow(&answered, &again).await.unwrap());
        let mut exchanging = again.clone();
        exchanging.status = FlowStatus::Exchanging;
        assert!(!own.advance_flow(&answered, &exchanging).await.unwrap());
        assert!(own.advance_flow(&again, &exchanging).await.unwrap());

        assert_eq!(storage.sweep_flows(at(600)).await.unwrap(), 0);
        assert_eq!(storage.sweep_flows(at(601)).await.unwrap(), 1);
        assert!(own.find_flow(offered.id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn attempts_are_bounded_for_each_owner_and_begin_only_for_who_is_there() {
    for storage in each_storage().await {
        let (acme, rival) = (
            new_tenant(&storage, 1, "acme").await,
            new_tenant(&storage, 2, "rival").await,
        );
        let gh = new_connector(&storage, acme, 10, "gh").await;
        let foreign = new_key(&storage, rival, 21).await;
        let own = storage.tenant(acme);
        for number in 0..50 {
            let begun = flow((acme, gh), number, AccountOwner::Tenant);
            own.create_flow(&begun).await.unwrap();
        }

        let more = flow((acme, gh), 50, AccountOwner::Tenant);
        let refused = own.create_flow(&more).await;
        assert!(
            matches!(
                refused,
                Err(StorageError::Conflict(Constraint::LimitReached))
            ),
            "{refused:?}"
        );
        let later = ConnectFlow {
            created_at: at(601),
            expires_at: at(1_200),
            ..more
        };
        own.create_flow(&later).await.unwrap();
        for stray in [
            flow((acme, gh), 51, AccountOwner::Key(foreign)),
            flow((rival, gh), 52, AccountOwner::Tenant),
        ] {
            let refused = storage.tenant(stray.tenant).create_flow(&stray).await;
            assert!(
                matches!(refused, Err(StorageError::NotFound)),
                "{refused:?}"
            );
        }
        let theirs = storage.tenant(rival);
        assert!(theirs.find_flow(later.id).await.unwrap().is_none());
        let moved = theirs.advance_flow(&later, &later).await;
        assert!(matches!(moved, Err(StorageError::NotFound)), "{moved:?}");
        assert!(own.find_flow(Uuid::nil()).await.unwrap().is_some());
    }
}
