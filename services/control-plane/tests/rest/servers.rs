//! Accounts at remote MCP servers, which say themselves where one signs in.

use axum::body::Body;
use control_plane::Config;
use domain::{AccountId, ConnectorId, KeyId, TenantId};
use fabric::{AccountLease, Credential, CredentialError, CredentialRequest, Leases};
use http::{HeaderMap, Request, header};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use testkit::oauth::{Auth, Consent, Discovery, OAuthProvider, Profile, Registered, TestKey};
use url::Url;
use uuid::Uuid;

use crate::harness::{Answer, Plane};

const CONNECTIONS: &str = "/tenants/acme/connectors/wiki/connections";
const CALLBACK: &str = "http://127.0.0.1:8000/api/v1/oauth/callback";

/// A tenant with a connector to a server that wants a sign-in.
struct Setting {
    plane: Plane,
    server: OAuthProvider,
    tenant: TenantId,
    connector: ConnectorId,
}

impl Setting {
    async fn new(discovery: Discovery) -> Self {
        let server = OAuthProvider::start(Profile {
            discovery: Some(discovery),
            ..Profile::mcp()
        })
        .await;
        let config = Config {
            public_url: Some("http://127.0.0.1:8000".parse().unwrap()),
            ..Config::default()
        };
        let plane = Plane::configured(storage::testing::sqlite().await, config).await;
        let tenant = plane.tenant("acme").await;
        let body = json!({
            "slug": "wiki", "type": "remote_mcp", "config": { "url": server.at("/mcp") },
        });
        let connector = plane
            .ask("POST", "/tenants/acme/connectors?wait=true", body)
            .await
            .expect(201);
        let id = |value: &Value| -> Uuid { value["id"].as_str().unwrap().parse().unwrap() };
        Self {
            tenant: TenantId::new(id(&tenant)),
            connector: ConnectorId::new(id(&connector)),
            plane,
            server,
        }
    }

