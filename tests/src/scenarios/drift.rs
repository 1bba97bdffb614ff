//! Upstreams that describe their tools otherwise than before: nobody gets such a tool unseen, and
//! nobody has to ask for the news.

use std::time::Duration;

use serde_json::{Value, json};

use super::Platform;
use crate::harness::{Api, Mcp, NodeServer, eventually, node_script};

const BEFORE: &str = "Pays a bill.";
const AFTER: &str = "Pays a bill, and sends a copy away.";
const CONNECTOR: &str = "/tenants/acme/connectors/till";
/// Far below the time between two readings that nobody causes, which is ten minutes.
const SOON: Duration = Duration::from_secs(30);

/// A platform in front of a server that changes its mind.
struct Till {
    server: NodeServer,
    platform: Platform,
    mcp: Mcp,
}

impl Till {
    async fn open(era: &str, on_change: Option<&str>) -> Self {
        let server = NodeServer::start("clients", "turning-server.mjs", &[era]).await;
        let platform = Platform::start().await;
        let key = platform.tenant("acme").await;
        let mut connector = json!({
            "slug": "till", "type": "remote_mcp", "config": { "url": server.url },
        });
        if let Some(rule) = on_change {
            connector["on_change"] = json!(rule);
        }
        platform.connector("acme", &connector).await;
        let mcp = platform.mcp("acme", &key);
        Self {
            server,
            platform,
            mcp,
        }
    }

    /// Has the server describe its tool otherwise, and tell of it or not.
    async fn turn(&self, description: &str, tell: bool) {
        let (base, _) = self.server.url.rsplit_once('/').unwrap();
        let to = description.replace(' ', "%20");
        let told = if tell { "&tell" } else { "" };
        let path = format!("/turn?to={to}{told}");
        Api::new(base.to_owned(), None).get(&path).await.expect(204);
    }

    async fn read_tools(&self) -> Value {
        let path = format!("{CONNECTOR}/tools/sync");
        let admin = self.platform.admin();
        admin.post(&path, &Value::Null).await.expect(200)
    }

    /// Its state for the operator: `state`, `description`.
    async fn tool(&self) -> (Value, Value) {
        let path = format!("{CONNECTOR}/tools/pay");
        let mut tool = self.platform.admin().get(&path).await.expect(200);
        (tool["state"].take(), tool["description"].take())
    }

    /// What a client is told of the tool; nothing when it is not offered.
    async fn offered(&self) -> Option<Value> {
        let listed = self.mcp.modern("tools/list", json!({})).await.response();
        let tools = listed["result"]["tools"].as_array().unwrap();
        assert!(tools.len() <= 1, "{listed}");
        tools.first().map(|tool| tool["description"].clone())
    }

    async fn pay(&self) -> Value {
        self.mcp.call("till_pay", json!({ "bill": "7" })).await
    }

    async fn is_held(&self) {
        assert_eq!(self.offered().await, None);
        let refused = self.pay().await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
    }

    async fn is_served_as(&self, description: &str) {
        assert_eq!(self.offered().await, Some(json!(description)));
        let paid = self.pay().await;
        assert_eq!(paid["result"]["content"][0]["text"], "paid", "{paid}");
    }
}

#[tokio::test]
async fn a_changed_tool_is_held_until_somebody_saw_the_difference_and_approved() {
    let till = Till::open("legacy", None).await;
    till.is_served_as(BEFORE).await;

    till.turn(AFTER, false).await;
    let connector = till.read_tools().await;

    assert_eq!(
        connector["sync"]["changed"],
        json!({ "count": 1, "names": ["pay"] })
    );
    till.is_held().await;
    let path = format!("{CONNECTOR}/tools/pay/changes");
    let changes = till.platform.admin().get(&path).await.expect(200);
    assert_eq!(
        changes["diff"],
        json!([{ "path": "/description", "before": BEFORE, "after": AFTER }])
    );
    let (hash, pending) = (&changes["hash"], &changes["pending_hash"]);
    let (hash, pending) = (hash.as_str().unwrap(), pending.as_str().unwrap());

    let cli = till.platform.cli();
    let waiting = cli.table(&["tool", "changes", "acme", "till"]).await;
    assert!(
        waiting.contains("pay") && waiting.contains(pending),
        "{waiting}"
    );
    let shown = cli.table(&["tool", "changes", "acme", "till", "pay"]).await;
    for line in [format!("- {BEFORE:?}"), format!("+ {AFTER:?}")] {
        assert!(shown.contains(&line), "{shown}");
    }

    // What somebody saw is no longer what would be approved.
    let approve = ["tool", "approve", "acme", "till", "pay", "--hash"];
    cli.run(&[&approve[..], &[hash]].concat()).await.expect(3);
    till.is_held().await;
    cli.run(&[&approve[..], &[pending]].concat())
        .await
        .expect(0);

    till.is_served_as(AFTER).await;
    assert_eq!(till.tool().await.0, "approved");
}

#[tokio::test]
async fn a_server_that_goes_back_to_what_was_needs_no_approval() {
    let till = Till::open("modern", Some("hold")).await;
    till.turn(AFTER, false).await;
    till.read_tools().await;
    till.is_held().await;

    till.turn(BEFORE, false).await;
    let connector = till.read_tools().await;

    assert_eq!(connector["sync"]["changed"]["count"], 0);
    till.is_served_as(BEFORE).await;
}

