//! Providers that tell a bot's token and a user's apart: each call gets the one that it needs.

use std::collections::BTreeMap;

use ::fabric::{Credential, CredentialError, CredentialRequest};
use domain::{
    Account, AccountId, AccountMethod, AccountOwner, AccountSecrets, AccountState, Connector,
    ConnectorId, ConnectorKind, ConnectorSecrets, TokenKind,
};
use runtime::{IdGen, TimeOrderedIds};
use secrecy::ExposeSecret;
use storage::{NewAccount, Storage};
use tempfile::tempdir;
use testkit::oauth::Rotation;

use super::rig::{Ends, Plane, Rig, now};

/// A connector of that type, with this token of its own.
async fn add(rig: &Rig, storage: &Storage, catalog: &str, own: Option<&str>) -> ConnectorId {
    let rows = storage.tenant(rig.tenant);
    let like = rows.find_connector("gitlab").await.unwrap().unwrap();
    let connector = Connector {
        id: ConnectorId::new(TimeOrderedIds.next()),
        slug: catalog.parse().unwrap(),
        display_name: catalog.to_owned(),
        kind: ConnectorKind::Native {
            catalog: catalog.to_owned(),
            base_url: None,
        },
        ..like
    };
    let secrets = ConnectorSecrets {
        token: own.map(str::to_owned),
        ..ConnectorSecrets::default()
    };
    let stored = rows.create_connector(&connector, &secrets, None).await;
    stored.unwrap();
    connector.id
}

async fn account(
    rig: &Rig,
    storage: &Storage,
    connector: ConnectorId,
    method: AccountMethod,
    (access, user): (Option<&str>, Option<&str>),
) -> AccountId {
    let id = AccountId::new(TimeOrderedIds.next());
    let account = Account {
        id,
        tenant: rig.tenant,
        connector,
        owner: AccountOwner::Tenant,
        name: id.to_string(),
        method,
        state: AccountState::Connected,
        preferred: true,
        subject: None,
        scopes: Vec::new(),
        variables: BTreeMap::new(),
        generation: 1,
        expires_at: None,
        problem: None,
        created_at: now(),
        updated_at: now(),
        refreshed_at: None,
    };
    let new = NewAccount {
        account,
        secrets: AccountSecrets {
            access_token: access.map(str::to_owned),
            user_token: user.map(str::to_owned),
            ..AccountSecrets::default()
        },
        oauth_client: None,
        refresh_at: None,
    };
    let rows = storage.tenant(rig.tenant);
    rows.connect_account(&new, None).await.unwrap();
    id
}

/// In words: the token, `own`, or why there is none.
fn told(given: Result<Credential, CredentialError>) -> String {
    match given {
        Ok(Credential::Own) => "own".to_owned(),
        Ok(Credential::Account(lease)) => {
            let user = lease.user_token.as_ref().map(ExposeSecret::expose_secret);
            let access = lease.access_token.expose_secret();
            match user {
                Some(user) if user != access => format!("{access} {user}"),
                _ => access.to_owned(),
            }
        }
        Err(CredentialError::Missing { message, .. }) => message,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bots_calls_and_a_persons_are_made_with_the_credential_of_their_kind() {
    let rig = Rig::new(Rotation::Static, Ends::Late).await;
    let storage = rig.storage().await;
    let spool = tempdir().unwrap();
    let plane = Plane::start(&rig, spool.path()).await;
    let ask = async |connector, token_kind| {
        let request = CredentialRequest {
            connector,
            token_kind,
            ..rig.request()
        };
        told(plane.credential(request).await)
    };
    let (bot, user) = (Some(TokenKind::Bot), Some(TokenKind::User));

    let discord = add(&rig, &storage, "discord", None).await;
    let pasted = (Some("bot-token"), None);
    let bots = account(&rig, &storage, discord, AccountMethod::Token, pasted).await;
    let missing = ask(discord, user).await;
    assert!(missing.contains("no account of a person"), "{missing}");
    let person = (Some("persons-token"), None);
    account(&rig, &storage, discord, AccountMethod::OAuth, person).await;
    // The person's is the one connected last, and so preferred.
    assert_eq!(ask(discord, None).await, "persons-token");
    assert_eq!(ask(discord, bot).await, "bot-token");
    assert_eq!(ask(discord, user).await, "persons-token");
    let rows = storage.tenant(rig.tenant);
    rows.delete_account(bots).await.unwrap();
    assert_eq!(ask(discord, bot).await, "own", "which the worker misses");

    // A token tells by its look whose it is.
    let slack = add(&rig, &storage, "slack", Some("xoxb-own")).await;
    assert_eq!(ask(slack, None).await, "own");
    let missing = ask(slack, user).await;
    assert!(missing.contains("no account of a person"), "{missing}");
    let pasted = (Some("xoxp-pasted"), None);
    account(&rig, &storage, slack, AccountMethod::Token, pasted).await;
    assert_eq!(ask(slack, user).await, "xoxp-pasted");
    // One that has no user's token yet does not stand in the way of one that is there.
    let without = (Some("xoxb-connected"), None);
    account(&rig, &storage, slack, AccountMethod::OAuth, without).await;
    assert_eq!(ask(slack, user).await, "xoxp-pasted");
    assert_eq!(ask(slack, None).await, "xoxb-connected");
    let both = (Some("xoxb-both"), Some("xoxp-both"));
    account(&rig, &storage, slack, AccountMethod::OAuth, both).await;
    assert_eq!(ask(slack, user).await, "xoxb-both xoxp-both");

    let other = add(&rig, &storage, "linear", Some("lin_api_own")).await;
    assert_eq!(ask(other, None).await, "own");
}
