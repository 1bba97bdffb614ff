//! A person connects an account in a browser, and tools work with it.

use std::time::Duration;

use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde_json::{Value, json};
use testkit::oauth::{Auth, Consent, OAuthProvider, Profile, Registered};

use super::Platform;
use crate::harness::{Home, eventually};

const SECRET: &str = "secret-of-client";

/// A browser without scripts, with the one cookie that it is given.
pub(super) struct Browser {
    http: Client,
    cookie: Option<String>,
}

pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) goes_to: Option<Url>,
    pub(super) text: String,
}

impl Browser {
    pub(super) fn new() -> Self {
        let http = Client::builder().redirect(Policy::none()).build();
        Self {
            http: http.unwrap(),
            cookie: None,
        }
    }

    pub(super) async fn get(&mut self, url: &Url) -> Page {
        self.send(self.http.get(url.clone())).await
    }

    /// Sends the one form of a page.
    pub(super) async fn submit(&mut self, at: &Url, page: &Page) -> Page {
        let (_, rest) = page.text.split_once("name=\"token\" value=\"").unwrap();
        let token = rest.split('"').next().unwrap().to_owned();
        let request = self.http.post(at.clone());
        let request = request
            .header(ORIGIN, at.origin().ascii_serialization())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={token}"));
        self.send(request).await
    }

    async fn send(&mut self, mut request: reqwest::RequestBuilder) -> Page {
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let response = request.send().await.unwrap();
        let field = |name| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        if let Some(set) = field(SET_COOKIE) {
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        Page {
            status: response.status(),
            goes_to: field(LOCATION).map(|to| to.parse().unwrap()),
            text: response.text().await.unwrap(),
        }
    }
}

/// A platform that takes the fake provider for GitLab: where people sign in, and where calls go.
async fn platform(provider: &OAuthProvider) -> Platform {
    let home = Home::new();
    let config = home.path().join("turnbuckle.toml");
    let at = provider.url();
    let origins = format!("\"https://gitlab.com\" = \"{at}\"\n");
    let text = format!("[worker.origins]\n{origins}[control_plane.oauth.origins]\n{origins}");
    std::fs::write(&config, text).unwrap();
    let platform = home
        .with_env("TURNBUCKLE_CONFIG", config.to_str().unwrap())
        .start()
        .await;
    let callback = format!("{}/api/v1/oauth/callback", platform.url());
    provider.change(|profile| profile.clients[0].redirect_uris = vec![callback]);
    platform
}

async fn provider() -> OAuthProvider {
    let client = Registered::new("client-1", SECRET, Auth::Post, "");
    OAuthProvider::start(Profile {
        resource_body: "[]".to_owned(),
        ..Profile::gitlab(client)
    })
    .await
}

#[tokio::test]
async fn a_person_connects_an_account_and_a_tool_works_with_it() {
    let provider = provider().await;
    let platform = platform(&provider).await;
    let key = platform.tenant("acme").await;
    let cli = platform.cli().with_env("CLIENT_SECRET", SECRET);
    let set = [
        "oauth",
        "clients",
        "set",
        "gitlab",
        "--client-id",
        "client-1",
    ];
    let set = cli
        .json(&[&set[..], &["--secret-from-env", "CLIENT_SECRET"]].concat())
        .await;
    let callback = format!("{}/api/v1/oauth/callback", platform.url());
    assert_eq!(set["redirect_uri"], callback);
    let connector = json!({"slug": "gitlab", "type": "gitlab"});
    platform.connector("acme", &connector).await;
    let mcp = platform.mcp("acme", &key);
    let list = async || {
        let answer = mcp.call("gitlab_list_projects", json!({})).await;
        answer["result"].clone()
    };
    // A link in place of a result, in whichever form the client takes it.
    let asks = |answer: &Value| answer.to_string().contains("/connect/");
    let before = list().await;
    assert!(asks(&before), "{before}");
    assert_eq!(provider.counts().resource_ok, 0);

    let user = platform.cli().with_env("TURNBUCKLE_API_KEY", &key);
    let begun = user
        .json(&["oauth", "authorize", "gitlab", "--no-wait"])
        .await;
    let link: Url = begun["url"].as_str().unwrap().parse().unwrap();
    let mut browser = Browser::new();
    let page = browser.get(&link).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(
        page.text.contains(begun["code"].as_str().unwrap()),
        "{}",
        page.text
    );
    let page = browser.submit(&link, &page).await;
    assert_eq!(page.status, 303, "{}", page.text);
    let consent = Consent::approve("ada");
    let back = provider.decide(&page.goes_to.unwrap(), &consent).await;
    let back = back.unwrap();
    // Somebody who has the provider's answer, and not the browser.
    let stolen = Browser::new().get(&back).await;
    assert_eq!(stolen.status, 403, "{}", stolen.text);
    let page = browser.get(&back).await;
    assert_eq!(page.status, 200, "{}", page.text);

    let after = eventually(Duration::from_secs(5), "the tool works", async || {
        let answer = list().await;
        let works = !asks(&answer) && answer["isError"] != json!(true);
        works.then_some(answer)
    })
    .await;
    assert!(!after.to_string().contains("secret-"), "{after}");
    assert!(provider.counts().resource_ok >= 1);
    assert_eq!(provider.violations(), Vec::<String>::new());

    let status = user.json(&["oauth", "status", "gitlab"]).await;
    let account = status["accounts"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(status["accounts"][0]["state"], "connected");
    let ended = user.json(&["oauth", "revoke", "gitlab", &account]).await;
    assert_eq!(ended["provider"], "revoked");
    let granted = provider.counts().resource_ok;
    eventually(
        Duration::from_secs(5),
        "the tool works no more",
        async || (list().await["isError"] == json!(true)).then_some(()),
    )
    .await;
    let log = platform.home().log();
    for secret in ["secret-", link.path()] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    assert!(provider.counts().resource_ok <= granted + 1);
}
