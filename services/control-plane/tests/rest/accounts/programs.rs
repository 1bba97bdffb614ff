//! Programs that sign in by themselves.

use std::time::Duration;

use control_plane::{Config, OAuthConfig};
use domain::{AccountMethod, KeyId, TenantId};
use fabric::{AccountLease, Credential, CredentialError, CredentialRequest, Leases};
use futures_util::future::join_all;
use runtime::{IdGen, TimeOrderedIds};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use testkit::oauth::{Auth, Discovery, Fault, OAuthProvider, Profile, Registered, TestKey};

use super::rig::CONNECTOR;
use crate::harness::{Answer, Plane};

const NONE: Value = Value::Null;
const CALLERS: usize = 100;
const ROBOT: &str = "robot@project.iam.gserviceaccount.com";
const SECRET: &str = "secret-of-client";
/// What no answer may hold.
const SECRETS: [&str; 3] = ["secret-", "MII", "eyJ"];

/// A control-plane whose providers are all one fake.
struct Desk {
    plane: Plane,
    provider: OAuthProvider,
    tenant: TenantId,
    admin: String,
}

/// One kind of sign-in.
struct Case {
    r#type: &'static str,
    method: AccountMethod,
    profile: Profile,
    sign_in: Value,
    variables: Value,
    /// Of the connector, where it has one of its own.
    base_url: Option<&'static str>,
    subject: &'static str,
    /// Has the provider take the sign-in no more, and then what takes its place.
    ends: fn(&mut Profile),
    instead: Value,
}

fn known(auth: Auth) -> Profile {
    let client = Registered::new("client-1", SECRET, auth, "https://unused.example");
    Profile::standard(client)
}

