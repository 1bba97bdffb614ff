//! Quotas that a provider says are used up: remembered until they are filled again, and for nobody else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::Catalog;
use connector_worker::native::{Engine, EngineLimits};
use domain::{ConnectorId, TenantId};
use fabric::Lease;
use runtime::{ManualClock, Metrics};
use serde_json::{Value, json};
use testkit::provider::{Api, Provider, Reply, Rules};
use time::macros::datetime;
use uuid::Uuid;

use crate::support::{End, call_with, engine_with, lease_of, limits};

/// Where the clock of these tests begins.
const START: time::OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);

/// With a memory that is longer than a call waits.
fn remembering() -> EngineLimits {
    EngineLimits {
        quota_memory_max: Duration::from_secs(15 * 60),
        ..limits()
    }
}

struct Counted {
    provider: Provider,
    clock: Arc<ManualClock>,
    metrics: Metrics,
    engine: Engine,
    lease: Lease,
}

impl Counted {
    async fn of(connector: &str) -> Self {
        Self::within(Catalog::builtin(), connector, remembering()).await
    }

    async fn within(catalog: Arc<Catalog>, connector: &str, limits: EngineLimits) -> Self {
        let provider = Provider::start(Api::anything(), Rules::default()).await;
        provider.forever(Reply::json(200, &json!([])));
        let (clock, metrics) = (Arc::new(ManualClock::new(START)), Metrics::default());
        let engine = engine_with(catalog, limits)
            .with_clock(clock.clone())
            .with_metrics(&metrics);
        let lease = lease_of(connector, provider.url(), Some("key"));
        Self {
            provider,
            clock,
            metrics,
            engine,
            lease,
        }
    }

    async fn call(&self, tool: &str, arguments: Value) -> End {
        call_with(&self.engine, &self.lease, tool, &arguments).await
    }

    fn requests(&self) -> usize {
        self.provider.seen().len()
    }
}

fn repo() -> Value {
    json!({ "owner": "o", "repo": "r" })
}

fn limited(status: u16) -> Reply {
    Reply::json(status, &json!({ "message": "slow down" }))
}

/// GitHub's word that the bucket is empty for ten minutes.
fn empty(reply: Reply, bucket: &str) -> Reply {
    reply
        .with("x-ratelimit-resource", bucket)
        .with("x-ratelimit-remaining", "0")
        .with("x-ratelimit-reset", "1767323645")
}

#[tokio::test]
async fn calls_that_meet_a_used_up_quota_are_told_so_at_once_until_it_is_filled_again() {
    let github = Counted::of("github").await;
    let full = Reply::json(200, &json!({})).with("x-ratelimit-resource", "core");
    github.provider.script([full, empty(limited(403), "core")]);
    github.call("github_get_repository", repo()).await.ok();
    github.call("github_list_issues", repo()).await.refused();
    assert_eq!(github.requests(), 2);

    // The same tool, another that counts in the same bucket, and one that would write. What nobody
    // knows to count there is asked for.
    let End::Result(told) = github.call("github_list_issues", repo()).await else {
        panic!("it is a result")
    };
    assert_eq!(
        told["content"][0]["text"],
        "github_list_issues was not called: GitHub has said that it takes no more of this for now.\n\
         The rate limit of the credential is used up. Try again in 600 s (at 2026-01-02T03:14:05Z)."
    );
    assert_eq!(told["isError"], true);
    assert_eq!(
        told["structuredContent"],
        json!({ "error": { "status": 429, "retry_after": 600 } })
    );
    github.call("github_get_repository", repo()).await.refused();
    assert_eq!(github.requests(), 2);
    let search = github
        .call("github_search_repositories", json!({ "q": "q" }))
        .await;
    search.ok();
    assert_eq!(github.requests(), 3);

    // Longer than is waited for.
    let short = remembering().quota_wait_max + Duration::from_secs(1);
    github.clock.advance(Duration::from_secs(600) - short);
    let told = github.call("github_list_issues", repo()).await.refused();
    assert!(told.contains("Try again in 6 s"), "{told}");
    github.clock.advance(short);
    github.call("github_list_issues", repo()).await.ok();
    assert_eq!(github.requests(), 4);
    let metrics = github.metrics.encode();
    let refused = "worker_used_up_quotas_total{outcome=\"refused\"} 3";
    assert!(metrics.contains(refused), "{metrics}");
}

