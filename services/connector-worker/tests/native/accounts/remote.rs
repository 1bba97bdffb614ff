//! Accounts at MCP servers somewhere else: each with sessions of its own.

use connector_worker::Config;
use domain::ConnectorKind;
use fabric::Workers;
use serde_json::json;
use testkit::upstream::{Era, Script, Upstream};

use super::desk::{ADA, BEN, Bench, account, answered, who_opens_pages};
use crate::support::lease_of;

fn bench(upstream: &Upstream) -> Bench {
    let mut lease = lease_of("github", "http://127.0.0.1:1", None);
    let url = upstream.url().parse().unwrap();
    lease.connector.kind = ConnectorKind::RemoteMcp { url };
    lease.takes_accounts = true;
    Bench::of(lease, Config::default())
}

/// The `Authorization` of the calls of tools, and how many handshakes there were.
fn shown(upstream: &Upstream) -> (Vec<String>, usize) {
    let received = upstream.received();
    let calls = received.iter().filter(|one| one.method == "tools/call");
    let tokens = calls.map(|one| one.header("authorization").to_owned());
    let tokens = tokens.collect();
    let handshakes = received.iter().filter(|one| one.method == "initialize");
    (tokens, handshakes.count())
}

#[tokio::test]
async fn each_account_calls_a_server_with_its_own_token_and_in_its_own_session() {
    for script in [Script::legacy(), Script::modern()] {
        let is_legacy = script.era == Era::Legacy;
        let upstream = Upstream::start(script).await;
        let bench = bench(&upstream);
        bench.connect(Some(ADA), account(1, "adas-own-token"));
        bench.connect(None, account(2, "the-tenants-token"));

        for key in [ADA, BEN, ADA] {
            let call = bench.call(key, "echo", json!({ "text": "hi" }));
            bench.run(call).await.ok();
        }

        let (tokens, handshakes) = shown(&upstream);
        let meant = ["adas-own-token", "the-tenants-token", "adas-own-token"];
        assert_eq!(tokens, meant.map(|token| format!("Bearer {token}")));
        if is_legacy {
            assert_eq!(handshakes, 2);
        }
    }
}

#[tokio::test]
async fn a_token_that_the_server_refuses_is_renewed_in_the_same_session() {
    for script in [Script::legacy(), Script::modern()] {
        let upstream = Upstream::start(script).await;
        upstream.change(|script| script.bearer = Some("the-first-token"));
        let bench = bench(&upstream);
        let mut adas = account(1, "the-first-token");
        adas.next.push_back("the-second-token".to_owned());
        bench.connect(Some(ADA), adas);
        let call = || bench.call(ADA, "echo", json!({ "text": "hi" }));
        bench.run(call()).await.ok();
        let (_, handshakes) = shown(&upstream);

        upstream.change(|script| script.bearer = Some("the-second-token"));
        bench.run(call()).await.ok();
        bench.run(call()).await.ok();
        assert_eq!(bench.asked(), 2, "asked once, and renewed once");
        assert_eq!(shown(&upstream).1, handshakes);

        // Nothing is left to renew it with.
        upstream.change(|script| script.bearer = Some("the-third-token"));
        let asked = bench.run(who_opens_pages(call())).await.asks();
        bench.connect(Some(ADA), account(7, "the-third-token"));
        let again = answered(who_opens_pages(call()), &asked, "accept");
        bench.run(again).await.ok();
    }
}

#[tokio::test]
async fn the_tools_of_a_server_are_read_by_the_tenants_account() {
    let upstream = Upstream::legacy().await;
    upstream.change(|script| script.bearer = Some("the-second-token"));
    let bench = bench(&upstream);
    let call = bench.call(ADA, "echo", json!({}));
    let (tenant, connector) = (call.tenant, call.connector);

    let refused = bench.worker.list_tools(tenant, connector, 1).await;
    let refused = refused.unwrap_err();
    assert!(refused.message.contains("No account"), "{refused}");
    let asked = bench.last_asked();
    assert!(asked.key.as_uuid().is_nil() && !asked.wants_link);

    let mut tenants = account(2, "the-first-token");
    tenants.next.push_back("the-second-token".to_owned());
    bench.connect(None, tenants);
    let listing = bench.worker.list_tools(tenant, connector, 1).await.unwrap();
    assert!(listing.tools.iter().any(|tool| tool.name == "echo"));
}
