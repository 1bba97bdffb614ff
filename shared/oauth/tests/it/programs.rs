//! Programs that sign in by themselves, at a provider that believes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::Catalog;
use catalog::closed::AuthKind;
use oauth::{
    ClientAuth, ClientSettings, Discovered, Endpoints, Grant, KeyError, OAuthClient, Origins,
    PemKey, Program, Proof, ServiceAccount, ServiceAccountError, SigningAlgorithm, SigningKey,
    TokenError, Tokens,
};
use serde_json::json;
use testkit::oauth::{
    Auth, Discovery, Fault, OAuthProvider, Profile, Programs, Registered, TestKey,
};
use url::Url;

use crate::support::{SECRET, deadline, endpoint};

const ROBOT: &str = "robot@project.iam.gserviceaccount.com";
const GRAPH: &str = "https://graph.microsoft.com/.default";

/// One manifest's program against a provider that stands for all its origins.
struct Asking {
    provider: OAuthProvider,
    connector: &'static str,
    program: Program,
}

impl Asking {
    async fn of(connector: &'static str, grant: Grant, profile: Profile) -> Self {
        let provider = OAuthProvider::start(profile).await;
        let program = Program {
            grant,
            settings: ClientSettings::default(),
            scopes: Vec::new(),
        };
        Self {
            provider,
            connector,
            program,
        }
    }

    fn endpoints(&self, program: &Program) -> Endpoints {
        let manifest = Catalog::builtin().connector(self.connector).unwrap();
        let method = program.grant.method();
        let mut ways = manifest.auth.methods.iter();
        let way = ways.find(|way| Some(way.kind) == AuthKind::of_account(method));
        let token_url = way.unwrap().token_url.as_deref();
        let origins = [
            "https://login.microsoftonline.com",
            "https://oauth2.googleapis.com",
            "https://accounts.google.com",
            "https://zoom.us",
            "https://api.github.com",
            "https://ghes.example.com",
        ];
        let origins: BTreeMap<String, Url> = origins
            .into_iter()
            .map(|origin| (origin.to_owned(), self.provider.url()))
            .collect();
        let origins = Origins::new(&origins).unwrap();
        let oauth2 = manifest.auth.oauth2.as_ref().unwrap();
        Endpoints::of_program(oauth2, token_url, program, &origins).unwrap()
    }

    async fn mint(&self, needed: &[&str]) -> Result<Tokens, TokenError> {
        let needed: Vec<String> = needed.iter().map(|scope| (*scope).to_owned()).collect();
        // As it is stored in between.
        let program = Program::read(&self.program.written().unwrap()).unwrap();
        endpoint()
            .mint(&self.endpoints(&program), &program, &needed, deadline())
            .await
    }

    /// Asks with something else, and tells how that is refused, and that it is not repeated.
    async fn refused(&self, grant: Grant, secret: &str) -> TokenError {
        let asking = Program {
            grant,
            ..self.program.clone()
        };
        let (endpoints, needed) = (self.endpoints(&asking), ["a".to_owned()]);
        let minted = endpoint()
            .mint(&endpoints, &asking, &needed, deadline())
            .await;
        let error = minted.unwrap_err();
        assert!(!error.to_string().contains(secret), "{error}");
        error
    }
}

fn key(key: &TestKey) -> PemKey {
    PemKey {
        pem: key.pem(),
        key_id: Some("key-1".to_owned()),
    }
}

fn known(auth: Auth) -> Profile {
    let mut client = Registered::new("client-1", SECRET, auth, "https://unused.example");
    if auth == Auth::PrivateKeyJwt {
        client.secret = None;
    }
    Profile::standard(client)
}

fn is_void(error: &TokenError) -> bool {
    matches!(error, TokenError::InvalidGrant { .. })
}