    async fn browse(&self, method: &str, at: &str, cookie: &str, form: String) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(at)
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.plane
            .send(request.body(Body::from(form)).unwrap())
            .await
    }

    /// Opens a link and goes on to where the person signs in; gives the browser's cookie, too.
    async fn depart(&self, link: &Value) -> (Answer, String) {
        let link: Url = link["url"].as_str().unwrap().parse().unwrap();
        let page = self.browse("GET", link.path(), "", String::new()).await;
        assert_eq!(page.status.as_u16(), 200, "{}", page.text);
        let cookie = text(&page.headers, "set-cookie");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let token = page.text.split("name=\"token\" value=\"").nth(1).unwrap();
        let token = token.split('"').next().unwrap();
        let form = format!("token={token}");
        let gone = self.browse("POST", link.path(), &cookie, form).await;
        (gone, cookie)
    }

    async fn connect(&self) -> Answer {
        let link = self.plane.ask("POST", CONNECTIONS, Value::Null).await;
        let (gone, cookie) = self.depart(&link.expect(201)).await;
        let to: Url = text(&gone.headers, "location").parse().unwrap();
        let back = self.server.decide(&to, &Consent::approve("ada")).await;
        let back = back.unwrap();
        let at = format!("{}?{}", back.path(), back.query().unwrap_or_default());
        self.browse("GET", &at, &cookie, String::new()).await
    }

    async fn credential(
        &self,
        refused: Option<(AccountId, i64)>,
    ) -> Result<AccountLease, CredentialError> {
        let request = CredentialRequest {
            tenant: self.tenant,
            connector: self.connector,
            key: KeyId::new(Uuid::nil()),
            refused,
            further_scopes: Vec::new(),
            wants_link: true,
            token_kind: None,
        };
        match self.plane.plane.sources().credential(request).await? {
            Credential::Account(lease) => Ok(lease),
            Credential::Own => panic!("there is an account"),
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).map(|value| value.to_str().unwrap());
    value.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_person_connects_to_a_server_that_nobody_registered_at() {
    let at = Setting::new(Discovery::default()).await;

    let done = at.connect().await;

    assert_eq!(done.status.as_u16(), 200, "{}", done.text);
    let first = at.credential(None).await.unwrap();
    assert!(at.server.is_good(first.access_token.expose_secret()));
    at.server.expire_access();
    let refused = Some((first.account, first.generation));
    let second = at.credential(refused).await.unwrap();
    assert!(at.server.is_good(second.access_token.expose_secret()));
    assert_eq!(second.account, first.account);
    for seen in at.server.seen_at("/token") {
        assert_eq!(seen.fields()["resource"], at.server.at("/mcp").as_str());
    }

    // Another account asks for no other registration.
    at.connect().await;
    assert_eq!(at.server.counts().registrations, 1);
    assert_eq!(at.server.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn what_one_issuer_gave_is_never_shown_to_the_next() {
    let at = Setting::new(Discovery::default()).await;
    at.connect().await;
    let first = at.credential(None).await.unwrap();
    at.server.change(|profile| {
        let discovery = profile.discovery.as_mut().unwrap();
        discovery.issuer_path = "/moved".to_owned();
        profile.token_path = "/moved/token".to_owned();
    });

    // Who connects is sent to the new one, and is registered there anew.
    let link = at.plane.ask("POST", CONNECTIONS, Value::Null).await;
    at.depart(&link.expect(201)).await;

    assert_eq!(at.server.counts().registrations, 2);
    let refused = Some((first.account, first.generation));
    let gone = at.credential(refused).await;
    assert!(
        matches!(gone, Err(CredentialError::Missing { .. })),
        "{gone:?}"
    );
    assert_eq!(at.server.seen_at("/moved/token").len(), 0);
}

#[tokio::test]
async fn an_answer_of_another_issuer_connects_nothing_and_shows_nothing() {
    let at = Setting::new(Discovery {
        iss: Some("https://evil.example".to_owned()),
        ..Discovery::default()
    })
    .await;

    let done = at.connect().await;

    assert!(done.status.is_client_error(), "{}", done.text);
    assert_eq!(at.server.seen_at("/token").len(), 0);
}

#[tokio::test]
async fn a_server_that_registers_nobody_takes_the_client_that_an_administrator_registered() {
    let at = Setting::new(Discovery {
        registers: false,
        ..Discovery::default()
    })
    .await;
    let refused = at.plane.ask("POST", CONNECTIONS, Value::Null).await;
    refused.expect_problem(409, "oauth-client-missing");
    let issuer = at.server.url().as_str().trim_end_matches('/').to_owned();
    assert!(
        refused.text.contains(&format!("issuer {issuer}")),
        "{}",
        refused.text
    );

    at.server.change(|profile| {
        let client = Registered::new("by-hand", "secret-by-hand", Auth::Basic, CALLBACK);
        profile.clients.push(client);
    });
    let encoded: String = url::form_urlencoded::byte_serialize(issuer.as_bytes()).collect();
    let path = format!("/tenants/acme/oauth-clients/issuer%20{encoded}");
    let body = json!({ "client_id": "by-hand", "client_secret": "secret-by-hand" });
    let stored = at.plane.ask("PUT", &path, body).await;
    assert!(stored.status.is_success(), "{}", stored.text);

    let done = at.connect().await;
    assert_eq!(done.status.as_u16(), 200, "{}", done.text);
    let lease = at.credential(None).await.unwrap();
    assert!(at.server.is_good(lease.access_token.expose_secret()));
}

#[tokio::test]
async fn a_client_that_was_registered_with_a_key_proves_itself_by_signatures_alone() {
    let at = Setting::new(Discovery {
        registers: false,
        auth_methods: vec!["private_key_jwt".to_owned()],
        ..Discovery::default()
    })
    .await;
    let key = TestKey::p256();
    at.server.change(|profile| {
        let mut client = Registered::new("by-key", "", Auth::PrivateKeyJwt, CALLBACK);
        client.secret = None;
        profile.clients.push(client);
        profile.programs.keys = vec![("by-key".to_owned(), key.clone())];
    });
    let issuer = at.server.url().as_str().trim_end_matches('/').to_owned();
    let encoded: String = url::form_urlencoded::byte_serialize(issuer.as_bytes()).collect();
    let path = format!("/tenants/acme/oauth-clients/issuer%20{encoded}");
    let body = |secret: &str| json!({ "client_id": "by-key", "client_secret": secret });
    let broken = key.pem().replacen('\n', "\nAAAA", 1);
    let refused = at.plane.ask("PUT", &path, body(&broken)).await;
    assert_eq!(refused.fields(), ["client_secret"]);
    let stored = at.plane.ask("PUT", &path, body(&key.pem())).await;
    assert!(stored.status.is_success(), "{}", stored.text);
    assert!(!refused.text.contains("MI") && !stored.text.contains("MI"));

    let done = at.connect().await;

    assert_eq!(done.status.as_u16(), 200, "{}", done.text);
    let first = at.credential(None).await.unwrap();
    at.server.expire_access();
    let refused = Some((first.account, first.generation));
    let second = at.credential(refused).await.unwrap();
    assert!(at.server.is_good(second.access_token.expose_secret()));
    for seen in at.server.seen_at("/token") {
        assert!(seen.fields().contains_key("client_assertion"), "{seen:?}");
        assert!(!seen.body.contains("PRIVATE"), "{seen:?}");
    }
    assert_eq!(at.server.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn the_document_about_us_names_itself_and_where_answers_go() {
    let at = Setting::new(Discovery::default()).await;

    let document = at
        .browse("GET", "/oauth/client.json", "", String::new())
        .await;

    let document = document.expect(200);
    assert_eq!(
        document["client_id"],
        "http://127.0.0.1:8000/oauth/client.json"
    );
    assert_eq!(document["redirect_uris"], json!([CALLBACK]));
    assert_eq!(document["token_endpoint_auth_method"], "none");
}

#[tokio::test]
async fn a_server_that_is_open_takes_no_accounts() {
    let at = Setting::new(Discovery {
        at_path: false,
        ..Discovery::default()
    })
    .await;
    at.server
        .serve("/mcp", &json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));

    let refused = at.plane.ask("POST", CONNECTIONS, Value::Null).await;

    refused.expect_problem(409, "takes-no-accounts");
}
