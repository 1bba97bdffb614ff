//! A remote MCP server that wants a sign-in and says itself where.

use std::time::Duration;

use reqwest::Url;
use serde_json::{Value, json};
use testkit::oauth::{Consent, Discovery, Needed, OAuthProvider, Profile};
use testkit::upstream::Upstream;

use super::Platform;
use super::accounts::Browser;
use crate::harness::{Api, Mcp, eventually};

const MODERN: &str = "2026-07-28";
const CONNECTIONS: &str = "/tenants/acme/connectors/wiki/connections";

/// Connects an account as a person does, who is told the link.
async fn connect(server: &OAuthProvider, api: &Api) {
    let begun = api.post(CONNECTIONS, &json!({})).await.expect(201);
    let link: Url = begun["url"].as_str().unwrap().parse().unwrap();
    follow(server, &link).await;
}

async fn follow(server: &OAuthProvider, link: &Url) {
    let mut browser = Browser::new();
    let page = browser.get(link).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let page = browser.submit(link, &page).await;
    assert_eq!(page.status, 303, "{}", page.text);
    let consent = Consent::approve("ada");
    let back = server.decide(&page.goes_to.unwrap(), &consent).await;
    let page = browser.get(&back.unwrap()).await;
    assert_eq!(page.status, 200, "{}", page.text);
}

/// A server that lets nobody through to `upstream` who has not signed in.
async fn server(upstream: &Upstream, change: impl FnOnce(&mut Discovery)) -> OAuthProvider {
    let mut discovery = Discovery {
        fetches_clients: true,
        forwards_to: Some(upstream.url()),
        ..Discovery::default()
    };
    change(&mut discovery);
    OAuthProvider::start(Profile {
        discovery: Some(discovery),
        ..Profile::mcp()
    })
    .await
}

/// A platform whose tenant `acme` has a connector to the server, and an account there for all, and
/// a key.
async fn connected(server: &OAuthProvider) -> (Platform, String) {
    let platform = Platform::start().await;
    let key = platform.tenant("acme").await;
    let admin = platform.admin();
    let connector = json!({
        "slug": "wiki", "type": "remote_mcp", "config": { "url": server.at("/mcp") },
    });
    let path = "/tenants/acme/connectors?wait=true";
    admin.post(path, &connector).await.expect(201);
    connect(server, &admin).await;
    read_tools(&admin).await;
    (platform, key)
}

async fn read_tools(admin: &Api) {
    let sync = "/tenants/acme/connectors/wiki/tools/sync";
    eventually(Duration::from_secs(10), "the tools are read", async || {
        admin.post(sync, &Value::Null).await;
        let known = admin.get("/tenants/acme/connectors/wiki").await;
        (known.json["sync"]["state"] == "ok").then_some(())
    })
    .await;
}

#[tokio::test]
async fn tools_of_a_server_work_once_somebody_signed_in_there_and_stay_so_when_tokens_end() {
    let upstream = Upstream::modern().await;
    let server = server(&upstream, |_| {}).await;
    let platform = Platform::start().await;
    let key = platform.tenant("acme").await;
    let admin = platform.admin();
    let connector = json!({
        "slug": "wiki", "type": "remote_mcp", "config": { "url": server.at("/mcp") },
    });
    let path = "/tenants/acme/connectors?wait=true";
    let created = admin.post(path, &connector).await.expect(201);
    assert_ne!(created["sync"]["state"], "ok", "{created}");
    assert!(
        upstream.received().is_empty(),
        "nothing passes without a token"
    );

    connect(&server, &admin).await;
    read_tools(&admin).await;
    let mcp = platform.mcp("acme", &key);
    let echo = async |text: &str| -> Value {
        let answer = mcp.call("wiki_echo", json!({ "message": text })).await;
        answer["result"].clone()
    };
    let first = echo("one").await;
    assert!(first["isError"] != json!(true), "{first}");

    // A token that ends is renewed in the middle of a call, once.
    server.expire_access();
    let calls = ["two", "three", "four"].map(&echo);
    for answer in futures(calls).await {
        assert!(answer["isError"] != json!(true), "{answer}");
    }
    assert_eq!(server.counts().refreshed, 1);

    // A grant that ended asks the person again, and the link does it.
    server.revoke_everything();
    let asked = echo("five").await;
    follow(&server, &link_in(&asked)).await;
    eventually(Duration::from_secs(5), "calls work again", async || {
        (echo("six").await["isError"] != json!(true)).then_some(())
    })
    .await;

    let counts = server.counts();
    assert_eq!((counts.registrations, counts.client_documents), (0, 1));
    assert_eq!(server.violations(), Vec::<String>::new());
    assert!(
        !platform.home().log().contains("secret-"),
        "a secret is in the log"
    );
}