#[tokio::test]
async fn a_quota_that_an_answer_empties_is_not_asked_for_again() {
    let github = Counted::of("github").await;
    let last = empty(Reply::json(201, &json!({ "number": 1 })), "core");
    github.provider.script([last]);
    let issue = json!({ "owner": "o", "repo": "r", "title": "t" });

    github.call("github_create_issue", issue.clone()).await.ok();
    let told = github.call("github_create_issue", issue).await.refused();

    assert!(told.contains("Try again in 600 s"), "{told}");
    assert_eq!(github.requests(), 1);
}

#[tokio::test]
async fn a_used_up_quota_stands_against_nobody_elses_calls() {
    let github = Counted::of("github").await;
    github.provider.script([empty(limited(403), "core")]);
    github.call("github_list_issues", repo()).await.refused();

    let other = |change: fn(&mut domain::Connector)| {
        let mut lease = lease_of("github", github.provider.url(), Some("key"));
        change(&mut lease.connector);
        lease
    };
    let others = [
        other(|connector| connector.tenant = TenantId::new(Uuid::from_u128(9))),
        other(|connector| connector.id = ConnectorId::new(Uuid::from_u128(9))),
        // Its secret may have changed with it.
        other(|connector| connector.version = 2),
    ];
    for (before, lease) in others.iter().enumerate() {
        assert_eq!(github.requests(), before + 1);
        let end = call_with(&github.engine, lease, "github_list_issues", &repo()).await;
        end.ok();
    }
    github.call("github_list_issues", repo()).await.refused();
    assert_eq!(github.requests(), 4);
}

/// A manifest with one tool, and these lines under `rate_limit`.
fn manifest(limit: &str) -> String {
    format!(
        r#"
format = 1
connector = "counted"
display_name = "Counted"
category = "test"
summary = "What is counted."
base_url = "https://api.example.com"
body = "json"
[auth]
methods = [{{ kind = "token", apply = {{ in = "header", name = "Authorization", format = "Bearer {{token}}" }} }}]
[errors]
style = "http_status"
[[tools]]
name = "counted_get"
title = "Get"
description = "Gets what is counted, whatever that may be, and returns it as it is."
effect = "read"
idempotent = true
request = "GET /it"
[rate_limit]
statuses = [429, 503]
{limit}
"#
    )
}

#[tokio::test]
async fn the_wait_is_understood_in_every_form_in_which_providers_write_it() {
    let header = |unit: &str| {
        format!(
            "retry_after = \"none\"\n[rate_limit.headers]\nremaining = \"Left\"\nreset = \"Reset\"\nreset_unit = \"{unit}\""
        )
    };
    let left = |reset: &str| limited(429).with("left", "0").with("reset", reset);
    let after = |text: &str| limited(429).with("retry-after", text);
    let seconds = "retry_after = \"seconds\"".to_owned();
    let in_body = |value: Value| Reply::json(429, &json!({ "retry_after": value }));
    let body_path = "retry_after = \"seconds\"\nbody_retry_after_path = \"$.retry_after\"";
    let forms = [
        (seconds.clone(), after("90")),
        (seconds.clone(), after("89.5")),
        (seconds.clone(), after("Fri, 02 Jan 2026 03:05:35 GMT")),
        (seconds.clone(), after("2026-01-02T03:05:35Z")),
        (seconds, limited(503).with("retry-after", "90")),
        (body_path.to_owned(), in_body(json!(89.25))),
        (body_path.to_owned(), in_body(json!("90"))),
        (header("epoch_seconds"), left("1767323135")),
        (header("epoch_seconds"), left("1767323134.2")),
        (header("epoch_milliseconds"), left("1767323135000")),
        (header("delta_seconds"), left("89.75")),
        (header("iso8601"), left("2026-01-02T03:05:35Z")),
        (header("duration_text"), left("1m30s")),
        // How much is left may have a fraction, too.
        (
            header("delta_seconds"),
            limited(429).with("left", "0.0").with("reset", "90"),
        ),
    ];
    for (limit, reply) in forms {
        let text = manifest(&limit);
        let catalog = Arc::new(Catalog::load([("counted.toml", text.as_str())]).unwrap());
        let counted = Counted::within(catalog, "counted", remembering()).await;
        counted.provider.script([reply.clone()]);

        let first = counted.call("counted_get", json!({})).await.refused();
        let second = counted.call("counted_get", json!({})).await.refused();

        assert!(first.contains("Try again in 90 s"), "{reply:?}: {first}");
        assert!(second.contains("Try again in 90 s"), "{reply:?}: {second}");
        assert!(second.starts_with("counted_get was not called"), "{second}");
        assert_eq!(counted.requests(), 1, "{reply:?}");
        counted.clock.advance(Duration::from_secs(90));
        counted.call("counted_get", json!({})).await.ok();
    }
}