#[tokio::test]
async fn a_client_of_microsoft_gets_its_own_tokens_by_its_secret_or_its_key() {
    let mut profile = known(Auth::Post);
    profile.token_path = "/contoso/oauth2/v2.0/token".to_owned();
    profile.programs = Programs {
        audience: Some("https://login.microsoftonline.com/contoso/oauth2/v2.0/token".to_owned()),
        clients: vec![("client-1".to_owned(), Some(GRAPH.to_owned()))],
        keys: vec![("client-1".to_owned(), TestKey::rsa())],
        ..Programs::default()
    };
    let by = |proof| Grant::ClientCredentials {
        client_id: "client-1".to_owned(),
        proof,
    };
    let secret = Proof::Secret(SECRET.to_owned());
    let mut asking = Asking::of("teams", by(secret), profile).await;
    let variables = &mut asking.program.settings.variables;
    variables.insert("tenant".to_owned(), "contoso".to_owned());

    let first = asking.mint(&[GRAPH]).await.unwrap();
    let wrong = asking
        .refused(by(Proof::Secret("secret-wrong-one".to_owned())), "secret-")
        .await;
    asking
        .provider
        .change(|profile| profile.clients[0].auth = Auth::PrivateKeyJwt);
    asking.program.grant = by(Proof::Key(key(&TestKey::rsa())));
    let second = asking.mint(&[GRAPH]).await.unwrap();
    let certified = TestKey::rsa().certified();
    asking.program.grant = by(Proof::Key(key(&certified)));
    asking
        .provider
        .change(|profile| profile.programs.keys[0].1 = certified);
    let third = asking.mint(&[GRAPH]).await.unwrap();
    let others = by(Proof::Key(key(&TestKey::another_rsa())));
    let foreign = asking.refused(others, "eyJ").await;

    assert!(is_void(&wrong) && is_void(&foreign), "{wrong} {foreign}");
    for tokens in [first, second, third] {
        assert_eq!(tokens.expires_in, Some(Duration::from_secs(3600)));
        assert_eq!(tokens.scopes, Vec::<String>::new());
        assert_eq!(tokens.secrets.refresh_token, None);
        let token = tokens.secrets.access_token.unwrap();
        assert!(asking.provider.is_good(&token));
    }
    assert_eq!(asking.provider.counts().minted, 3);
    // The one that the key of another signed.
    assert_eq!(asking.provider.violations().len(), 1);
}

fn google(acts_for: &[&str]) -> Profile {
    let mut profile = known(Auth::Post);
    profile.programs = Programs {
        audience: Some("https://oauth2.googleapis.com/token".to_owned()),
        service_accounts: vec![(
            ROBOT.to_owned(),
            TestKey::rsa(),
            acts_for.iter().map(|person| (*person).to_owned()).collect(),
        )],
        ..Programs::default()
    };
    profile
}

