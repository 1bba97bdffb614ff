//! Which credential a call is made with, and how long it is kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connector_worker::Config;
use domain::{AccountMethod, ConnectorKind, TokenKind};
use fabric::{FailureKind, Workers};
use secrecy::SecretString;
use serde_json::{Value, json};
use testkit::provider::{Api, Provider, Reply, Rules};

use super::desk::{ADA, BEN, Bench, account};
use crate::support::{TOKEN, lease_of};

pub(super) const EVE: u128 = 0xe5e;

/// A stand-in that allows everything and answers so.
pub(super) async fn provider(answer: Value) -> Provider {
    let provider = Provider::start(Api::anything(), Rules::default()).await;
    provider.forever(Reply::json(200, &answer));
    provider
}

/// GitHub, with accounts.
pub(super) fn github(provider: &Provider, own: Option<&str>, config: Config) -> Bench {
    let mut lease = lease_of("github", provider.url(), own);
    lease.takes_accounts = true;
    Bench::of(lease, config)
}

pub(super) fn issues() -> Value {
    json!({ "owner": "o", "repo": "r" })
}

/// The `Authorization` of each request to the provider.
pub(super) fn shown(provider: &Provider) -> Vec<String> {
    let seen = provider.seen().into_iter();
    seen.map(|seen| {
        let value = seen.headers.get("authorization");
        value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    })
    .collect()
}

#[tokio::test]
async fn a_call_is_signed_with_the_nearest_credential_and_the_provider_sees_no_other() {
    let provider = provider(json!([])).await;
    let bench = github(&provider, Some(TOKEN), Config::default());
    bench.connect(Some(ADA), account(1, "adas-own-token"));

    let call = |key| bench.call(key, "github_list_issues", issues());
    let mut brought = call(ADA);
    brought.user_token = Some(Arc::new(SecretString::from("brought-along")));
    bench.run(brought).await.ok();
    assert_eq!(bench.asked(), 0, "who brings a token needs no other");
    bench.run(call(ADA)).await.ok();
    // Without an account of anybody's it is the connector's own secret.
    bench.run(call(BEN)).await.ok();
    bench.connect(None, account(2, "the-tenants-token"));
    bench.run(call(EVE)).await.ok();
    // Each is asked for once.
    bench.run(call(ADA)).await.ok();
    bench.run(call(BEN)).await.ok();

    let bearer = |token: &str| format!("Bearer {token}");
    assert_eq!(
        shown(&provider),
        [
            "brought-along",
            "adas-own-token",
            TOKEN,
            "the-tenants-token",
            "adas-own-token",
            TOKEN
        ]
        .map(bearer)
    );
    assert_eq!(bench.asked(), 3);
}

#[tokio::test]
async fn a_connector_that_takes_no_accounts_asks_for_none() {
    let provider = provider(json!([])).await;
    let bench = Bench::of(
        lease_of("github", provider.url(), Some(TOKEN)),
        Config::default(),
    );
    bench.connect(Some(ADA), account(1, "adas-own-token"));

    let call = bench.call(ADA, "github_list_issues", issues());
    bench.run(call).await.ok();

    assert_eq!(shown(&provider), [format!("Bearer {TOKEN}")]);
    assert_eq!(bench.asked(), 0);
}