#[tokio::test]
async fn words_without_a_time_are_believed_for_one_call() {
    for reply in [
        limited(429),
        limited(429).with("retry-after", "soon"),
        limited(429).with("retry-after", "-5"),
        limited(429).with("retry-after", "NaN"),
        limited(429).with("x-ratelimit-remaining", "0"),
    ] {
        let github = Counted::of("github").await;
        github
            .provider
            .script([reply.clone(), reply.clone(), reply]);

        let told = github.call("github_list_issues", repo()).await.refused();
        assert!(told.ends_with("with fewer calls."), "{told}");
        github.call("github_list_issues", repo()).await.ok();
        assert_eq!(github.requests(), 4);
    }
}

#[tokio::test]
async fn a_provider_that_says_never_is_asked_again_after_a_while() {
    let github = Counted::of("github").await;
    let never = limited(429)
        .with("x-ratelimit-remaining", "0")
        .with("x-ratelimit-reset", "4102444800");
    github.provider.script([never]);
    let memory = remembering().quota_memory_max;
    github.call("github_list_issues", repo()).await.refused();

    let short = remembering().quota_wait_max + Duration::from_secs(1);
    github.clock.advance(memory - short);
    let told = github.call("github_list_issues", repo()).await.refused();
    assert!(told.contains("(at 2100-01-01T00:00:00Z)"), "{told}");
    assert_eq!(github.requests(), 1);

    github.clock.advance(short);
    github.call("github_list_issues", repo()).await.ok();
    assert_eq!(github.requests(), 2);
}

#[tokio::test]
async fn unless_told_otherwise_a_provider_is_asked_again_after_a_moment_whatever_it_said() {
    assert!(limits().quota_memory_max <= limits().quota_wait_max);
    let moment = Duration::from_millis(300);
    let limits = EngineLimits {
        quota_wait_max: moment,
        quota_memory_max: moment,
        ..limits()
    };
    let github = Counted::within(Catalog::builtin(), "github", limits).await;
    github.provider.script([empty(limited(403), "core")]);
    github.call("github_list_issues", repo()).await.refused();
    let start = Instant::now();

    github.call("github_list_issues", repo()).await.ok();

    assert!(start.elapsed() >= moment);
    assert_eq!(github.requests(), 2);
}

#[tokio::test]
async fn a_short_wait_is_waited_for_within_the_calls_time_and_the_provider_is_not_asked_in_vain() {
    let wait = Duration::from_millis(400);
    for (quota_wait_max, waits) in [(wait, true), (wait - Duration::from_millis(1), false)] {
        let limits = EngineLimits {
            quota_wait_max,
            ..remembering()
        };
        let discord = Counted::within(Catalog::builtin(), "discord", limits).await;
        let last = Reply::json(200, &json!({ "id": "1" }))
            .with("x-ratelimit-bucket", "b1")
            .with("x-ratelimit-remaining", "0")
            .with("x-ratelimit-reset-after", "0.4");
        discord.provider.script([last]);
        let say = |channel: &str| json!({ "channel_id": channel, "content": "hi" });
        discord.call("discord_send_message", say("1")).await.ok();
        let start = Instant::now();
        // Another channel has a bucket of its own.
        discord.call("discord_send_message", say("2")).await.ok();
        assert!(start.elapsed() < wait);
        assert_eq!(discord.requests(), 2);

        let again = discord.call("discord_send_message", say("1")).await;

        if waits {
            again.ok();
            assert!(start.elapsed() >= wait);
        } else {
            let told = again.refused();
            assert!(told.contains("Try again in 1 s"), "{told}");
        }
        assert_eq!(discord.requests(), if waits { 3 } else { 2 });
    }
}

#[tokio::test]
async fn a_limit_of_all_that_the_credential_does_stands_against_all_of_it() {
    let discord = Counted::of("discord").await;
    let all = Reply::json(
        429,
        &json!({ "message": "slow down", "retry_after": 61.5, "global": true }),
    )
    .with("x-ratelimit-global", "true")
    .with("x-ratelimit-bucket", "b1");
    discord.provider.script([all]);
    let channel = |id: &str| json!({ "channel_id": id });

    discord
        .call("discord_list_messages", channel("1"))
        .await
        .refused();
    let told = discord.call("discord_get_channel", channel("2")).await;

    let told = told.refused();
    assert!(told.contains("Try again in 62 s"), "{told}");
    assert_eq!(discord.requests(), 1);
}
