//! A remote MCP server that wants a sign-in and says itself where.

use std::time::Duration;

use reqwest::Url;
use serde_json::{Value, json};
use testkit::oauth::{Consent, Discovery, OAuthProvider, Profile};
use testkit::upstream::Upstream;

use super::Platform;
use super::accounts::Browser;
use crate::harness::{Api, eventually};

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

#[tokio::test]
async fn tools_of_a_server_work_once_somebody_signed_in_there_and_stay_so_when_tokens_end() {
    let upstream = Upstream::modern().await;
    let server = OAuthProvider::start(Profile {
        discovery: Some(Discovery {
            fetches_clients: true,
            forwards_to: Some(upstream.url()),
            ..Discovery::default()
        }),
        ..Profile::mcp()
    })
    .await;
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
    let sync = "/tenants/acme/connectors/wiki/tools/sync";
    eventually(Duration::from_secs(10), "the tools are read", async || {
        admin.post(sync, &Value::Null).await;
        let known = admin.get("/tenants/acme/connectors/wiki").await;
        (known.json["sync"]["state"] == "ok").then_some(())
    })
    .await;
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
    assert_eq!(asked["isError"], json!(true), "{asked}");
    let text = asked["content"][0]["text"].as_str().unwrap();
    let mut words = text.split_whitespace();
    let link = words.find(|word| word.contains("/connect/"));
    let link = link.unwrap_or_else(|| panic!("no link in {text}"));
    let link: Url = link.trim_end_matches(['.', ',']).parse().unwrap();
    follow(&server, &link).await;
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
