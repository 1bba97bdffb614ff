//! A control-plane, a provider that people sign in at, and their browsers.

use std::sync::Mutex;

use axum::body::Body;
use control_plane::{Config, OAuthConfig};
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use testkit::oauth::{Auth, Consent, OAuthProvider, Profile, Registered};
use url::Url;

use crate::harness::Plane;

pub(super) const PUBLIC_URL: &str = "https://tools.example.com";
pub(super) const CALLBACK: &str = "https://tools.example.com/api/v1/oauth/callback";
/// The connector of every test here.
pub(super) const CONNECTOR: &str = "/tenants/acme/connectors/c";

pub(super) struct Rig {
    pub(super) plane: Plane,
    pub(super) provider: OAuthProvider,
    /// A tenant_admin's and a tenant_user's key.
    pub(super) admin: String,
    pub(super) user: String,
}

/// What a browser shows.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

/// A browser, which keeps the one cookie that it is given.
#[derive(Default)]
pub(super) struct Browser {
    cookie: Mutex<Option<String>>,
}

impl Rig {
    /// With a connector of this type, whose provider is the fake one. The operator has a client.
    pub(super) async fn new(r#type: &str) -> Self {
        let client = |auth| Registered::new("client-1", "secret-of-client", auth, CALLBACK);
        let (profile, origins) = match r#type {
            "gitlab" => (
                Profile::gitlab(client(Auth::Post)),
                vec!["https://gitlab.com"],
            ),
            "slack" => (
                Profile::slack(client(Auth::Basic)),
                vec!["https://slack.com"],
            ),
            "jira" => (
                Profile::atlassian(client(Auth::Post)),
                vec!["https://auth.atlassian.com", "https://api.atlassian.com"],
            ),
            other => panic!("no profile of {other}"),
        };
        let provider = OAuthProvider::start(profile).await;
        let origins = origins
            .into_iter()
            .map(|origin| (origin.to_owned(), provider.url()));
        let config = Config {
            public_url: Some(PUBLIC_URL.parse().unwrap()),
            oauth: OAuthConfig {
                origins: origins.collect(),
                ..OAuthConfig::default()
            },
            ..Config::default()
        };
        let plane = Plane::with_builtin_catalog(config).await;
        plane.tenant("acme").await;
        let path = format!("/oauth-clients/{type}");
        let body = json!({"client_id": "client-1", "client_secret": "secret-of-client"});
        plane.ask("PUT", &path, body).await.expect(200);
        let body = json!({"slug": "c", "type": r#type});
        plane
            .ask("POST", "/tenants/acme/connectors", body)
            .await
            .expect(201);
        Self {
            admin: plane.key("tenant_admin", "acme").await,
            user: plane.key("tenant_user", "acme").await,
            provider,
            plane,
        }
    }

    /// A connection under way: its document, and the path of its link.
    pub(super) async fn begin(&self, key: &str, body: Value) -> (Value, String) {
        let path = format!("{CONNECTOR}/connections");
        let begun = self
            .plane
            .ask_as(key, "POST", &path, body)
            .await
            .expect(201);
        let link = begun["url"].as_str().unwrap();
        let path = link.strip_prefix(PUBLIC_URL).unwrap().to_owned();
        (begun, path)
    }

    /// From the link to the provider.
    pub(super) async fn depart(&self, browser: &Browser, link: &str) -> Url {
        let page = browser.get(&self.plane, link).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let form = [("token", page.hidden("token"))];
        let page = browser.post(&self.plane, link, &form).await;
        assert_eq!(page.status, 303, "{}", page.text);
        page.header("location").parse().unwrap()
    }

    /// From the provider back, by what a person decides there: the path of the callback.
    pub(super) async fn decide(&self, at_provider: &Url, consent: &Consent) -> String {
        let back = self.provider.decide(at_provider, consent).await.unwrap();
        let path = back.as_str().strip_prefix(PUBLIC_URL);
        path.unwrap().to_owned()
    }

    /// All of it, up to the callback.
    pub(super) async fn answered(&self, browser: &Browser, key: &str, body: Value) -> String {
        let (_, link) = self.begin(key, body).await;
        let at_provider = self.depart(browser, &link).await;
        self.decide(&at_provider, &Consent::approve("ada")).await
    }

    /// All of it; the accounts that there are then.
    pub(super) async fn connect(&self, key: &str, body: Value) -> Vec<Value> {
        let browser = Browser::default();
        let callback = self.answered(&browser, key, body).await;
        let page = browser.get(&self.plane, &callback).await;
        assert_eq!(page.status, 200, "{}", page.text);
        self.accounts(key).await
    }

    pub(super) async fn accounts(&self, key: &str) -> Vec<Value> {
        let path = format!("{CONNECTOR}/accounts");
        let list = self
            .plane
            .ask_as(key, "GET", &path, Value::Null)
            .await
            .expect(200);
        list["accounts"].as_array().unwrap().clone()
    }

    pub(super) async fn status(&self, key: &str, connection: &Value) -> Value {
        let path = format!(
            "{CONNECTOR}/connections/{}",
            connection["id"].as_str().unwrap()
        );
        self.plane
            .ask_as(key, "GET", &path, Value::Null)
            .await
            .expect(200)
    }

    /// Switches all tools off but these.
    pub(super) async fn enable_only(&self, tools: &[&str]) {
        let path = format!("{CONNECTOR}/tools/disable-all");
        self.plane.ask("POST", &path, Value::Null).await.expect(200);
        for tool in tools {
            let path = format!("{CONNECTOR}/tools/{tool}");
            let body = json!({"enabled": true});
            self.plane.ask("PATCH", &path, body).await.expect(200);
        }
    }
}

impl Browser {
    pub(super) async fn get(&self, plane: &Plane, path: &str) -> Page {
        self.send(plane, Request::get(path), Body::empty()).await
    }

    pub(super) async fn post(&self, plane: &Plane, path: &str, form: &[(&str, String)]) -> Page {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", PUBLIC_URL);
        self.send(plane, request, Body::from(body.finish())).await
    }

    async fn send(&self, plane: &Plane, mut request: http::request::Builder, body: Body) -> Page {
        if let Some(cookie) = &*self.cookie.lock().unwrap() {
            request = request.header("cookie", cookie);
        }
        let answer = plane.send(request.body(body).unwrap()).await;
        if let Some(set) = answer.header("set-cookie") {
            let (pair, attributes) = set.split_once(';').unwrap();
            assert!(pair.starts_with("__Host-"), "{set}");
            for attribute in ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"] {
                assert!(
                    attributes.split("; ").any(|a| a.trim() == attribute),
                    "{set}"
                );
            }
            *self.cookie.lock().unwrap() = Some(pair.to_owned());
        }
        Page {
            status: answer.status,
            headers: answer.headers,
            text: answer.text,
        }
    }
}

impl Page {
    /// The value of a hidden field.
    pub(super) fn hidden(&self, name: &str) -> String {
        let begin = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&begin).expect(&self.text);
        rest.split('"').next().unwrap().to_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// A page that goes nowhere, with no secret in it.
    #[track_caller]
    pub(super) fn refuses(&self, status: u16, words: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert!(self.text.contains(words), "{}", self.text);
        assert!(!self.text.contains("secret-"), "{}", self.text);
        assert!(!self.text.contains("<form"), "{}", self.text);
        assert!(
            self.header("content-security-policy")
                .contains("form-action 'none'")
        );
        assert_eq!(self.header("cache-control"), "no-store");
    }
}