#[tokio::test]
async fn a_service_account_gets_tokens_for_itself_and_for_whom_it_may_act() {
    let by = |test_key: &TestKey, subject: Option<&str>| Grant::JwtBearer {
        issuer: ROBOT.to_owned(),
        key: key(test_key),
        subject: subject.map(str::to_owned),
    };
    let rsa = TestKey::rsa();
    let mut asking = Asking::of("gmail", by(&rsa, None), google(&["ada@example.com"])).await;
    let scope = "https://www.googleapis.com/auth/gmail.modify";

    let own = asking.mint(&[scope]).await.unwrap();
    asking.program.grant = by(&rsa, Some("ada@example.com"));
    let for_ada = asking.mint(&[scope]).await.unwrap();
    let not_delegated = asking
        .refused(by(&rsa, Some("bob@example.com")), "eyJ")
        .await;
    let foreign = asking
        .refused(by(&TestKey::another_rsa(), None), "eyJ")
        .await;

    // What the answer does not tell is what was asked for.
    assert_eq!(own.scopes, [scope]);
    assert_eq!(for_ada.scopes, [scope]);
    assert!(is_void(&foreign), "{foreign}");
    // That can be mended at the provider.
    let TokenError::Refused { code, .. } = not_delegated else {
        panic!("{not_delegated}");
    };
    assert_eq!(code, "unauthorized_client");
    assert_eq!(asking.provider.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_to_server_app_of_zoom_gets_the_tokens_of_its_account() {
    let by = |secret: &str| Grant::AccountCredentials {
        client_id: "client-1".to_owned(),
        client_secret: secret.to_owned(),
        account_id: "account-1".to_owned(),
    };
    let mut profile = known(Auth::Basic);
    profile.token_path = "/oauth/token".to_owned();
    profile.programs.accounts = vec![("client-1".to_owned(), "account-1".to_owned())];
    let asking = Asking::of("zoom", by(SECRET), profile).await;

    let tokens = asking.mint(&[]).await.unwrap();
    let wrong = asking.refused(by("secret-wrong-one"), "secret-").await;

    assert!(is_void(&wrong), "{wrong}");
    assert_eq!(tokens.scopes, ["meeting:read:meeting:admin"]);
    assert_eq!(asking.provider.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn an_app_gets_the_tokens_of_its_installation_also_of_an_enterprise_server() {
    let by = |test_key: &TestKey, installation: &str| Grant::AppInstallation {
        app_id: "Iv23liApp".to_owned(),
        key: PemKey {
            pem: test_key.pkcs1_pem(),
            key_id: None,
        },
        installation_id: installation.to_owned(),
    };
    let rsa = TestKey::rsa();
    let mut profile = known(Auth::Post);
    profile.programs.apps = vec![("Iv23liApp".to_owned(), rsa.clone(), vec!["77".to_owned()])];
    let mut asking = Asking::of("github", by(&rsa, "77"), profile).await;

    let tokens = asking.mint(&[]).await.unwrap();
    let gone = asking.refused(by(&rsa, "78"), "eyJ").await;
    let foreign = asking
        .refused(by(&TestKey::another_rsa(), "77"), "eyJ")
        .await;
    asking
        .provider
        .change(|profile| profile.programs.api_path = "/api/v3".to_owned());
    let variables = &mut asking.program.settings.variables;
    variables.insert("api".to_owned(), "ghes.example.com/api/v3".to_owned());
    let enterprise = asking.mint(&[]).await.unwrap();
    asking.provider.fail_next(Fault::Status(503, None));
    let away = asking.mint(&[]).await.unwrap_err();

    for tokens in [tokens, enterprise] {
        let lasts = tokens.expires_in.unwrap().as_secs();
        assert!((3590..=3600).contains(&lasts), "{lasts}");
        assert!(
            asking
                .provider
                .is_good(&tokens.secrets.access_token.unwrap())
        );
    }
    assert!(is_void(&gone) && is_void(&foreign), "{gone} {foreign}");
    assert!(matches!(away, TokenError::Later { .. }), "{away}");
    assert_eq!(asking.provider.violations(), Vec::<String>::new());
}

/// An MCP server whose clients have tokens of their own.
async fn found(auth: Auth) -> (OAuthProvider, Discovered) {
    let word = match auth {
        Auth::PrivateKeyJwt => "private_key_jwt",
        _ => "client_secret_basic",
    };
    let mut profile = known(auth);
    profile.discovery = Some(Discovery {
        auth_methods: vec![word.to_owned()],
        registers: false,
        ..Discovery::default()
    });
    profile.programs.clients = vec![("client-1".to_owned(), None)];
    let provider = OAuthProvider::start(profile).await;
    let found = endpoint().discover(&provider.at("/mcp"), deadline()).await;
    (provider, found.unwrap())
}

#[tokio::test]
async fn a_client_of_an_mcp_servers_authorization_server_gets_its_own_tokens() {
    let key = TestKey::p256();
    for (auth, secret, way) in [
        (Auth::Basic, Some(SECRET.into()), None),
        (Auth::PrivateKeyJwt, None, Some(ClientAuth::PrivateKeyJwt)),
    ] {
        let (provider, found) = found(auth).await;
        let test_key = key.clone();
        provider.change(|profile| {
            profile.programs.keys = vec![("client-1".to_owned(), test_key)];
        });
        let signing = SigningKey::of_pem(&key.pem(), None).unwrap();
        assert_eq!(signing.algorithm(), SigningAlgorithm::Es256);
        let client = OAuthClient {
            client_id: "client-1".to_owned(),
            client_secret: secret,
            key: way.map(|_| signing),
            auth: way,
        };
        let endpoints = Endpoints::of_server(&found).unwrap();
        let scopes = ["tools".to_owned()];

        let tokens = endpoint()
            .client_credentials(&endpoints, &client, &scopes, deadline())
            .await
            .unwrap();

        assert_eq!(tokens.scopes, scopes);
        assert!(provider.is_good(&tokens.secrets.access_token.unwrap()));
        assert_eq!(provider.violations(), Vec::<String>::new());
    }
}

#[test]
fn what_is_no_key_is_told_apart_and_not_repeated() {
    let rsa = TestKey::rsa();
    let whole = rsa.pem();
    let several = format!("{whole}{}", rsa.pkcs1_pem());
    let cut = whole.replacen("\n", "\nAAAA", 1);
    let encrypted = whole.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let public = whole.replace("PRIVATE KEY", "PUBLIC KEY");
    let sec1 = whole.replace("PRIVATE KEY", "EC PRIVATE KEY");
    let short = TestKey::short_rsa().pem();
    // Ed25519, of RFC 8410.
    let other = "-----BEGIN PRIVATE KEY-----\n\
                 MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                 -----END PRIVATE KEY-----\n";
    for (pem, expected) in [
        ("", KeyError::NoKey),
        ("secret-of-somebody", KeyError::NoKey),
        (&whole[..400], KeyError::NoKey),
        (&several, KeyError::Several),
        (&cut, KeyError::Damaged),
        (&encrypted, KeyError::Encrypted),
        (&public, KeyError::Public),
        (&sec1, KeyError::Sec1),
        (&short, KeyError::Length),
        (other, KeyError::Algorithm),
    ] {
        let error = SigningKey::of_pem(pem, None).unwrap_err();
        assert_eq!(error, expected, "{error}");
    }
    for pem in [whole, rsa.pkcs1_pem()] {
        let key = SigningKey::of_pem(&pem, None).unwrap();
        assert_eq!(key.algorithm(), SigningAlgorithm::Rs256);
        assert_eq!(format!("{key:?}"), "SigningKey { algorithm: Rs256, .. }");
    }
}

#[test]
fn the_key_file_of_a_service_account_is_read_whole_and_sends_its_key_nowhere_else() {
    let token_url = "https://oauth2.googleapis.com/token";
    let file = json!({
        "type": "service_account",
        "private_key_id": "key-1",
        "private_key": TestKey::rsa().pem(),
        "client_email": ROBOT,
        "token_uri": token_url,
    });
    let read = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut changed = file.clone();
        change(&mut changed);
        ServiceAccount::of_file(&changed.to_string(), token_url)
    };

    let whole = read(&|_| {}).unwrap();
    assert_eq!(whole.email, ROBOT);
    assert_eq!(whole.key.key_id.as_deref(), Some("key-1"));

    let refused = |change: &dyn Fn(&mut serde_json::Value)| read(change).unwrap_err();
    for member in ["client_email", "private_key", "type"] {
        let error = refused(&|file| drop(file.as_object_mut().unwrap().remove(member)));
        assert_eq!(error, ServiceAccountError::Member(member));
    }
    let error = refused(&|file| file["type"] = json!("authorized_user"));
    assert_eq!(error, ServiceAccountError::Kind);
    let error = refused(&|file| file["token_uri"] = json!("https://thief.example/token"));
    assert!(matches!(error, ServiceAccountError::TokenUri(_)), "{error}");
    let error = refused(&|file| file["private_key"] = json!("secret-of-somebody"));
    assert_eq!(error, ServiceAccountError::Key(KeyError::NoKey));
    assert!(!error.to_string().contains("secret-of"), "{error}");
    let error = refused(&|file| file["private_key"] = json!(TestKey::p256().pem()));
    assert_eq!(error, ServiceAccountError::Algorithm);
    let error = ServiceAccount::of_file("[]", token_url).unwrap_err();
    assert_eq!(error, ServiceAccountError::NoJson);
}