/// All of them at once.
async fn futures<F: Future<Output = Value>>(calls: [F; 3]) -> [Value; 3] {
    let [one, two, three] = calls;
    tokio::join!(one, two, three).into()
}

/// A call by a client that opens pages for its user; once more with `answers` to what it was asked.
async fn call_and_open(mcp: &Mcp, tool: &str, answers: Option<Value>) -> Value {
    let mut params = json!({
        "name": tool, "arguments": { "a": 1, "b": 2 },
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "url": {} } },
        },
    });
    if let Some(answers) = answers {
        params["inputResponses"] = answers;
    }
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let headers = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
    ];
    mcp.post(&message, &headers).await.response()["result"].clone()
}

/// What the page behind a link asks the person to grant, and the server then.
async fn asked_for(server: &OAuthProvider, link: &Url, consent: &Consent) -> String {
    let mut browser = Browser::new();
    let page = browser.get(link).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let shown = page.text.clone();
    let page = browser.submit(link, &page).await;
    let authorize = page.goes_to.unwrap();
    let asked = authorize.query_pairs().find(|(name, _)| name == "scope");
    let asked = asked.unwrap().1.into_owned();
    for scope in asked.split(' ') {
        assert!(shown.contains(scope), "{scope} is not shown: {shown}");
    }
    let back = server.decide(&authorize, consent).await;
    let page = browser.get(&back.unwrap()).await;
    assert_eq!(page.status, 200, "{}", page.text);
    asked
}

fn link_in(result: &Value) -> Url {
    assert_eq!(result["isError"], json!(true), "{result}");
    let text = result["content"][0]["text"].as_str().unwrap();
    let mut words = text.split_whitespace();
    let link = words.find(|word| word.contains("/connect/"));
    let link = link.unwrap_or_else(|| panic!("no link in {text}"));
    link.trim_end_matches(['.', ',']).parse().unwrap()
}

