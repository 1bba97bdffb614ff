//! MCP servers that say themselves where to sign in, and some that lie.

use oauth::{
    ClientAuth, Discovered, DiscoveryError, Endpoints, OAuthClient, Registered, Registration,
    Scopes, TokenError, Tokens, authorization, check_issuer, client_document, registration,
};
use testkit::oauth::{Consent, Discovery, OAuthProvider, Profile, Reuse, Rotation};
use url::Url;

use crate::support::{REDIRECT, deadline, endpoint};

const NAME: &str = "Turnbuckle";
const HOME: &str = "https://turnbuckle.example/";

async fn server(discovery: Discovery) -> OAuthProvider {
    OAuthProvider::start(Profile {
        discovery: Some(discovery),
        rotation: Rotation::Rotating(Reuse::RevokesFamily),
        ..Profile::mcp()
    })
    .await
}

async fn discover(server: &OAuthProvider) -> Result<Discovered, DiscoveryError> {
    endpoint().discover(&server.at("/mcp"), deadline()).await
}

async fn registered(found: &Discovered) -> Registered {
    let (home, redirect) = (HOME.parse().unwrap(), REDIRECT.parse().unwrap());
    endpoint()
        .register(&found.server, NAME, &home, &redirect, deadline())
        .await
        .unwrap()
}

async fn register(found: &Discovered) -> OAuthClient {
    registered(found).await.client
}

/// Consents as a person, and looks at who answers before anything else.
async fn connect(
    server: &OAuthProvider,
    found: &Discovered,
    client: &OAuthClient,
    scopes: Vec<String>,
) -> Result<Tokens, String> {
    let endpoints = Endpoints::of_server(found).unwrap();
    let redirect: Url = REDIRECT.parse().unwrap();
    let scopes = Scopes {
        bot: Vec::new(),
        user: scopes,
    };
    let asked = authorization(&endpoints, client, &redirect, &scopes);
    let back = server.decide(&asked.url, &Consent::approve("ada")).await?;
    let of = |name: &str| {
        let found = back.query_pairs().find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned())
    };
    check_issuer(&endpoints, of("iss").as_deref()).map_err(|error| error.to_string())?;
    let code = of("code").ok_or_else(|| back.to_string())?;
    let tokens = endpoint()
        .exchange(
            &endpoints,
            client,
            &code,
            asked.verifier.as_ref(),
            &redirect,
            deadline(),
        )
        .await;
    tokens.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_server_that_is_met_for_the_first_time_gets_a_token_for_itself_alone() {
    let server = server(Discovery::default()).await;
    let found = discover(&server).await.unwrap();
    assert_eq!(found.resource, server.at("/mcp").as_str());
    assert_eq!(registration(&found.server, None), Registration::Dynamic);

    let client = register(&found).await;
    let first = connect(&server, &found, &client, Vec::new()).await.unwrap();
    let endpoints = Endpoints::of_server(&found).unwrap();
    let renewed = endpoint()
        .refresh(&endpoints, &client, &first.secrets, deadline())
        .await
        .unwrap();

    assert_eq!(client.auth, Some(ClientAuth::Basic));
    assert!(server.is_good(renewed.secrets.access_token.as_ref().unwrap()));
    let authorized = endpoint()
        .revoke(&endpoints, &client, &renewed.secrets, deadline())
        .await;
    authorized.unwrap();
    assert!(!server.is_good(renewed.secrets.access_token.as_ref().unwrap()));
    assert_eq!(server.violations(), Vec::<String>::new());
    for seen in server.seen_at("/token") {
        assert_eq!(seen.fields()["resource"], found.resource);
    }
}

#[tokio::test]
async fn metadata_is_looked_for_where_the_challenge_says_then_by_the_path_then_at_the_root() {
    let places = |server: &OAuthProvider| -> Vec<String> {
        let all = server.seen().into_iter().map(|seen| seen.path);
        all.filter(|path| path != "/mcp").collect()
    };
    let cases = [
        (true, true, true, false, vec!["/about-the-resource", "S"]),
        (false, true, true, false, vec!["R/mcp", "S"]),
        (false, false, true, false, vec!["R/mcp", "R", "S"]),
        (false, true, false, true, vec!["R/mcp", "S", "O", "A"]),
        // One of before that metadata is its own authorization server.
        (false, false, false, false, vec!["R/mcp", "R", "S"]),
    ];
    for (in_challenge, at_path, at_root, by_openid, expected) in cases {
        let issuer_path = if by_openid { "/tenant" } else { "" };
        let server = server(Discovery {
            in_challenge,
            at_path,
            at_root,
            issuer_path: issuer_path.to_owned(),
            oauth_metadata: !by_openid,
            openid_metadata: by_openid,
            ..Discovery::default()
        })
        .await;

        discover(&server).await.unwrap();

        let expected: Vec<String> = expected
            .into_iter()
            .map(|place| match place {
                "S" => format!("/.well-known/oauth-authorization-server{issuer_path}"),
                "O" => format!("/.well-known/openid-configuration{issuer_path}"),
                "A" => format!("{issuer_path}/.well-known/openid-configuration"),
                other => other.replace('R', "/.well-known/oauth-protected-resource"),
            })
            .collect();
        assert_eq!(places(&server), expected);
    }
}

