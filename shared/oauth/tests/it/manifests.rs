//! Every manifest with a sign-in, against a provider that is as its documentation says.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::Catalog;
use oauth::{
    ClientSettings, Endpoints, EndpointsError, OAuthClient, Origins, Scopes, authorization,
};
use testkit::oauth::{
    Auth, Body, Consent, Pkce, Profile, Registered, Reuse, Revocation, Rotation, Shape, Sign,
};

use crate::support::{Meeting, REDIRECT, manifest, registered};

fn revocation(path: &str, sign: Sign, body: Body) -> Option<Revocation> {
    Some(Revocation {
        path: path.to_owned(),
        method: "POST".to_owned(),
        sign,
        body,
        field: "token".to_owned(),
    })
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn google() -> Profile {
    Profile {
        authorize_path: "/o/oauth2/v2/auth".to_owned(),
        token_path: "/token".to_owned(),
        revocation: revocation("/revoke", Sign::None, Body::Form),
        pkce: Pkce::Optional,
        rotation: Rotation::Static,
        offline: vec![pair("access_type", "offline"), pair("prompt", "consent")],
        ..Profile::standard(registered(Auth::Post))
    }
}

fn microsoft() -> Profile {
    Profile {
        authorize_path: "/common/oauth2/v2.0/authorize".to_owned(),
        token_path: "/common/oauth2/v2.0/token".to_owned(),
        revocation: None,
        pkce: Pkce::Optional,
        rotation: Rotation::Rotating(Reuse::UntilUsed),
        offline_scope: Some("offline_access".to_owned()),
        ..Profile::standard(registered(Auth::Post))
    }
}

/// The provider behind a connector, by its own documentation and not by our manifest.
fn provider(connector: &str) -> Option<Profile> {
    let standard = |auth| Profile::standard(registered(auth));
    Some(match connector {
        "bitbucket" => Profile {
            authorize_path: "/site/oauth2/authorize".to_owned(),
            token_path: "/site/oauth2/access_token".to_owned(),
            revocation: None,
            pkce: Pkce::Refused,
            rotation: Rotation::Static,
            ..standard(Auth::Basic)
        },
        "confluence" | "jira" => Profile::atlassian(registered(Auth::Post)),
        "copilot" | "github" => Profile::github(registered(Auth::Post)),
        "discord" => Profile {
            authorize_path: "/oauth2/authorize".to_owned(),
            token_path: "/api/oauth2/token".to_owned(),
            revocation: revocation("/api/oauth2/token/revoke", Sign::Client, Body::Form),
            pkce: Pkce::Refused,
            ..standard(Auth::Basic)
        },
        "gitlab" => Profile::gitlab(registered(Auth::Post)),
        "gmail" | "google_calendar" | "google_docs" | "google_sheets" | "google_slides" => google(),
        "linear" => Profile {
            authorize_path: "/oauth/authorize".to_owned(),
            token_path: "/oauth/token".to_owned(),
            revocation: revocation("/oauth/revoke", Sign::Client, Body::Form),
            scope_separator: ",".to_owned(),
            ..standard(Auth::Post)
        },
        "notion" => Profile {
            shape: Shape::Notion,
            authorize_path: "/v1/oauth/authorize".to_owned(),
            token_path: "/v1/oauth/token".to_owned(),
            revocation: revocation("/v1/oauth/revoke", Sign::Client, Body::Json),
            body: Body::Json,
            pkce: Pkce::Refused,
            demanded: vec![pair("owner", "user")],
            access_ttl: None,
            ..standard(Auth::Basic)
        },
        "excel" | "outlook" | "powerpoint" | "teams" => microsoft(),
        "slack" => Profile::slack(registered(Auth::Basic)),
        "zoom" => Profile {
            authorize_path: "/oauth/authorize".to_owned(),
            token_path: "/oauth/token".to_owned(),
            revocation: revocation("/oauth/revoke", Sign::Client, Body::Form),
            ..standard(Auth::Basic)
        },
        _ => return None,
    })
}

#[tokio::test]
async fn every_account_of_a_manifest_is_connected_refreshed_and_given_back() {
    let connectors = Catalog::builtin().connectors().into_iter();
    let with_oauth = connectors.filter(|connector| connector.auth.oauth2.is_some());
    let mut count = 0;
    for connector in with_oauth {
        let name = connector.name.as_str();
        let profile = provider(name);
        let profile = profile.unwrap_or_else(|| panic!("say here what {name}'s provider is like"));
        let (rotation, takes_back) = (profile.rotation, profile.revocation.is_some());
        let at = Meeting::of(name, profile).await;

        let tokens = at.connect(&Consent::approve("ada")).await;
        let tokens = tokens.unwrap_or_else(|error| panic!("{name}: {error}"));
        let first = tokens.secrets.access_token.clone().expect(name);
        assert!(at.provider.is_good(&first), "{name}");
        let asked = at.scopes();
        let mut granted = tokens.scopes;
        granted.sort();
        let mut expected = [asked.bot, asked.user].concat();
        expected.sort();
        let says = name != "notion" && !expected.is_empty();
        assert_eq!(granted, if says { expected } else { Vec::new() }, "{name}");

        let mut secrets = tokens.secrets;
        if rotation == Rotation::None {
            assert!(secrets.refresh_token.is_none(), "{name}");
        } else {
            for round in 0..2 {
                let old = secrets.clone();
                let renewed = at.refresh(&old).await;
                secrets = renewed
                    .unwrap_or_else(|error| panic!("{name}, refresh {round}: {error}"))
                    .secrets;
                assert_ne!(old.access_token, secrets.access_token, "{name}");
                let stayed = old.refresh_token == secrets.refresh_token;
                assert_eq!(stayed, rotation == Rotation::Static, "{name}");
            }
        }
        let last = secrets.access_token.clone().expect(name);
        at.revoke(&secrets)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(at.provider.is_good(&last), !takes_back, "{name}");
        at.revoke(&secrets)
            .await
            .unwrap_or_else(|error| panic!("{name}, once more: {error}"));

        let violations = at.provider.violations();
        assert_eq!(violations, Vec::<String>::new(), "{name}");
        count += 1;
    }
    assert_eq!(count, 20);
}

#[tokio::test]
async fn authorize_pages_are_asked_in_each_providers_own_words() {
    let asks = |connector: &str, bot: &[&str], user: &[&str]| {
        let oauth2 = manifest(connector);
        let settings = ClientSettings::default();
        let endpoints = Endpoints::of_manifest(&oauth2, &settings, &Origins::default()).unwrap();
        let client = OAuthClient {
            client_id: "id".to_owned(),
            client_secret: Some("secret-1".into()),
            key: None,
            auth: None,
        };
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        let scopes = Scopes {
            bot: words(bot),
            user: words(user),
        };
        let asked = authorization(&endpoints, &client, &REDIRECT.parse().unwrap(), &scopes);
        let parameters: BTreeMap<String, String> = asked.url.query_pairs().into_owned().collect();
        (asked.url, parameters)
    };
    let of = |parameters: &BTreeMap<String, String>, name: &str| {
        parameters.get(name).cloned().unwrap_or_default()
    };

    let (url, slack) = asks("slack", &["chat:write", "im:read"], &["search:read"]);
    assert!(
        url.as_str()
            .starts_with("https://slack.com/oauth/v2/authorize?")
    );
    assert_eq!(of(&slack, "scope"), "chat:write,im:read");
    assert_eq!(of(&slack, "user_scope"), "search:read");
    assert!(!slack.contains_key("code_challenge"));
    let (_, slack) = asks("slack", &["chat:write"], &[]);
    assert!(!slack.contains_key("user_scope"));

    let (_, linear) = asks("linear", &[], &["read", "write", "read"]);
    assert_eq!(of(&linear, "scope"), "read,write");

    let (url, outlook) = asks("outlook", &[], &["openid", "Mail.Send"]);
    assert_eq!(url.path(), "/common/oauth2/v2.0/authorize");
    assert_eq!(
        of(&outlook, "scope"),
        "openid https://graph.microsoft.com/Mail.Send offline_access"
    );

    let (_, jira) = asks("jira", &[], &["read:jira-work"]);
    assert_eq!(of(&jira, "scope"), "read:jira-work offline_access");
    assert_eq!(of(&jira, "audience"), "api.atlassian.com");

    let (_, gmail) = asks("gmail", &[], &["https://mail.google.com/"]);
    assert_eq!(of(&gmail, "access_type"), "offline");
    assert_eq!(of(&gmail, "prompt"), "consent");
    assert_eq!(of(&gmail, "code_challenge_method"), "S256");
    assert_eq!(of(&gmail, "code_challenge").len(), 43);

    // Zoom refuses scopes that the app lacks, and an app has classic or granular ones.
    let (_, zoom) = asks("zoom", &[], &["meeting:read", "meeting:read:list_meetings"]);
    assert!(!zoom.contains_key("scope"));
    assert!(!zoom.values().any(|value| value.contains("secret-")));
    let (_, once_more) = asks("zoom", &[], &[]);
    assert_ne!(zoom["state"], once_more["state"]);
    assert_ne!(zoom["code_challenge"], once_more["code_challenge"]);
}

#[test]
fn a_provider_of_ones_own_is_a_host_and_nothing_more() {
    let at = |name: &str, value: &str| {
        let settings = ClientSettings {
            variables: BTreeMap::from([(name.to_owned(), value.to_owned())]),
            ..ClientSettings::default()
        };
        Endpoints::of_manifest(&manifest("gitlab"), &settings, &Origins::default())
    };

    let own = at("host", "git.example.org:8443").unwrap();
    assert_eq!(
        own.authorize.as_str(),
        "https://git.example.org:8443/oauth/authorize"
    );
    assert_eq!(
        own.token.as_str(),
        "https://git.example.org:8443/oauth/token"
    );
    for bad in [
        "",
        "me@evil.example",
        "evil.example?x=",
        "evil.example#",
        "a b",
        "{host}",
        "../x",
        "/x",
        "evil.example\\",
    ] {
        let refused = at("host", bad);
        assert!(
            matches!(refused, Err(EndpointsError::Variable { .. })),
            "{bad:?}"
        );
    }
    assert!(matches!(
        at("tenant", "x"),
        Err(EndpointsError::Variable { .. })
    ));
}

#[tokio::test]
async fn of_several_sites_one_can_be_chosen_by_its_name() {
    let mut profile = Profile::atlassian(registered(Auth::Post));
    profile.access_ttl = Some(Duration::from_secs(60));
    let at = Meeting::of("jira", profile).await;
    let tokens = at.connect(&Consent::approve("ada")).await.unwrap();
    let token = tokens.secrets.access_token.unwrap();
    let ask = || async {
        let deadline = crate::support::deadline();
        at.tokens
            .after_connect(&at.endpoints, &token, deadline)
            .await
    };

    let sites = ask().await.unwrap();
    let shown: Vec<(&str, &str)> = sites
        .iter()
        .map(|site| (site.label.as_str(), site.variables["cloudId"].as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            ("One (https://one.atlassian.net)", "cloud-1"),
            ("Two (https://two.atlassian.net)", "cloud-2"),
        ]
    );

    at.provider.change(|profile| profile.sites.clear());
    let none = ask().await.unwrap_err();
    assert_eq!(
        none.to_string(),
        "the provider refuses (no_site): the account reaches no site"
    );
}

#[tokio::test]
async fn a_client_without_a_secret_proves_itself_by_pkce_alone() {
    let mut nobody = Registered::new("client-1", "", Auth::None, REDIRECT);
    nobody.secret = None;
    let mut at = Meeting::of("zoom", provider("zoom").unwrap()).await;
    at.provider.change(|profile| {
        profile.clients = vec![nobody];
    });
    at.client.client_secret = None;

    let tokens = at.connect(&Consent::approve("ada")).await.unwrap();

    assert!(at.provider.is_good(&tokens.secrets.access_token.unwrap()));
    assert_eq!(at.provider.violations(), Vec::<String>::new());
}