#[tokio::test]
async fn a_changed_tool_is_served_and_marked_or_just_served_where_the_connector_says_so() {
    for (rule, state, waiting) in [("warn", "changed", 1), ("accept", "approved", 0)] {
        let till = Till::open("legacy", Some(rule)).await;

        till.turn(AFTER, false).await;
        let connector = till.read_tools().await;

        assert_eq!(connector["sync"]["changed"]["count"], waiting, "{rule}");
        assert_eq!(till.tool().await, (json!(state), json!(AFTER)), "{rule}");
        till.is_served_as(AFTER).await;
    }

    // Marked until somebody has seen it.
    let till = Till::open("legacy", Some("warn")).await;
    till.turn(AFTER, false).await;
    till.read_tools().await;
    let cli = till.platform.cli();
    cli.run(&["tool", "approve", "acme", "till", "--all"])
        .await
        .expect(0);
    assert_eq!(till.tool().await, (json!("approved"), json!(AFTER)));
}

/// Has a server that was called some time ago say that its tools have changed.
async fn is_heard_without_a_listener(era: &str) {
    let till = Till::open(era, None).await;
    till.is_served_as(BEFORE).await;

    till.turn(AFTER, true).await;

    eventually(SOON, "the change is known", async || {
        till.offered().await.is_none().then_some(())
    })
    .await;
    till.platform.settled().await;
    till.is_held().await;
    assert_eq!(till.tool().await.0, "held");
}

#[tokio::test]
async fn the_word_of_a_legacy_server_is_enough() {
    is_heard_without_a_listener("legacy").await;
}

#[tokio::test]
async fn the_word_of_a_modern_server_is_enough() {
    is_heard_without_a_listener("modern").await;
}

#[tokio::test]
async fn the_word_of_a_hosted_server_is_enough_while_it_runs() {
    let platform = Platform::start().await;
    let key = platform.tenant("acme").await;
    let script = node_script("clients", "turning-server.mjs");
    let connector = json!({
        "slug": "till", "type": "hosted_mcp", "config": { "command": ["node", script, "stdio"] },
    });
    platform.connector("acme", &connector).await;
    let mcp = platform.mcp("acme", &key);

    let paid = mcp.call("till_pay", json!({ "turn": AFTER })).await;
    assert_eq!(paid["result"]["content"][0]["text"], "paid", "{paid}");

    eventually(SOON, "the change is known", async || {
        mcp.tools().await.is_empty().then_some(())
    })
    .await;
    platform.settled().await;
    let path = format!("{CONNECTOR}/tools/pay/changes");
    let changes = platform.admin().get(&path).await.expect(200);
    assert_eq!(changes["diff"][0]["after"], AFTER);
    let path = format!("{CONNECTOR}/tools/approve-all");
    platform.admin().post(&path, &Value::Null).await.expect(200);
    let paid = mcp.call("till_pay", json!({})).await;
    assert_eq!(paid["result"]["content"][0]["text"], "paid", "{paid}");
}

/// Has a server that was never called tell it to a client that listens.
async fn reaches_who_listens(era: &str) {
    let till = Till::open(era, None).await;
    let mut listening = Listening::open(&till.mcp).await;
    let accepted = listening.next().await;
    assert_eq!(
        accepted["method"], "notifications/subscriptions/acknowledged",
        "{accepted}"
    );

    // The upstream is listened to only after the client was accepted, so it may miss the first.
    let turned = async {
        eventually(SOON, "the change is known", async || {
            till.turn(AFTER, true).await;
            till.offered().await.is_none().then_some(())
        })
        .await;
    };
    let told = async {
        loop {
            let message = listening.next().await;
            assert_eq!(
                message["method"], "notifications/tools/list_changed",
                "{message}"
            );
            // It is also told once when the upstream begins to be listened to.
            if till.offered().await.is_none() {
                return;
            }
        }
    };
    tokio::join!(turned, async {
        tokio::time::timeout(SOON, told).await.expect("it is told");
    });
    till.platform.settled().await;
    till.is_held().await;
}

#[tokio::test]
async fn who_listens_hears_of_a_change_of_a_legacy_server() {
    reaches_who_listens("legacy").await;
}

#[tokio::test]
async fn who_listens_hears_of_a_change_of_a_modern_server() {
    reaches_who_listens("modern").await;
}

/// A `subscriptions/listen` for changes of tools.
struct Listening {
    response: reqwest::Response,
    text: String,
}

impl Listening {
    async fn open(mcp: &Mcp) -> Self {
        let message = json!({
            "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen",
            "params": {
                "notifications": { "toolsListChanged": true },
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        });
        let response = reqwest::Client::new()
            .post(&mcp.url)
            .bearer_auth(&mcp.key)
            .header("accept", "text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "subscriptions/listen")
            .json(&message)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), 200);
        Self {
            response,
            text: String::new(),
        }
    }

    /// The next message; comments between are skipped.
    async fn next(&mut self) -> Value {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data:"));
                let message = data.map(|data| serde_json::from_str(data).unwrap());
                self.text = rest.to_owned();
                match message {
                    Some(message) => return message,
                    None => continue,
                }
            }
            let chunk = self.response.chunk().await.unwrap();
            let chunk = chunk.expect("a listen goes on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}