#[tokio::test]
async fn what_is_about_somebody_else_is_refused_before_anything_is_sent_there() {
    let default = Discovery::default;
    let cases = [
        (
            Discovery {
                resource: Some("https://other.example/mcp".to_owned()),
                ..default()
            },
            "the server's metadata is about \"https://other.example/mcp\", not about this server",
        ),
        (
            Discovery {
                issuer: Some("https://other.example".to_owned()),
                ..default()
            },
            "is about the issuer \"https://other.example\"",
        ),
        (
            Discovery {
                s256: false,
                ..default()
            },
            "the authorization server does not do PKCE with S256",
        ),
    ];
    for (discovery, expected) in cases {
        let server = server(discovery).await;
        let refused = discover(&server).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        assert_eq!(server.seen_at("/register").len(), 0);
    }

    let of_neighbour = server(Discovery {
        resource_path: "/mcp-of-others".to_owned(),
        ..default()
    })
    .await;
    let refused = discover(&of_neighbour).await;
    assert!(
        matches!(refused, Err(DiscoveryError::OtherResource(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_server_among_several_that_cannot_be_used_is_passed_over() {
    let server = server(Discovery {
        servers_before: vec!["http://127.0.0.1:9/gone".to_owned(), "not a url".to_owned()],
        ..Discovery::default()
    })
    .await;

    let found = discover(&server).await.unwrap();

    assert_eq!(
        found.server.issuer,
        server.url().as_str().trim_end_matches('/')
    );
}

#[tokio::test]
async fn the_answer_of_another_issuer_is_thrown_away_unread() {
    let truth = |says_iss, sends_iss, iss: Option<&str>| Discovery {
        says_iss,
        sends_iss,
        iss: iss.map(str::to_owned),
        ..Discovery::default()
    };
    let cases = [
        (truth(true, true, None), true),
        (truth(false, true, None), true),
        (truth(false, false, None), true),
        (truth(true, false, None), false),
        (truth(true, true, Some("https://evil.example")), false),
        (truth(false, true, Some("https://evil.example")), false),
        // The same address in another spelling is another name.
        (truth(true, true, Some("http://127.0.0.1/")), false),
    ];
    for (discovery, is_believed) in cases {
        let (says, sends) = (discovery.says_iss, discovery.sends_iss);
        let server = server(discovery).await;
        let found = discover(&server).await.unwrap();
        let client = register(&found).await;

        let outcome = connect(&server, &found, &client, Vec::new()).await;

        assert_eq!(outcome.is_ok(), is_believed, "{says} {sends} {outcome:?}");
        let exchanges = server.seen_at("/token").len();
        assert_eq!(exchanges, usize::from(is_believed));
    }
}

#[tokio::test]
async fn scopes_are_those_of_the_challenge_or_all_and_grow_when_more_is_needed() {
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    let with = |challenge: Option<&str>, supported: Option<&str>| Discovery {
        challenge_scope: challenge.map(str::to_owned),
        scopes_supported: supported.map(words),
        ..Discovery::default()
    };

    let both = discover(&server(with(Some("a b"), Some("a b c"))).await)
        .await
        .unwrap();
    let listed = discover(&server(with(None, Some("a b offline_access"))).await)
        .await
        .unwrap();
    let silent = discover(&server(with(None, None)).await).await.unwrap();

    assert_eq!(both.scopes(&[], &[]), words("a b"));
    assert_eq!(listed.scopes(&[], &[]), words("a b offline_access"));
    assert!(silent.scopes(&[], &[]).is_empty());
    assert_eq!(both.scopes(&words("a x"), &words("c a")), words("a x c"));
    assert_eq!(both.scopes(&[], &words("c")), words("a b c"));
    assert_eq!(
        listed.scopes(&words("a"), &words("c")),
        words("a c offline_access")
    );
}

#[tokio::test]
async fn a_document_is_our_name_where_it_can_be_fetched() {
    let server = server(Discovery {
        fetches_clients: true,
        registers: true,
        ..Discovery::default()
    })
    .await;
    let found = discover(&server).await.unwrap();
    let documents = OAuthProvider::start(Profile::mcp()).await;
    let at = documents.at("/oauth/client.json");
    let (home, redirect) = (HOME.parse().unwrap(), REDIRECT.parse().unwrap());
    documents.serve(
        "/oauth/client.json",
        &client_document(&at, NAME, &home, &redirect),
    );
    assert_eq!(
        registration(&found.server, Some(&at)),
        Registration::Document
    );
    let client = OAuthClient {
        client_id: at.to_string(),
        client_secret: None,
        key: None,
        auth: Some(ClientAuth::None),
    };

    let tokens = connect(&server, &found, &client, Vec::new()).await.unwrap();

    assert!(server.is_good(&tokens.secrets.access_token.unwrap()));
    assert_eq!(server.counts().client_documents, 1);
    assert_eq!(server.counts().registrations, 0);
    assert_eq!(server.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_of_before_metadata_is_signed_in_at_where_such_servers_are() {
    let of_before = Discovery {
        in_challenge: false,
        at_path: false,
        oauth_metadata: false,
        says_iss: false,
        sends_iss: false,
        ..Discovery::default()
    };
    let old = server(of_before.clone()).await;
    let found = discover(&old).await.unwrap();
    assert!(found.is_assumed());
    assert_eq!(registration(&found.server, None), Registration::Dynamic);
    let client = register(&found).await;
    let tokens = connect(&old, &found, &client, Vec::new()).await.unwrap();
    assert!(old.is_good(tokens.secrets.access_token.as_ref().unwrap()));
    assert_eq!(old.violations(), Vec::<String>::new());

    // One that names its authorization server is taken at its word.
    let silent = server(Discovery {
        at_path: true,
        ..of_before
    })
    .await;
    let refused = discover(&silent).await;
    assert!(
        matches!(refused, Err(DiscoveryError::NoServer(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_registration_is_ended_with_the_token_that_came_with_it() {
    let server = server(Discovery::default()).await;
    let found = discover(&server).await.unwrap();
    let Registered { client, management } = registered(&found).await;
    let management = management.unwrap();
    let tokens = connect(&server, &found, &client, Vec::new()).await.unwrap();

    // Once, and a second time changes nothing.
    for _ in 0..2 {
        let ended = endpoint().unregister(&management, deadline()).await;
        ended.unwrap();
    }
    assert_eq!(server.counts().unregistrations, 1);
    assert!(!server.is_good(tokens.secrets.access_token.as_ref().unwrap()));
    let again = connect(&server, &found, &client, Vec::new()).await;
    assert_eq!(again.unwrap_err(), "unknown client_id");

    // Its token goes nowhere else, whatever the server says.
    let elsewhere = serde_json::json!({
        "client_id": "x", "token_endpoint_auth_method": "none",
        "registration_client_uri": "http://127.0.0.1:1/register/x",
        "registration_access_token": "secret-rat",
    });
    server.serve("/register", &elsewhere);
    assert!(registered(&found).await.management.is_none());
}

#[tokio::test]
async fn a_server_without_a_way_in_says_so() {
    let closed = server(Discovery {
        registers: false,
        ..Discovery::default()
    })
    .await;
    let found = discover(&closed).await.unwrap();
    assert_eq!(registration(&found.server, None), Registration::ByHand);
    let (home, redirect) = (HOME.parse().unwrap(), REDIRECT.parse().unwrap());
    let refused = endpoint()
        .register(&found.server, NAME, &home, &redirect, deadline())
        .await;
    assert!(
        matches!(refused, Err(TokenError::Refused { .. })),
        "{refused:?}"
    );

    let open = server(Discovery {
        at_path: false,
        ..Discovery::default()
    })
    .await;
    open.serve(
        "/mcp",
        &serde_json::json!({ "jsonrpc": "2.0", "id": 1, "result": {} }),
    );
    assert_eq!(discover(&open).await, Err(DiscoveryError::Open));

    let guarded = oauth::TokenEndpoint::new(
        egress::Client::new(&egress::EgressConfig::default()).unwrap(),
        oauth::Limits::default(),
        std::sync::Arc::new(runtime::SystemClock),
    );
    let refused = guarded
        .discover(&closed.at("/mcp"), deadline())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("egress.allow"), "{refused}");
}
