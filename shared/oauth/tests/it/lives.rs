//! How long tokens and codes are good, and for whom: the fake is as strict as the real ones.

use std::time::Duration;

use oauth::{TokenError, authorization};
use testkit::oauth::{Auth, Consent, Profile, Reuse, Rotation};
use url::Url;

use crate::support::{Meeting, REDIRECT, deadline, registered};

async fn gitlab(rotation: Rotation) -> Meeting {
    let profile = Profile {
        rotation,
        ..Profile::gitlab(registered(Auth::Post))
    };
    Meeting::of("gitlab", profile).await
}

fn is_void<T>(outcome: &Result<T, TokenError>) -> bool {
    matches!(outcome, Err(TokenError::InvalidGrant { .. }))
}

#[tokio::test]
async fn a_code_is_good_once_soon_and_with_its_own_verifier_and_address() {
    let at = gitlab(Rotation::Static).await;
    let redirect: Url = REDIRECT.parse().unwrap();
    let begin = || async {
        let asked = authorization(&at.endpoints, &at.client, &redirect, &at.scopes());
        let consent = Consent::approve("ada");
        let back = at.provider.decide(&asked.url, &consent).await.unwrap();
        let code = back.query_pairs().find(|(name, _)| name == "code").unwrap();
        (code.1.into_owned(), asked.verifier.unwrap())
    };
    let trade = |code: String, verifier, redirect: Url| {
        let (tokens, endpoints, client) = (&at.tokens, &at.endpoints, &at.client);
        async move {
            let verifier = Some(&verifier);
            tokens
                .exchange(endpoints, client, &code, verifier, &redirect, deadline())
                .await
        }
    };

    let (code, verifier) = begin().await;
    let tokens = trade(code.clone(), verifier.clone(), redirect.clone()).await;
    let token = tokens.unwrap().secrets.access_token.unwrap();
    assert!(is_void(&trade(code, verifier, redirect.clone()).await));
    assert!(
        !at.provider.is_good(&token),
        "who comes twice is not believed"
    );

    let (code, _) = begin().await;
    let (_, other) = begin().await;
    assert!(is_void(&trade(code, other, redirect.clone()).await));

    let (code, verifier) = begin().await;
    let elsewhere = "https://turnbuckle.example/other".parse().unwrap();
    assert!(is_void(&trade(code, verifier, elsewhere).await));

    let (code, verifier) = begin().await;
    at.provider.advance(Duration::from_secs(61));
    assert!(is_void(&trade(code, verifier, redirect).await));
}

#[tokio::test]
async fn what_a_person_leaves_out_is_not_granted_and_who_says_no_grants_nothing() {
    let at = gitlab(Rotation::Static).await;
    let only = Consent::approve("ada").only(&["read_api"]);

    assert_eq!(at.connect(&only).await.unwrap().scopes, ["read_api"]);

    let asked = authorization(
        &at.endpoints,
        &at.client,
        &REDIRECT.parse().unwrap(),
        &at.scopes(),
    );
    let back = at
        .provider
        .decide(&asked.url, &Consent::deny("ada"))
        .await
        .unwrap();
    let query = back.query().unwrap();
    assert!(
        query.contains("error=access_denied") && !query.contains("code="),
        "{query}"
    );
    let mut elsewhere = asked.url.clone();
    let changed: Vec<_> = asked.url.query_pairs().into_owned().collect();
    elsewhere
        .query_pairs_mut()
        .clear()
        .extend_pairs(changed.iter().map(|(name, value)| {
            let value = if name == "redirect_uri" {
                "https://evil.example/"
            } else {
                value
            };
            (name.as_str(), value.to_owned())
        }));
    let page = at
        .provider
        .decide(&elsewhere, &Consent::approve("ada"))
        .await;
    assert!(
        page.is_err(),
        "nobody is sent to an address that was not registered"
    );
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_the_family_where_it_rotates() {
    let at = gitlab(Rotation::Rotating(Reuse::RevokesFamily)).await;
    let first = at.connect(&Consent::approve("ada")).await.unwrap();
    assert_eq!(first.expires_in, Some(Duration::from_secs(7200)));
    let second = at.refresh(&first.secrets).await.unwrap().secrets;
    assert!(
        !at.provider
            .is_good(first.secrets.access_token.as_ref().unwrap())
    );

    assert!(is_void(&at.refresh(&first.secrets).await));

    assert!(
        is_void(&at.refresh(&second).await),
        "the newest went with it"
    );
    assert!(!at.provider.is_good(&second.access_token.unwrap()));
    let counts = at.provider.counts();
    assert_eq!((counts.refreshes, counts.families_revoked), (vec![2, 1], 1));
}

#[tokio::test]
async fn a_provider_with_a_window_gives_the_same_pair_again_and_not_later() {
    let window = Duration::from_secs(30);
    let at = gitlab(Rotation::Rotating(Reuse::Window(window))).await;
    let first = at.connect(&Consent::approve("ada")).await.unwrap().secrets;
    let second = at.refresh(&first).await.unwrap().secrets;

    let again = at.refresh(&first).await.unwrap().secrets;
    assert!(again == second);

    at.provider.advance(window);
    assert!(is_void(&at.refresh(&first).await));
}

#[tokio::test]
async fn a_provider_may_wait_for_the_new_token_to_be_used() {
    let at = gitlab(Rotation::Rotating(Reuse::UntilUsed)).await;
    let first = at.connect(&Consent::approve("ada")).await.unwrap().secrets;
    let lost = at.refresh(&first).await.unwrap().secrets;

    let second = at.refresh(&first).await.unwrap().secrets;

    assert!(!at.provider.is_good(&lost.access_token.unwrap()));
    assert!(at.provider.is_good(&second.access_token.unwrap()));
}

#[tokio::test]
async fn access_tokens_end_by_the_providers_clock_and_grants_when_somebody_ends_them() {
    let at = gitlab(Rotation::Static).await;
    let tokens = at.connect(&Consent::approve("ada")).await.unwrap().secrets;
    let token = tokens.access_token.clone().unwrap();

    at.provider.advance(Duration::from_secs(7199));
    assert!(at.provider.is_good(&token));
    at.provider.advance(Duration::from_secs(1));
    assert!(!at.provider.is_good(&token));

    let renewed = at.refresh(&tokens).await.unwrap().secrets;
    assert_eq!(renewed.refresh_token, tokens.refresh_token);
    at.provider.revoke_everything();
    assert!(is_void(&at.refresh(&renewed).await));
    let none = domain::AccountSecrets::default();
    assert!(
        is_void(&at.refresh(&none).await),
        "there is nothing to refresh with"
    );
}