#[tokio::test]
async fn a_call_that_needs_more_than_was_granted_asks_for_that_too_and_then_works() {
    let needed = |tool: &str, scope: &str, is_never_enough| Needed {
        tool: tool.to_owned(),
        scopes: vec![scope.to_owned()],
        is_never_enough,
    };
    let upstream = Upstream::modern().await;
    let server = server(&upstream, |discovery| {
        discovery.challenge_scope = Some("read".to_owned());
        discovery.needed_scopes = vec!["read".to_owned()];
        discovery.needed_of_tools = vec![
            needed("add", "write", false),
            needed("slow", "archive", false),
            needed("region", "admin", true),
        ];
    })
    .await;
    let (platform, key) = connected(&server).await;
    let mcp = platform.mcp("acme", &key);
    let echo = mcp.call("wiki_echo", json!({ "message": "hi" })).await;
    assert_ne!(echo["result"]["isError"], json!(true), "{echo}");

    // Of two calls at once each lacks its own.
    let call = async |tool: &str| mcp.call(tool, json!({})).await["result"].clone();
    for _ in 0..10 {
        let (one, other) = tokio::join!(call("wiki_add"), call("wiki_slow"));
        let (one, other) = (one.to_string(), other.to_string());
        assert!(one.contains("not grant write yet"), "{one}");
        assert!(other.contains("not grant archive yet"), "{other}");
    }

    // The same call goes on once the person has agreed to what it lacks, and to what was there.
    let asked = call_and_open(&mcp, "wiki_add", None).await;
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let (question, request) = asked["inputRequests"]
        .as_object()
        .and_then(|requests| requests.iter().next())
        .unwrap();
    let params = &request["params"];
    assert_eq!(params["mode"], "url", "{asked}");
    let message = params["message"].as_str().unwrap();
    assert!(message.contains("write"), "{message}");
    let link: Url = params["url"].as_str().unwrap().parse().unwrap();
    let everything = Consent::approve("ada");
    let scopes = asked_for(&server, &link, &everything).await;
    assert_eq!(sorted(&scopes), ["read", "write"]);
    let accepted = json!({ question.as_str(): { "action": "accept" } });
    let result = call_and_open(&mcp, "wiki_add", Some(accepted)).await;
    assert_eq!(result["content"][0]["text"], "3", "{result}");

    // A client that opens no pages is told the link. A person who grants less than that is asked
    // again at the next call, and no sooner.
    let link = link_in(&call("wiki_slow").await);
    let less = Consent::approve("ada").only(&["read", "write"]);
    let scopes = asked_for(&server, &link, &less).await;
    assert_eq!(sorted(&scopes), ["archive", "read", "write"]);
    let refused = server.counts().resource_refused;
    let link = link_in(&call("wiki_slow").await);
    assert_eq!(server.counts().resource_refused, refused + 1);
    asked_for(&server, &link, &everything).await;
    eventually(Duration::from_secs(5), "the tool works", async || {
        (call("wiki_slow").await["isError"] != json!(true)).then_some(())
    })
    .await;

    // A server that is not content with what it asked for is not asked for more.
    let link = link_in(&call("wiki_region").await);
    asked_for(&server, &link, &everything).await;
    let words = eventually(Duration::from_secs(5), "no link is offered", async || {
        let words = mcp.call("wiki_region", json!({})).await.to_string();
        (!words.contains("/connect/")).then_some(words)
    })
    .await;
    assert!(words.contains("grants admin"), "{words}");
    let refused = server.counts().resource_refused;
    mcp.call("wiki_region", json!({})).await;
    assert_eq!(server.counts().resource_refused, refused + 1);
    let counts = server.counts();
    assert_eq!((counts.exchanges, counts.refreshed), (5, 0), "{counts:?}");
    assert_eq!(server.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_tool_list_that_needs_more_than_was_granted_does_not_end_the_account() {
    let upstream = Upstream::modern().await;
    let server = server(&upstream, |_| {}).await;
    let (platform, key) = connected(&server).await;
    server.change(|profile| {
        let discovery = profile.discovery.as_mut().unwrap();
        discovery.needed_scopes = vec!["list".to_owned()];
    });

    let admin = platform.admin();
    let sync = "/tenants/acme/connectors/wiki/tools/sync";
    // More often than a token is renewed that is refused.
    for _ in 0..3 {
        admin.post(sync, &Value::Null).await;
        let failed = eventually(Duration::from_secs(10), "it says why", async || {
            let known = admin.get("/tenants/acme/connectors/wiki").await.json;
            (known["sync"]["state"] == "failed").then_some(known)
        })
        .await;
        let why = failed["sync"]["error"].to_string();
        assert!(why.contains("grants list"), "{why}");
    }
    let accounts = admin.get("/tenants/acme/connectors/wiki/accounts").await;
    assert_eq!(accounts.json["accounts"][0]["state"], "connected");
    assert_eq!(server.counts().refreshed, 0);
    let mcp = platform.mcp("acme", &key);
    let asked = mcp.call("wiki_echo", json!({ "message": "hi" })).await;
    link_in(&asked["result"]);
}

#[tokio::test]
async fn what_was_registered_at_a_server_is_ended_there_with_the_last_connector() {
    let upstream = Upstream::modern().await;
    let server = server(&upstream, |discovery| discovery.fetches_clients = false).await;
    let (platform, _) = connected(&server).await;
    assert_eq!(server.counts().registrations, 1);
    let admin = platform.admin();
    let other = json!({
        "slug": "other", "type": "remote_mcp", "config": { "url": server.at("/mcp") },
    });
    admin
        .post("/tenants/acme/connectors", &other)
        .await
        .expect(201);

    admin
        .delete("/tenants/acme/connectors/wiki")
        .await
        .expect(204);
    eventually(
        Duration::from_secs(10),
        "its tokens are revoked",
        async || (server.counts().revocations > 0).then_some(()),
    )
    .await;
    assert_eq!(server.counts().unregistrations, 0, "another needs it");
    admin
        .delete("/tenants/acme/connectors/other")
        .await
        .expect(204);
    eventually(Duration::from_secs(10), "the client is gone", async || {
        (server.counts().unregistrations == 1).then_some(())
    })
    .await;
    let left = admin.get("/tenants/acme/oauth-clients").await.json;
    assert_eq!(left["clients"], json!([]), "{left}");
    assert_eq!(server.violations(), Vec::<String>::new());
}

fn sorted(scopes: &str) -> Vec<&str> {
    let mut scopes: Vec<&str> = scopes.split(' ').collect();
    scopes.sort_unstable();
    scopes
}