/// The key file of a service account.
fn key_file(key: &TestKey) -> String {
    let file = json!({
        "type": "service_account",
        "private_key_id": "key-1",
        "private_key": key.pem(),
        "client_email": ROBOT,
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    file.to_string()
}

fn new_secret(profile: &mut Profile) {
    profile.clients[0].secret = Some("secret-that-is-new".to_owned());
}

fn with(of: &Value, name: &str, value: &str) -> Value {
    let mut changed = of.clone();
    changed[name] = json!(value);
    changed
}

fn microsoft() -> Case {
    let mut profile = known(Auth::Post);
    profile.token_path = "/contoso.onmicrosoft.com/oauth2/v2.0/token".to_owned();
    let scope = "https://graph.microsoft.com/.default".to_owned();
    profile.programs.clients = vec![("client-1".to_owned(), Some(scope))];
    let sign_in = json!({
        "kind": "client_credentials", "client_id": "client-1", "client_secret": SECRET,
    });
    Case {
        r#type: "teams",
        method: AccountMethod::ClientCredentials,
        profile,
        instead: with(&sign_in, "client_secret", "secret-that-is-new"),
        sign_in,
        variables: json!({"tenant": "contoso.onmicrosoft.com"}),
        base_url: None,
        subject: "client-1",
        ends: new_secret,
    }
}

fn google() -> Case {
    let mut profile = known(Auth::Post);
    profile.programs.audience = Some("https://oauth2.googleapis.com/token".to_owned());
    let delegated = vec!["ada@example.com".to_owned()];
    profile.programs.service_accounts = vec![(ROBOT.to_owned(), TestKey::rsa(), delegated)];
    let sign_in = json!({
        "kind": "jwt_bearer",
        "service_account": key_file(&TestKey::rsa()),
        "subject": "ada@example.com",
    });
    Case {
        r#type: "gmail",
        method: AccountMethod::JwtBearer,
        profile,
        instead: with(
            &sign_in,
            "service_account",
            &key_file(&TestKey::another_rsa()),
        ),
        sign_in,
        variables: json!({}),
        base_url: None,
        subject: "ada@example.com (by robot@project.iam.gserviceaccount.com)",
        ends: |profile| profile.programs.service_accounts[0].1 = TestKey::another_rsa(),
    }
}

fn zoom() -> Case {
    let mut profile = known(Auth::Basic);
    profile.token_path = "/oauth/token".to_owned();
    profile.programs.accounts = vec![("client-1".to_owned(), "account-1".to_owned())];
    let sign_in = json!({
        "kind": "account_credentials",
        "client_id": "client-1",
        "client_secret": SECRET,
        "account_id": "account-1",
    });
    Case {
        r#type: "zoom",
        method: AccountMethod::AccountCredentials,
        profile,
        instead: with(&sign_in, "client_secret", "secret-that-is-new"),
        sign_in,
        variables: json!({}),
        base_url: None,
        subject: "account account-1",
        ends: new_secret,
    }
}

fn github(base_url: Option<&'static str>) -> Case {
    let mut profile = known(Auth::Post);
    let installations = vec!["77".to_owned()];
    profile.programs.apps = vec![("Iv23App".to_owned(), TestKey::rsa(), installations)];
    if base_url.is_some() {
        profile.programs.api_path = "/api/v3".to_owned();
    }
    let sign_in = json!({
        "kind": "app_installation",
        "client_id": "Iv23App",
        "private_key": TestKey::rsa().pkcs1_pem(),
        "installation_id": "77",
    });
    Case {
        r#type: "github",
        method: AccountMethod::AppInstallation,
        profile,
        instead: with(&sign_in, "private_key", &TestKey::another_rsa().pem()),
        sign_in,
        variables: json!({}),
        base_url,
        subject: "installation 77",
        ends: |profile| profile.programs.apps[0].1 = TestKey::another_rsa(),
    }
}

impl Desk {
    async fn new(profile: Profile) -> Self {
        let provider = OAuthProvider::start(profile).await;
        let origins = [
            "https://login.microsoftonline.com",
            "https://oauth2.googleapis.com",
            "https://zoom.us",
            "https://api.github.com",
            "https://ghes.example.com",
        ];
        let origins = origins.map(|origin| (origin.to_owned(), provider.url()));
        let config = Config {
            oauth: OAuthConfig {
                origins: origins.into(),
                ..OAuthConfig::default()
            },
            ..Config::default()
        };
        let plane = Plane::with_builtin_catalog(config).await;
        let tenant = plane.tenant("acme").await;
        Self {
            tenant: tenant["id"].as_str().unwrap().parse().unwrap(),
            admin: plane.key("tenant_admin", "acme").await,
            provider,
            plane,
        }
    }

    async fn connector(&self, body: Value) -> Value {
        let made = self.plane.ask("POST", "/tenants/acme/connectors", body);
        made.await.expect(201)
    }

    async fn of(case: &Case) -> (Self, Value) {
        let desk = Self::new(case.profile.clone()).await;
        let mut body = json!({"slug": "c", "type": case.r#type});
        if let Some(base_url) = case.base_url {
            body["config"] = json!({ "base_url": base_url });
        }
        let connector = desk.connector(body).await;
        (desk, connector)
    }

    async fn create(&self, body: Value) -> Answer {
        let path = format!("{CONNECTOR}/accounts");
        self.silent(self.plane.ask_as(&self.admin, "POST", &path, body).await)
    }

    async fn change(&self, account: &Value, body: Value) -> Answer {
        let path = format!("{CONNECTOR}/accounts/{}", account["id"].as_str().unwrap());
        self.silent(self.plane.ask_as(&self.admin, "PATCH", &path, body).await)
    }

    async fn read(&self, account: &Value) -> Value {
        let path = format!("{CONNECTOR}/accounts/{}", account["id"].as_str().unwrap());
        let read = self.plane.ask_as(&self.admin, "GET", &path, NONE).await;
        self.silent(read).expect(200)
    }

    /// An answer with no secret in it.
    #[track_caller]
    fn silent(&self, answer: Answer) -> Answer {
        for secret in SECRETS {
            assert!(!answer.text.contains(secret), "{secret}: {}", answer.text);
        }
        answer
    }

    /// What a worker gets for a call.
    async fn credential(&self, connector: &Value) -> Result<AccountLease, CredentialError> {
        let request = CredentialRequest {
            tenant: self.tenant,
            connector: connector["id"].as_str().unwrap().parse().unwrap(),
            key: KeyId::new(TimeOrderedIds.next()),
            refused: None,
            further_scopes: Vec::new(),
            token_kind: None,
            wants_link: true,
        };
        match self.plane.plane.sources().credential(request).await? {
            Credential::Account(lease) => Ok(lease),
            Credential::Own => panic!("there is an account"),
        }
    }

    /// Until all tokens that there are have ended.
    fn pass(&self) {
        let time = Duration::from_secs(2 * 3600);
        self.plane.clock.advance(time);
        self.provider.advance(time);
    }
}

/// The whole life of an account of a program.
async fn lives(case: Case) {
    let of = case.r#type;
    let (desk, connector) = Desk::of(&case).await;
    let body = json!({"name": "app", "sign_in": case.sign_in, "variables": case.variables});

    let made = desk.create(body).await.expect(201);

    assert_eq!(made["method"], case.method.as_str(), "{of}");
    assert_eq!(made["subject"], case.subject, "{of}");
    assert_eq!(made["state"], "connected", "{of}");
    assert_eq!(desk.read(&made).await, made, "{of}");
    let first = desk.credential(&connector).await.unwrap();
    assert_eq!((first.generation, first.method), (1, case.method), "{of}");
    assert!(desk.provider.is_good(first.access_token.expose_secret()));
    assert_eq!(desk.provider.counts().minted, 1, "{of}");

    desk.pass();
    let callers = (0..CALLERS).map(|_| desk.credential(&connector));
    let leases = join_all(callers).await;
    let tokens: std::collections::HashSet<String> = leases
        .into_iter()
        .map(|lease| lease.unwrap())
        .inspect(|lease| assert_eq!(lease.generation, 2, "{of}"))
        .map(|lease| lease.access_token.expose_secret().to_owned())
        .collect();
    assert_eq!(tokens.len(), 1, "{of}");
    assert!(tokens.iter().all(|token| desk.provider.is_good(token)));
    assert_eq!(desk.provider.counts().minted, 2, "{of}");

    desk.pass();
    desk.provider.fail_next(Fault::Status(503, None));
    let away = desk.credential(&connector).await.unwrap_err();
    assert!(matches!(away, CredentialError::Provider(_)), "{of}: {away}");
    assert_eq!(desk.read(&made).await["state"], "connected", "{of}");

    desk.provider.change(case.ends);
    // What failed stands for a moment.
    let over = loop {
        match desk.credential(&connector).await.unwrap_err() {
            CredentialError::Provider(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            other => break other,
        }
    };
    let CredentialError::Missing { message, .. } = &over else {
        panic!("{of}: {over}");
    };
    assert!(message.contains("needs another secret or key"), "{message}");
    assert!(
        SECRETS.iter().all(|secret| !message.contains(secret)),
        "{message}"
    );
    let ended = desk.read(&made).await;
    assert_eq!(ended["state"], "needs_reauth", "{of}");

    let refused = desk.change(&made, json!({"sign_in": case.sign_in})).await;
    refused.expect_problem(400, "invalid-request");
    assert_eq!(refused.fields(), ["sign_in"], "{of}");
    let changed = desk.change(&made, json!({"sign_in": case.instead})).await;
    assert_eq!(changed.expect(200)["state"], "connected", "{of}");
    let last = desk.credential(&connector).await.unwrap();
    assert!(desk.provider.is_good(last.access_token.expose_secret()));
    assert_eq!(last.account.to_string(), made["id"].as_str().unwrap());

    let path = format!("{CONNECTOR}/accounts/{}", made["id"].as_str().unwrap());
    let gone = desk.plane.ask_as(&desk.admin, "DELETE", &path, NONE).await;
    assert_eq!(gone.expect(200)["provider"], "not_ours", "{of}");
}

#[tokio::test]
async fn an_app_of_microsoft_signs_in_by_itself_and_once_for_a_hundred_callers() {
    lives(microsoft()).await;
}

#[tokio::test]
async fn a_service_account_of_google_signs_in_by_itself_and_once_for_a_hundred_callers() {
    lives(google()).await;
}

#[tokio::test]
async fn a_server_to_server_app_of_zoom_signs_in_by_itself_and_once_for_a_hundred_callers() {
    lives(zoom()).await;
}

#[tokio::test]
async fn an_installed_app_of_github_signs_in_by_itself_and_once_for_a_hundred_callers() {
    lives(github(None)).await;
    lives(github(Some("https://ghes.example.com/api/v3"))).await;
}

#[tokio::test]
async fn a_program_signs_in_at_the_authorization_server_of_a_remote_mcp_server() {
    let key = TestKey::p256();
    for by_key in [false, true] {
        let mut profile = known(match by_key {
            true => Auth::PrivateKeyJwt,
            false => Auth::Basic,
        });
        let way = match by_key {
            true => "private_key_jwt",
            false => "client_secret_basic",
        };
        profile.discovery = Some(Discovery {
            auth_methods: vec![way.to_owned()],
            registers: false,
            ..Discovery::default()
        });
        profile.programs.clients = vec![("client-1".to_owned(), None)];
        profile.programs.keys = vec![("client-1".to_owned(), key.clone())];
        let desk = Desk::new(profile).await;
        let config = json!({"url": desk.provider.at("/mcp")});
        let body = json!({"slug": "c", "type": "remote_mcp", "config": config});
        let connector = desk.connector(body).await;
        let mut sign_in = json!({
            "kind": "client_credentials", "client_id": "client-1", "scopes": ["tools"],
        });
        match by_key {
            true => sign_in["private_key"] = json!(key.pem()),
            false => sign_in["client_secret"] = json!(SECRET),
        }

        let made = desk
            .create(json!({"name": "app", "sign_in": sign_in}))
            .await;

        assert_eq!(made.expect(201)["scopes"], json!(["tools"]));
        let first = desk.credential(&connector).await.unwrap();
        desk.pass();
        let second = desk.credential(&connector).await.unwrap();
        assert_ne!(first.generation, second.generation);
        assert!(desk.provider.is_good(second.access_token.expose_secret()));
        assert_eq!(desk.provider.counts().minted, 2);
        assert_eq!(desk.provider.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_a_program_has_is_refused_by_its_field_where_it_is_not_as_it_must_be() {
    let (microsoft, google, zoom, github) = (microsoft(), google(), zoom(), github(None));
    let short = TestKey::short_rsa().pem();
    let thief = key_file(&TestKey::rsa()).replace("oauth2.googleapis.com", "thief.example");
    let other_kind = key_file(&TestKey::rsa()).replace("\"service_account\"", "\"other\"");
    let ec = TestKey::p256().pem();
    let without = |of: &Value, name: &str| {
        let mut changed = of.clone();
        changed.as_object_mut().unwrap().remove(name);
        changed
    };
    let wrong: [(&Case, Value, &str); 17] = [
        (&microsoft, json!({"kind": "token"}), "sign_in.kind"),
        (
            &microsoft,
            without(&microsoft.sign_in, "client_id"),
            "sign_in.client_id",
        ),
        (
            &microsoft,
            without(&microsoft.sign_in, "client_secret"),
            "sign_in.client_secret",
        ),
        (
            &microsoft,
            with(&microsoft.sign_in, "private_key", &ec),
            "sign_in.client_secret",
        ),
        (
            &microsoft,
            with(&microsoft.sign_in, "account_id", "1"),
            "sign_in.account_id",
        ),
        (
            &google,
            with(&google.sign_in, "service_account", "secret-no-json"),
            "sign_in.service_account",
        ),
        (
            &google,
            with(&google.sign_in, "service_account", &thief),
            "sign_in.service_account",
        ),
        (
            &google,
            with(&google.sign_in, "service_account", &other_kind),
            "sign_in.service_account",
        ),
        (
            &google,
            with(&google.sign_in, "subject", "nobody"),
            "sign_in.subject",
        ),
        (
            &google,
            without(&google.sign_in, "service_account"),
            "sign_in.service_account",
        ),
        (
            &zoom,
            without(&zoom.sign_in, "account_id"),
            "sign_in.account_id",
        ),
        (
            &zoom,
            with(&zoom.sign_in, "client_secret", "secret-\nbroken"),
            "sign_in.client_secret",
        ),
        (
            &github,
            with(&github.sign_in, "installation_id", "../x"),
            "sign_in.installation_id",
        ),
        (
            &github,
            with(&github.sign_in, "private_key", "secret-no-key"),
            "sign_in.private_key",
        ),
        (
            &github,
            with(&github.sign_in, "private_key", &short),
            "sign_in.private_key",
        ),
        (
            &github,
            with(&github.sign_in, "private_key", &ec),
            "sign_in.private_key",
        ),
        (
            &github,
            with(&github.sign_in, "client_secret", "secret-1"),
            "sign_in.client_secret",
        ),
    ];
    for case in [&microsoft, &google, &zoom, &github] {
        let (desk, _) = Desk::of(case).await;
        for (_, sign_in, field) in wrong.iter().filter(|(of, ..)| of.r#type == case.r#type) {
            let body = json!({"name": "x", "sign_in": sign_in, "variables": case.variables});
            let refused = desk.create(body).await;
            refused.expect_problem(400, "invalid-request");
            assert_eq!(refused.fields(), [*field], "{}", refused.text);
        }
        let token_too = json!({"name": "x", "sign_in": case.sign_in, "token": "t"});
        assert_eq!(desk.create(token_too).await.fields(), ["token"]);
        let elsewhere = json!({
            "name": "x", "sign_in": case.sign_in, "variables": {"moon": "1", "tenant": "t"},
        });
        assert_eq!(desk.create(elsewhere).await.fields(), ["variables"]);
        let user = desk.plane.key("tenant_user", "acme").await;
        let body = json!({"name": "x", "sign_in": case.sign_in, "variables": case.variables});
        let path = format!("{CONNECTOR}/accounts");
        let tried = desk.plane.ask_as(&user, "POST", &path, body.clone()).await;
        tried.expect_problem(403, "forbidden");
        assert_eq!(desk.provider.counts().minted, 0);

        // A provider that takes nothing of it, and one that is not there.
        desk.provider.change(case.ends);
        let refused = desk.create(body.clone()).await;
        assert_eq!(refused.fields(), ["sign_in"], "{}", refused.text);
        desk.provider.away(true);
        let away = desk.create(body).await;
        away.expect_problem(502, "provider-failed");
        let list = desk.plane.ask_as(&desk.admin, "GET", &path, NONE).await;
        assert_eq!(list.expect(200)["accounts"], json!([]));
    }
    let (desk, _) = Desk::of(&microsoft).await;
    let nowhere = json!({"name": "x", "sign_in": microsoft.sign_in});
    let refused = desk.create(nowhere).await;
    assert_eq!(refused.fields(), ["variables"], "{}", refused.text);
    let of_another_type = json!({"name": "x", "sign_in": zoom.sign_in});
    let refused = desk.create(of_another_type).await;
    refused.expect_problem(409, "takes-no-accounts");
}
