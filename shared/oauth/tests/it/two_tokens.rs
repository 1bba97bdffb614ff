//! A provider that gives a bot's token and a user's.

use std::time::Duration;

use oauth::TokenError;
use testkit::oauth::{Auth, Consent, Fault, Profile, Reuse, Rotation};

use crate::support::{Meeting, registered};

async fn rotating() -> Meeting {
    let profile = Profile {
        rotation: Rotation::Rotating(Reuse::RevokesFamily),
        access_ttl: Some(Duration::from_secs(43_200)),
        ..Profile::slack(registered(Auth::Basic))
    };
    Meeting::of("slack", profile).await
}

#[tokio::test]
async fn both_tokens_are_renewed_each_by_its_own() {
    let at = rotating().await;
    let first = at.connect(&Consent::approve("ada")).await.unwrap();
    assert_eq!(first.subject.as_deref(), Some("Team of ada"));
    assert_eq!(first.secrets.identity.as_deref(), Some("T-ada"));

    let renewed = at.refresh(&first.secrets).await.unwrap();

    let (old, new) = (first.secrets, renewed.secrets);
    assert_ne!(old.access_token, new.access_token);
    assert_ne!(old.user_token, new.user_token);
    assert_ne!(old.refresh_token, new.refresh_token);
    assert_ne!(old.user_refresh_token, new.user_refresh_token);
    for token in [&new.access_token, &new.user_token] {
        assert!(at.provider.is_good(token.as_ref().unwrap()));
    }
    assert_eq!(at.provider.counts().refreshes, [2]);
    at.refresh(&new).await.unwrap();
    assert_eq!(at.provider.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn the_bots_new_pair_is_not_lost_when_the_users_cannot_be_had() {
    let at = rotating().await;
    let first = at.connect(&Consent::approve("ada")).await.unwrap().secrets;
    // Only the second of the two requests meets it.
    at.provider.fail_next(Fault::Late(Duration::ZERO));
    at.provider.fail_next(Fault::Status(503, None));

    let renewed = at.refresh(&first).await.unwrap().secrets;

    assert_ne!(renewed.refresh_token, first.refresh_token);
    assert_eq!(renewed.user_refresh_token, first.user_refresh_token);
    let whole = at.refresh(&renewed).await.unwrap().secrets;
    assert_ne!(whole.user_refresh_token, first.user_refresh_token);
    assert_eq!(at.provider.counts().families_revoked, 0);
}

#[tokio::test]
async fn another_workspaces_tokens_are_not_taken_for_ones_own() {
    let at = rotating().await;
    let first = at.connect(&Consent::approve("ada")).await.unwrap().secrets;
    at.provider.fail_next(Fault::AnotherUser);

    let refused = at.refresh(&first).await.unwrap_err();

    assert_eq!(refused, TokenError::AnotherAccount);
}

#[tokio::test]
async fn a_user_alone_is_an_account_too() {
    let at = rotating().await;
    let consent = Consent::approve("ada").only(&["search:read"]);

    let tokens = at.connect(&consent).await.unwrap();

    assert_eq!(tokens.secrets.access_token, None);
    assert!(tokens.secrets.user_token.is_some());
    assert_eq!(tokens.scopes, ["search:read"]);
    let renewed = at.refresh(&tokens.secrets).await.unwrap().secrets;
    assert_ne!(renewed.user_token, tokens.secrets.user_token);
    at.revoke(&renewed).await.unwrap();
    assert!(!at.provider.is_good(&renewed.user_token.unwrap()));
}
