//! Whose account a call is made with, and what is said when there is none.

use ::fabric::StoredKey;
use ::fabric::{Credential, CredentialError, CredentialRequest};
use domain::{AccountOwner, AccountState, ApiKey, ConnectorSecrets, KeyId, KeyState, Scope};
use runtime::{IdGen, TimeOrderedIds};
use storage::Storage;
use tempfile::tempdir;
use testkit::oauth::{Reuse, Rotation};

use super::rig::{Ends, Plane, Rig, account, now};

const STRICT: Rotation = Rotation::Rotating(Reuse::RevokesFamily);

async fn new_key(rig: &Rig, storage: &Storage) -> KeyId {
    let key = ApiKey {
        id: KeyId::new(TimeOrderedIds.next()),
        name: "k".to_owned(),
        scope: Scope::TenantUser,
        tenant: Some(rig.tenant),
        state: KeyState::Active,
        created_at: now(),
        expires_at: None,
        last_used_at: None,
    };
    let id = key.id;
    let stored = StoredKey { key, hash: [7; 32] };
    let own = storage.tenant(rig.tenant);
    own.create_key(&stored, None).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keys_own_account_goes_before_the_tenants_even_when_it_has_ended() {
    let rig = Rig::new(STRICT, Ends::Late).await;
    let storage = rig.storage().await;
    let spool = tempdir().unwrap();
    let plane = Plane::start(&rig, spool.path()).await;
    let key = new_key(&rig, &storage).await;
    let request = |wants_link| CredentialRequest {
        key,
        wants_link,
        ..rig.request()
    };
    let shared = account(plane.credential(request(false)).await);
    assert_eq!(shared.account, rig.account);

    let owner = AccountOwner::Key(key);
    let own = rig.connect(&storage, owner, "mine", Ends::Late).await;
    let lease = account(plane.credential(request(false)).await);
    assert_eq!(lease.account, own);
    let others = account(plane.credential(rig.request()).await);
    assert_eq!(others.account, rig.account);

    // Its grant is too small for a tool, and grows by connecting it again.
    let mut more = request(false);
    more.further_scopes = vec!["api".to_owned(), "sudo".to_owned()];
    let Err(CredentialError::Missing { message, .. }) = plane.credential(more).await else {
        panic!("it lacks a scope");
    };
    assert!(
        message.contains("sudo") && !message.contains("api,"),
        "{message}"
    );

    // Refused, renewed, and refused again at once: renewing does not help.
    rig.provider.revoke_everything();
    let mut refused = request(true);
    refused.refused = Some((own, lease.generation));
    let given = plane.credential(refused).await;
    let Err(CredentialError::Missing {
        connect_url,
        message,
    }) = given
    else {
        panic!("the tenant's is not used instead");
    };
    assert!(message.contains("must be connected again"), "{message}");
    let url = connect_url.unwrap();
    assert!(
        url.starts_with("https://turnbuckle.example/connect/"),
        "{url}"
    );
    let held = plane.held(own).await.account;
    assert_eq!(held.state, AccountState::NeedsReauth);
    let asked_again = plane.credential(request(false)).await;
    assert!(
        matches!(
            asked_again,
            Err(CredentialError::Missing {
                connect_url: None,
                ..
            })
        ),
        "who only looks begins nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_token_that_is_refused_at_once_ends_the_account() {
    let rig = Rig::new(STRICT, Ends::Late).await;
    let spool = tempdir().unwrap();
    let plane = Plane::start(&rig, spool.path()).await;
    let refuse = |generation| CredentialRequest {
        refused: Some((rig.account, generation)),
        ..rig.request()
    };

    let renewed = account(plane.credential(refuse(1)).await);
    assert_eq!(renewed.generation, 2);
    let late = account(plane.credential(refuse(1)).await);
    assert_eq!(late.generation, 2, "the refusal was of an older one");
    let given = plane.credential(refuse(2)).await;

    assert!(
        matches!(given, Err(CredentialError::Missing { .. })),
        "{given:?}"
    );
    assert_eq!(rig.provider.counts().refreshed, 1);
    let held = plane.held(rig.account).await.account;
    assert_eq!(held.state, AccountState::NeedsReauth);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_account_the_connectors_own_secret_serves_and_without_that_a_link() {
    let rig = Rig::new(STRICT, Ends::Late).await;
    let storage = rig.storage().await;
    let spool = tempdir().unwrap();
    let plane = Plane::start(&rig, spool.path()).await;
    let key = new_key(&rig, &storage).await;
    let own = storage.tenant(rig.tenant);
    own.delete_account(rig.account).await.unwrap();
    let request = || CredentialRequest {
        key,
        wants_link: true,
        ..rig.request()
    };

    let given = plane.credential(request()).await;
    let Err(CredentialError::Missing { connect_url, .. }) = given else {
        panic!("there is nothing to give");
    };
    assert!(connect_url.is_some());

    let connector = own.find_connector("gitlab").await.unwrap().unwrap();
    let token = ConnectorSecrets {
        token: Some("pasted".to_owned()),
        ..ConnectorSecrets::default()
    };
    let mut changed = connector.clone();
    changed.version += 1;
    own.save_connector(&changed, Some(&token), connector.version)
        .await
        .unwrap();
    let given = plane.credential(request()).await;
    assert!(matches!(given, Ok(Credential::Own)), "{given:?}");

    let connector = own.find_connector("gitlab").await.unwrap().unwrap();
    let mut off = connector.clone();
    (off.enabled, off.version) = (false, connector.version + 1);
    own.save_connector(&off, None, connector.version)
        .await
        .unwrap();
    let given = plane.credential(request()).await;
    assert!(matches!(given, Err(CredentialError::Gone)), "{given:?}");
}