#[tokio::test]
async fn a_changed_account_a_token_near_its_end_and_a_release_are_asked_about_anew() {
    let provider = provider(json!([])).await;
    let bench = github(&provider, None, Config::default());
    bench.connect(Some(ADA), account(1, "the-first-token"));
    let call = |accounts| {
        let mut call = bench.call(ADA, "github_list_issues", issues());
        call.accounts = accounts;
        bench.run(call)
    };

    call(4).await.ok();
    bench.connect(Some(ADA), account(2, "the-second-token"));
    call(4).await.ok();
    call(3).await.ok();
    assert_eq!(bench.asked(), 1, "nobody has said that anything changed");
    call(5).await.ok();
    assert_eq!(bench.asked(), 2);

    let mut ending = account(2, "the-third-token");
    (ending.generation, ending.usable_for) = (2, Some(Duration::from_secs(5)));
    bench.connect(Some(ADA), ending);
    call(6).await.ok();
    call(6).await.ok();
    assert_eq!(bench.asked(), 4, "it ends too soon to be kept");

    bench.connect(Some(ADA), account(3, "the-fourth-token"));
    call(6).await.ok();
    call(6).await.ok();
    assert_eq!(bench.asked(), 5);
    let connector = bench.call(ADA, "", json!({}));
    bench
        .worker
        .release(connector.tenant, connector.connector)
        .await;
    call(6).await.ok();
    assert_eq!(bench.asked(), 6);

    let [first, second, third, fourth] = ["first", "second", "third", "fourth"];
    let order = [
        first, first, first, second, third, third, fourth, fourth, fourth,
    ];
    let order = order.map(|which| format!("Bearer the-{which}-token"));
    assert_eq!(shown(&provider), order);
}

#[tokio::test]
async fn without_a_control_plane_a_good_token_goes_on_unless_its_account_has_changed() {
    let provider = provider(json!([])).await;
    let config = Config {
        lease_max_age: Duration::ZERO,
        ..Config::default()
    };
    let bench = github(&provider, None, config);
    bench.connect(Some(ADA), account(1, "adas-own-token"));
    let call = |key, accounts| {
        let mut call = bench.call(key, "github_list_issues", issues());
        call.accounts = accounts;
        bench.run(call)
    };
    call(ADA, 1).await.ok();
    call(ADA, 1).await.ok();
    assert_eq!(bench.asked(), 2, "it is old at once");

    bench.control_plane.state().is_away = true;
    for _ in 0..3 {
        call(ADA, 1).await.ok();
    }
    assert_eq!(
        bench.asked(),
        3,
        "who does not answer is not asked each time"
    );
    let requests = provider.seen().len();

    for (key, accounts) in [(ADA, 2), (BEN, 1)] {
        let failure = call(key, accounts).await.failed();
        assert_eq!(failure.kind, FailureKind::Busy, "{failure:?}");
    }
    assert_eq!(provider.seen().len(), requests, "nothing may be sent");
}

#[tokio::test]
async fn callers_who_come_together_ask_once() {
    let provider = provider(json!([])).await;
    let bench = github(&provider, None, Config::default());
    bench.connect(Some(ADA), account(1, "adas-own-token"));

    let calls = (0..50).map(|_| bench.run(bench.call(ADA, "github_list_issues", issues())));
    for ended in futures_util::future::join_all(calls).await {
        ended.ok();
    }

    assert_eq!(bench.asked(), 1);
    assert_eq!(shown(&provider), vec!["Bearer adas-own-token"; 50]);
}

#[tokio::test]
async fn an_accounts_site_is_where_its_requests_go_and_where_their_links_may_lead() {
    let provider = provider(json!({ "total": 0, "issues": [] })).await;
    let mut lease = lease_of("jira", provider.url(), None);
    lease.takes_accounts = true;
    lease.connector.kind = ConnectorKind::Native {
        catalog: "jira".to_owned(),
        base_url: None,
    };
    let origin = "https://api.atlassian.com".to_owned();
    let config = Config {
        origins: BTreeMap::from([(origin, provider.url().parse().unwrap())]),
        ..Config::default()
    };
    let bench = Bench::of(lease, config);
    let at = |cloud: &str| {
        let mut account = account(1, "adas-own-token");
        let cloud = cloud.to_owned();
        account.variables = BTreeMap::from([("cloudId".to_owned(), cloud)]);
        account
    };
    bench.connect(Some(ADA), at("c-1"));
    bench.connect(Some(BEN), at("../other"));

    let call = |key| bench.run(bench.call(key, "jira_list_projects", json!({})));
    call(ADA).await.ok();
    // What would leave its place in the address is no site.
    let failure = call(BEN).await.failed();
    assert_eq!(failure.kind, FailureKind::Credential);

    let seen = provider.seen();
    assert_eq!(seen.len(), 1);
    let target = &seen[0].target;
    assert!(target.starts_with("/ex/jira/c-1/rest/api/3/"), "{target}");
}

