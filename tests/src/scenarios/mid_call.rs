//! Calls that are made with accounts: each key with its own, and one that is connected while the
//! call waits for it.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::{Client, Response, Url};
use serde_json::{Value, json};
use testkit::oauth::{Auth, Consent, OAuthProvider, Profile, Registered};

use super::Platform;
use crate::harness::Mcp;
use crate::scenarios::accounts::Browser;

const SECRET: &str = "secret-of-client";
const TOOL: &str = "gitlab_list_projects";
const PATH: &str = "/api/v4/projects";
const LIMIT: Duration = Duration::from_secs(30);
const LEGACY: &str = "2025-11-25";

/// A client of 2025-11-25 that opens pages for its user.
struct Opens {
    http: Client,
    mcp: Mcp,
    session: String,
}

/// The stream of a call that is not over.
struct Answering {
    response: Response,
    text: String,
}

impl Opens {
    async fn open(mcp: Mcp) -> Self {
        let mut client = Self {
            http: Client::new(),
            mcp,
            session: String::new(),
        };
        let begun = client
            .post(&json!({
                "jsonrpc": "2.0", "id": 0, "method": "initialize",
                "params": {
                    "protocolVersion": LEGACY,
                    "capabilities": { "elicitation": { "url": {} } },
                    "clientInfo": { "name": "scenario", "version": "1" },
                },
            }))
            .await;
        let session = begun.headers()["mcp-session-id"].to_str().unwrap();
        client.session = session.to_owned();
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(client.post(&ready).await.status(), 202);
        client
    }

    async fn post(&self, message: &Value) -> Response {
        let mut request = self
            .http
            .post(&self.mcp.url)
            .bearer_auth(&self.mcp.key)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", LEGACY);
        if !self.session.is_empty() {
            request = request.header("mcp-session-id", &self.session);
        }
        request.json(message).send().await.unwrap()
    }

    async fn call(&self) -> Answering {
        let message = json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": { "name": TOOL, "arguments": {} },
        });
        Answering {
            response: self.post(&message).await,
            text: String::new(),
        }
    }
}

impl Answering {
    /// The next message.
    async fn next(&mut self) -> Value {
        let next = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let data: String = event
                        .lines()
                        .filter_map(|line| line.strip_prefix("data:"))
                        .collect();
                    self.text = rest.to_owned();
                    if let Ok(message) = serde_json::from_str(&data) {
                        return message;
                    }
                    continue;
                }
                let chunk = self.response.chunk().await.unwrap();
                let chunk = chunk.expect("the call has not ended");
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        tokio::time::timeout(LIMIT, next).await.unwrap()
    }
}

/// Does what a person does who is given a link.
pub(super) async fn follow(provider: &OAuthProvider, link: &str, who: &str) {
    let link: Url = link.parse().unwrap();
    let mut browser = Browser::new();
    let callback = link.join("/api/v1/oauth/callback").unwrap();
    // Each control-plane of a cluster has an address of its own here.
    provider.change(|profile| {
        let known = &mut profile.clients[0].redirect_uris;
        known.push(callback.to_string());
    });
    let page = browser.get(&link).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let page = browser.submit(&link, &page).await;
    assert_eq!(page.status, 303, "{}", page.text);
    let consent = Consent::approve(who);
    let back = provider.decide(&page.goes_to.unwrap(), &consent).await;
    let page = browser.get(&back.unwrap()).await;
    assert_eq!(page.status, 200, "{}", page.text);
}

/// The link in the words of an error result.
fn link_in(result: &Value) -> String {
    assert_eq!(result["isError"], true, "{result}");
    let text = result["content"][0]["text"].as_str().unwrap();
    let (_, rest) = text.split_once("Open ").unwrap();
    rest.split_once(' ').unwrap().0.to_owned()
}

/// Whose tokens the tool's requests carried so far.
fn tokens(provider: &OAuthProvider) -> Vec<String> {
    let seen = provider.seen_at(PATH).into_iter();
    seen.map(|seen| seen.header("authorization").to_owned())
        .collect()
}

async fn start() -> (OAuthProvider, Platform) {
    let client = Registered::new("client-1", SECRET, Auth::Post, "");
    let provider = OAuthProvider::start(Profile {
        resource_body: "[]".to_owned(),
        ..Profile::gitlab(client)
    })
    .await;
    let at = provider.url();
    let at = at.as_str().trim_end_matches('/');
    let platform = Platform::start_with_origins(&[("https://gitlab.com", at)]).await;
    let cli = platform.cli().with_env("CLIENT_SECRET", SECRET);
    let set = ["oauth", "clients", "set", "gitlab", "--client-id"];
    let secret = ["client-1", "--secret-from-env", "CLIENT_SECRET"];
    cli.json(&[&set[..], &secret[..]].concat()).await;
    (provider, platform)
}

#[tokio::test]
async fn keys_call_with_accounts_of_their_own_and_a_missing_one_is_connected_in_mid_call() {
    let (provider, platform) = start().await;
    let ada = platform.tenant("acme").await;
    let connector = json!({ "slug": "gitlab", "type": "gitlab" });
    platform.connector("acme", &connector).await;

    // A client that opens pages: the same call goes on when the person is done.
    let opens = Opens::open(platform.mcp("acme", &ada)).await;
    let mut call = opens.call().await;
    let asked = call.next().await;
    assert_eq!(asked["method"], "elicitation/create", "{asked}");
    assert_eq!(asked["params"]["mode"], "url");
    assert!(tokens(&provider).is_empty());
    let accepted = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "action": "accept" } });
    assert_eq!(opens.post(&accepted).await.status(), 202);
    follow(&provider, asked["params"]["url"].as_str().unwrap(), "ada").await;
    let mut told = call.next().await;
    if told.get("method").is_some() {
        assert_eq!(told["method"], "notifications/elicitation/complete");
        let page = &told["params"]["elicitationId"];
        assert_eq!(*page, asked["params"]["elicitationId"]);
        told = call.next().await;
    }
    assert_eq!(told["result"]["isError"], false, "{told}");

    // One that does not is told the link, and calls again.
    let ben = platform.key("acme", "tenant_user").await;
    let plain = platform.mcp("acme", &ben);
    let refused = plain.call(TOOL, json!({})).await;
    follow(&provider, &link_in(&refused["result"]), "ben").await;
    let result = plain.call(TOOL, json!({})).await;
    assert_eq!(result["result"]["isError"], false, "{result}");

    // A key without an account of its own takes the tenant's.
    let eve = platform.key("acme", "tenant_user").await;
    let connections = "/tenants/acme/connectors/gitlab/connections";
    let begun = platform.admin().post(connections, &json!({})).await;
    let begun = begun.expect(201);
    follow(&provider, begun["url"].as_str().unwrap(), "team").await;
    for key in [&eve, &ada, &ben, &eve] {
        let result = platform.mcp("acme", key).call(TOOL, json!({})).await;
        assert_eq!(result["result"]["isError"], false, "{result}");
    }

    let tokens = tokens(&provider);
    let [
        first_ada,
        first_ben,
        first_eve,
        second_ada,
        second_ben,
        second_eve,
    ] = tokens.as_slice()
    else {
        panic!("{tokens:?}");
    };
    assert_eq!(first_ada, second_ada);
    assert_eq!(first_ben, second_ben);
    assert_eq!(first_eve, second_eve);
    assert_eq!(tokens.iter().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(provider.counts().resource_refused, 0);
    assert_eq!(provider.violations(), Vec::<String>::new());
}
