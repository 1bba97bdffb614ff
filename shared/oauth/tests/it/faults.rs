//! Providers that are slow, broken, or lie.

use std::sync::Arc;
use std::time::Duration;

use egress::{Client, EgressConfig};
use oauth::{Deadline, Limits, TokenEndpoint, TokenError};
use runtime::SystemClock;
use testkit::oauth::{Auth, Consent, Fault, Profile, Reuse, Rotation};

use crate::support::{Meeting, SECRET, registered};

const WINDOW: Duration = Duration::from_secs(3600);

async fn meeting() -> Meeting {
    let profile = Profile {
        rotation: Rotation::Rotating(Reuse::Window(WINDOW)),
        ..Profile::gitlab(registered(Auth::Post))
    };
    let mut at = Meeting::of("gitlab", profile).await;
    let config = EgressConfig {
        allow_private: true,
        ..EgressConfig::default()
    };
    let limits = Limits {
        time: Duration::from_millis(700),
        answer_bytes: 64 * 1024,
    };
    at.tokens = TokenEndpoint::new(Client::new(&config).unwrap(), limits, Arc::new(SystemClock));
    at
}

/// The kind of an error, in one word.
fn kind(error: &TokenError) -> &'static str {
    match error {
        TokenError::InvalidGrant { .. } => "void",
        TokenError::Refused { .. } => "refused",
        TokenError::Later { .. } => "later",
        TokenError::Unsent(_) => "unsent",
        TokenError::Unclear(_) => "unclear",
        TokenError::Garbage(_) => "garbage",
        TokenError::AnotherAccount => "another",
    }
}

#[tokio::test]
async fn each_misbehaviour_is_told_apart_and_the_sign_in_survives_it() {
    let cases = [
        (Fault::DropBefore, "unclear"),
        (Fault::DropAfter, "unclear"),
        (Fault::Truncated, "unclear"),
        (Fault::Hold, "unclear"),
        (Fault::HoldBefore, "unclear"),
        (Fault::Status(500, None), "later"),
        (Fault::Status(429, Some("7".to_owned())), "later"),
        (Fault::StatusAfter(502), "later"),
        (Fault::Status(403, None), "refused"),
        (Fault::Garbage, "garbage"),
        (Fault::Html, "garbage"),
        (Fault::Redirect, "garbage"),
        (Fault::Huge(65 * 1024), "unclear"),
    ];
    for (fault, expected) in cases {
        let at = meeting().await;
        let first = at.connect(&Consent::approve("ada")).await.unwrap().secrets;
        at.provider.fail_next(fault.clone());

        let error = at.refresh(&first).await.unwrap_err();

        assert_eq!(kind(&error), expected, "{fault:?}: {error}");
        assert!(
            !format!("{error} {error:?}").contains("secret-"),
            "{fault:?}"
        );
        let asked = at.provider.seen_at("/oauth/token").len();
        assert_eq!(asked, 2, "{fault:?}: nothing was sent twice or followed");
        at.provider.let_go();
        let again = at.refresh(&first).await;
        let again = again.unwrap_or_else(|error| panic!("after {fault:?}: {error}"));
        assert!(at.provider.is_good(&again.secrets.access_token.unwrap()));
    }
}

#[tokio::test]
async fn an_answer_that_comes_twice_is_nobody_elses_answer() {
    let at = meeting().await;
    let ada = at.connect(&Consent::approve("ada")).await.unwrap().secrets;
    let eve = at.connect(&Consent::approve("eve")).await.unwrap().secrets;
    at.provider.fail_next(Fault::Twice);

    let of_ada = at.refresh(&ada).await.unwrap().secrets;
    let of_eve = at.refresh(&eve).await.unwrap().secrets;

    assert_ne!(of_ada.access_token, of_eve.access_token);
    assert!(at.provider.is_good(&of_eve.access_token.unwrap()));
}

#[tokio::test]
async fn how_long_to_wait_is_read_in_both_spellings() {
    let at = meeting().await;
    let first = at.connect(&Consent::approve("ada")).await.unwrap().secrets;
    let mut waits = Vec::new();
    for text in ["7", "Sun, 06 Nov 1994 08:50:37 GMT", "soon"] {
        at.provider
            .fail_next(Fault::Status(429, Some(text.to_owned())));
        match at.refresh(&first).await {
            Err(TokenError::Later { retry_after, .. }) => waits.push(retry_after),
            other => panic!("{other:?}"),
        }
    }

    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!(waits, [seconds(7), seconds(60), None]);
}

#[tokio::test]
async fn a_wrong_secret_is_the_clients_trouble_and_not_the_end_of_the_account() {
    for (connector, profile) in [
        ("gitlab", Profile::gitlab(registered(Auth::Post))),
        (
            "slack",
            Profile {
                rotation: Rotation::Rotating(Reuse::RevokesFamily),
                ..Profile::slack(registered(Auth::Basic))
            },
        ),
    ] {
        let mut at = Meeting::of(connector, profile).await;
        let first = at.connect(&Consent::approve("ada")).await.unwrap().secrets;
        at.client.client_secret = Some("secret-of-yesterday".into());

        let refused = at.refresh(&first).await.unwrap_err();

        assert_eq!(kind(&refused), "refused", "{refused}");
        assert!(!refused.to_string().contains("secret-"), "{refused}");
        at.client.client_secret = Some(SECRET.into());
        at.refresh(&first).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_private_address_or_without_time() {
    let mut at = meeting().await;
    let first = at.connect(&Consent::approve("ada")).await.unwrap().secrets;
    let passed = Deadline::after(Duration::ZERO);
    let late = at.tokens.refresh(&at.endpoints, &at.client, &first, passed);
    let late = late.await.unwrap_err();
    at.tokens = TokenEndpoint::new(
        Client::new(&EgressConfig::default()).unwrap(),
        Limits::default(),
        Arc::new(SystemClock),
    );

    let refused = at.refresh(&first).await.unwrap_err();

    assert_eq!((kind(&late), kind(&refused)), ("unsent", "unsent"));
    assert!(refused.to_string().contains("egress.allow"), "{refused}");
    assert_eq!(at.provider.seen_at("/oauth/token").len(), 1);
}
