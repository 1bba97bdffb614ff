//! Answers that are kept where asking whether they have changed costs nothing.

use catalog::Catalog;
use connector_worker::native::{Engine, EngineLimits};
use domain::{ConnectorId, TenantId};
use fabric::Lease;
use runtime::Metrics;
use serde_json::{Value, json};
use testkit::provider::{Api, Provider, Reply, Rules};
use uuid::Uuid;

use crate::support::{End, call_with, engine_with, lease_of, limits};

struct Kept {
    provider: Provider,
    metrics: Metrics,
    engine: Engine,
    lease: Lease,
}

impl Kept {
    async fn of(connector: &str) -> Self {
        Self::within(connector, limits()).await
    }

    async fn within(connector: &str, limits: EngineLimits) -> Self {
        let provider = Provider::start(Api::anything(), Rules::default()).await;
        let metrics = Metrics::default();
        let engine = engine_with(Catalog::builtin(), limits).with_metrics(&metrics);
        let lease = lease_of(connector, provider.url(), Some("key"));
        Self {
            provider,
            metrics,
            engine,
            lease,
        }
    }

    async fn call(&self, tool: &str, arguments: Value) -> End {
        call_with(&self.engine, &self.lease, tool, &arguments).await
    }

    /// Of each request, what it asked to be compared with.
    fn compared(&self) -> Vec<Option<String>> {
        let seen = self.provider.seen().into_iter();
        seen.map(|seen| {
            let tag = seen.headers.get("if-none-match")?;
            Some(tag.to_str().unwrap().to_owned())
        })
        .collect()
    }
}

fn issues(page: u32) -> Value {
    json!({ "owner": "o", "repo": "r", "page": page })
}

fn tagged(tag: &str, title: &str) -> Reply {
    Reply::json(200, &json!([{ "title": title }])).with("etag", tag)
}

fn unchanged() -> Reply {
    Reply {
        headers: Vec::new(),
        ..Reply::text(304, "text/plain", "")
    }
}

#[tokio::test]
async fn an_unchanged_answer_is_given_again_with_its_next_page_and_a_changed_one_replaces_it() {
    let kept = Kept::of("github").await;
    let next = format!(
        "<{}/repos/o/r/issues?page=2>; rel=\"next\"",
        kept.provider.url()
    );
    kept.provider.script([
        tagged("\"1\"", "old").with("link", next),
        unchanged().with("x-ratelimit-remaining", "7"),
        tagged("W/\"2\"", "new"),
        unchanged(),
    ]);
    let read = async || kept.call("github_list_issues", issues(1)).await.ok();

    let first = read().await;
    assert_eq!(
        first["structuredContent"]["next_page"],
        json!({ "page": 2 })
    );
    assert_eq!(read().await, first);
    let new = read().await;
    assert_eq!(
        new["structuredContent"],
        json!({ "items": [{ "title": "new" }] })
    );
    assert_eq!(read().await, new);

    let compared = kept.compared();
    let compared: Vec<_> = compared.iter().map(Option::as_deref).collect();
    let (old, new) = (Some("\"1\""), Some("W/\"2\""));
    assert_eq!(compared, [None, old, old, new]);
    let metrics = kept.metrics.encode();
    for counted in ["unchanged\"} 2", "changed\"} 1"] {
        let line = format!("worker_revalidations_total{{outcome=\"{counted}");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

#[tokio::test]
async fn each_page_is_kept_by_itself() {
    let kept = Kept::of("github").await;
    kept.provider.script([
        tagged("\"1\"", "first"),
        tagged("\"2\"", "second"),
        unchanged(),
        unchanged(),
    ]);
    let mut titles = Vec::new();
    for page in [1, 2, 1, 2] {
        let read = kept.call("github_list_issues", issues(page)).await;
        titles.push(read.structured()["items"][0]["title"].clone());
    }

    assert_eq!(titles, ["first", "second", "first", "second"]);
    let compared = kept.compared();
    assert_eq!(compared[2..], [Some("\"1\"".into()), Some("\"2\"".into())]);
}

#[tokio::test]
async fn another_tenant_connector_or_version_is_never_asked_about_it_nor_given_it() {
    let kept = Kept::of("github").await;
    kept.provider.forever(tagged("\"1\"", "of the first"));
    kept.call("github_list_issues", issues(1)).await.ok();
    let other = |change: fn(&mut domain::Connector)| {
        let mut lease = lease_of("github", kept.provider.url(), Some("key"));
        change(&mut lease.connector);
        lease
    };
    for lease in [
        other(|connector| connector.tenant = TenantId::new(Uuid::from_u128(9))),
        other(|connector| connector.id = ConnectorId::new(Uuid::from_u128(9))),
        other(|connector| connector.version = 2),
    ] {
        let end = call_with(&kept.engine, &lease, "github_list_issues", &issues(1)).await;
        end.ok();
    }
    kept.call("github_list_issues", issues(1)).await.ok();

    let mine = Some("\"1\"".to_owned());
    assert_eq!(kept.compared(), [None, None, None, None, mine]);
}

#[tokio::test]
async fn what_may_not_be_kept_or_is_too_large_is_asked_for_in_full_each_time() {
    let title = "x".repeat(100);
    let body = json!([{ "title": title }]).to_string().len();
    for (connector, tool, reply, one) in [
        (
            "github",
            "github_list_issues",
            tagged("\"1\"", &title),
            body - 1,
        ),
        (
            "github",
            "github_list_issues",
            tagged("\"1\"", "t").with("cache-control", "no-store"),
            body,
        ),
        // Asking costs as much as the answer there.
        ("gitlab", "gitlab_get_project", tagged("\"1\"", "t"), body),
    ] {
        let kept = Kept::within(
            connector,
            EngineLimits {
                kept_one_max_bytes: one,
                ..limits()
            },
        )
        .await;
        kept.provider.forever(reply);
        let arguments = match connector {
            "gitlab" => json!({ "project_id": "1" }),
            _ => issues(1),
        };
        for _ in 0..2 {
            kept.call(tool, arguments.clone()).await.ok();
        }
        assert_eq!(kept.compared(), [None, None], "{connector}");
    }

    // At the bound it is kept.
    let limits = EngineLimits {
        kept_one_max_bytes: body,
        ..limits()
    };
    let kept = Kept::within("github", limits).await;
    kept.provider.forever(tagged("\"1\"", &title));
    for _ in 0..2 {
        kept.call("github_list_issues", issues(1)).await.ok();
    }
    assert_eq!(kept.compared(), [None, Some("\"1\"".to_owned())]);
}

#[tokio::test]
async fn what_writes_is_never_compared() {
    let kept = Kept::of("github").await;
    kept.provider
        .forever(Reply::json(201, &json!({ "number": 1 })).with("etag", "\"1\""));
    let issue = json!({ "owner": "o", "repo": "r", "title": "t" });
    for _ in 0..2 {
        kept.call("github_create_issue", issue.clone()).await.ok();
    }

    assert_eq!(kept.compared(), [None, None]);
}

#[tokio::test]
async fn what_is_gone_is_not_compared_any_more() {
    let kept = Kept::of("github").await;
    let gone = Reply::json(404, &json!({ "message": "Not Found" }));
    kept.provider
        .script([tagged("\"1\"", "t"), gone, tagged("\"2\"", "t")]);
    kept.call("github_list_issues", issues(1)).await.ok();
    kept.call("github_list_issues", issues(1)).await.refused();
    kept.call("github_list_issues", issues(1)).await.ok();

    assert_eq!(kept.compared(), [None, Some("\"1\"".to_owned()), None]);
}