#[tokio::test]
async fn slack_tools_get_the_token_of_their_kind_and_pasted_accounts_are_sent_as_pasted() {
    let provider = provider(json!({ "ok": true })).await;
    let mut lease = lease_of("slack", provider.url(), None);
    lease.takes_accounts = true;
    let bench = Bench::of(lease, Config::default());
    let mut both = account(1, "xoxb-the-bots-token");
    both.user_token = Some("xoxp-the-users-token".to_owned());
    bench.connect(Some(ADA), both);
    let mut pasted = account(2, "xoxp-a-pasted-token");
    pasted.method = AccountMethod::Token;
    bench.connect(Some(BEN), pasted);
    let search = || json!({ "query": "x" });
    let users = "slack_conversations_search_messages";

    for key in [ADA, BEN] {
        bench.run(bench.call(key, users, search())).await.ok();
        let call = bench.call(key, "slack_users_list", json!({}));
        bench.run(call).await.ok();
    }

    let tokens = [
        "xoxp-the-users-token",
        "xoxb-the-bots-token",
        "xoxp-a-pasted-token",
        "xoxp-a-pasted-token",
    ];
    assert_eq!(
        shown(&provider),
        tokens.map(|token| format!("Bearer {token}"))
    );
}

#[tokio::test]
async fn a_tool_of_the_bots_takes_no_persons_account_and_one_for_both_takes_what_is_there() {
    let provider = provider(json!([])).await;
    let discord = |own: Option<&str>| {
        let mut lease = lease_of("discord", provider.url(), own);
        lease.takes_accounts = true;
        Bench::of(lease, Config::default())
    };
    let bench = discord(Some("own-bot-token"));
    bench.connect(Some(ADA), account(1, "adas-token"));
    let (bots, both) = ("discord_list_channels", "discord_list_guilds");
    let arguments = |tool| match tool == bots {
        true => json!({ "guild_id": "1" }),
        false => json!({}),
    };

    for (tool, kind) in [(bots, Some(TokenKind::Bot)), (both, None)] {
        bench.run(bench.call(BEN, tool, arguments(tool))).await.ok();
        assert_eq!(bench.last_asked().token_kind, kind, "{tool}");
    }
    bench.run(bench.call(ADA, both, json!({}))).await.ok();
    // The caller's own goes as what the tool takes.
    for tool in [bots, both] {
        let mut call = bench.call(BEN, tool, arguments(tool));
        call.user_token = Some(Arc::new(SecretString::from("brought-along")));
        bench.run(call).await.ok();
    }
    assert_eq!(
        shown(&provider),
        [
            "Bot own-bot-token",
            "Bot own-bot-token",
            "Bearer adas-token",
            "Bot brought-along",
            "Bearer brought-along",
        ]
    );

    let bare = discord(None);
    bare.control_plane.state().has_own = true;
    let failure = bare
        .run(bare.call(BEN, bots, arguments(bots)))
        .await
        .failed();
    assert_eq!(failure.kind, FailureKind::Credential);
    let told = failure.message;
    assert!(told.contains("no Discord bot token"), "{told}");
    assert!(
        told.contains("an administrator sets its token (bot token), or one is added as an account"),
        "{told}"
    );
    assert!(told.contains("developer portal"), "{told}");
}

#[tokio::test]
async fn a_bots_token_is_not_sent_for_a_tool_that_only_a_person_can_use() {
    let provider = provider(json!({ "ok": true })).await;
    let mut lease = lease_of("slack", provider.url(), Some("xoxb-own-bot-token"));
    lease.takes_accounts = true;
    let bench = Bench::of(lease, Config::default());

    let tool = "slack_conversations_search_messages";
    let call = bench.call(BEN, tool, json!({ "query": "x" }));
    let told = bench.run(call).await.failed().message;

    assert_eq!(bench.last_asked().token_kind, Some(TokenKind::User));
    assert!(provider.seen().is_empty());
    assert!(told.contains("no Slack user's token"), "{told}");
    assert!(told.contains("a person connects an account"), "{told}");
    assert!(told.contains("user token (xoxp-)"), "{told}");
}
