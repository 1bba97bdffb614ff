//! How requests are sent: repetitions, redirects, turns, deadlines.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::Catalog;
use connector_worker::native::{Engine, EngineLimits, Signed};
use fabric::{Effect, FailureKind, Outcome};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use testkit::provider::{Provider, Reply};

use crate::support::{
    TOKEN, call, call_with, engine, engine_with, lease, lease_of, limits, small_github, texts,
};

fn issues() -> Value {
    json!({ "owner": "o", "repo": "r" })
}

fn trouble(status: u16) -> Reply {
    Reply::json(status, &json!({ "message": "trouble" }))
}

async fn provider_with(replies: impl IntoIterator<Item = Reply>) -> Provider {
    let provider = small_github().await;
    provider.script(replies);
    provider
}

#[tokio::test]
async fn a_repeatable_tool_outlives_passing_trouble() {
    let provider = provider_with([trouble(502), trouble(503)]).await;

    call(&provider, "github_list_issues", issues()).await.ok();

    assert_eq!(provider.seen().len(), 3);
}

#[tokio::test]
async fn repetitions_end_and_the_last_answer_is_told() {
    let provider = small_github().await;
    provider.forever(trouble(504));

    let text = call(&provider, "github_list_issues", issues())
        .await
        .refused();

    assert!(
        text.contains("504 Gateway Timeout: trouble\nGitHub has trouble of its own"),
        "{text}"
    );
    assert_eq!(provider.seen().len(), 3);
}

#[tokio::test]
async fn a_tool_that_may_not_be_repeated_is_sent_once_whatever_the_answer() {
    for reply in [
        trouble(502),
        trouble(503).with("retry-after", "0"),
        trouble(429).with("retry-after", "0"),
    ] {
        let provider = small_github().await;
        provider.forever(reply);
        let arguments = json!({ "owner": "o", "repo": "r", "title": "t" });

        let text = call(&provider, "github_create_issue", arguments)
            .await
            .refused();

        assert_eq!(provider.seen().len(), 1, "{text}");
    }
}

#[tokio::test]
async fn other_errors_are_not_repeated() {
    for status in [400, 401, 403, 404, 409, 422, 500] {
        let provider = small_github().await;
        provider.forever(trouble(status));

        call(&provider, "github_list_issues", issues())
            .await
            .refused();

        assert_eq!(provider.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_waited_for_in_both_forms_and_only_when_it_is_short() {
    // The clock of these tests stands at 03:04:05.
    for (value, waits) in [
        ("1", true),
        ("Fri, 02 Jan 2026 03:04:06 GMT", true),
        ("61", false),
    ] {
        let provider = provider_with([trouble(429).with("retry-after", value)]).await;
        let start = Instant::now();

        let end = call(&provider, "github_list_issues", issues()).await;

        if waits {
            end.ok();
            assert!(start.elapsed() >= Duration::from_secs(1), "{value}");
        } else {
            let text = end.refused();
            assert!(text.ends_with("Try again in 61 s."), "{text}");
            assert!(start.elapsed() < Duration::from_secs(1), "{value}");
        }
        assert_eq!(provider.seen().len(), if waits { 2 } else { 1 }, "{value}");
    }
}

#[tokio::test]
async fn a_secondary_limit_with_403_is_waited_for_as_well() {
    let provider = provider_with([trouble(403).with("retry-after", "0")]).await;

    call(&provider, "github_list_issues", issues()).await.ok();

    assert_eq!(provider.seen().len(), 2);
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_is_told_and_not_begun() {
    let provider = provider_with([trouble(429).with("retry-after", "30")]).await;
    let arguments = issues().to_string();
    let start = Instant::now();

    let outcome = engine()
        .call(
            &Signed::own(&lease(&provider)),
            "github_list_issues",
            Some(arguments.as_bytes()),
            Duration::from_secs(5),
        )
        .await
        .unwrap();

    let Outcome::Result(result) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(String::from_utf8_lossy(&result).contains("Try again in 30 s."));
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_provider_that_hangs_costs_the_deadline_and_no_more() {
    let provider = small_github().await;
    provider.forever(Reply::hang());
    let deadline = Duration::from_millis(300);

    let arguments = json!({ "owner": "o", "repo": "r", "title": "t" }).to_string();
    let outcome = engine()
        .call(
            &Signed::own(&lease(&provider)),
            "github_create_issue",
            Some(arguments.as_bytes()),
            deadline,
        )
        .await
        .unwrap();

    let Outcome::Failed(failure) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Timeout, Effect::Possible)
    );
    assert_eq!(provider.seen().len(), 1);
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_told_and_nothing_has_happened() {
    let lease = lease_of("github", "http://127.0.0.1:1", Some(TOKEN));
    let arguments = json!({ "owner": "o", "repo": "r", "title": "t" });

    let failure = call_with(&engine(), &lease, "github_create_issue", &arguments)
        .await
        .failed();

    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Unreachable, Effect::None)
    );
    assert_eq!(
        failure.message,
        "127.0.0.1 cannot be reached: connection refused."
    );
}

#[tokio::test]
async fn a_redirect_to_another_host_is_followed_without_the_credential() {
    let provider = small_github().await;
    provider.offer_download(Reply::text(200, "text/plain", "line 1\nline 2\n"));
    let arguments = json!({ "owner": "o", "repo": "r", "job_id": 1 });

    let log = call(&provider, "github_get_workflow_job_logs", arguments)
        .await
        .ok();

    assert_eq!(texts(&log), "line 1\nline 2\n");
    assert!(log.get("structuredContent").is_none());
    let downloads = provider.downloads();
    assert_eq!(downloads.len(), 1);
    assert!(!downloads[0].headers.contains_key("authorization"));
    assert!(!downloads[0].headers.contains_key("x-github-api-version"));
    assert!(!format!("{downloads:?}").contains(TOKEN));
}

#[tokio::test]
async fn a_redirect_on_the_same_host_keeps_the_credential() {
    let provider =
        provider_with([trouble(301).with("location", "/repos/new/name/issues?page=1")]).await;

    call(&provider, "github_list_issues", issues()).await.ok();

    assert_eq!(provider.seen()[1].target, "/repos/new/name/issues?page=1");
    assert_eq!(provider.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused_by_the_guard() {
    for address in [
        "http://10.0.0.1/log",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]:1/",
    ] {
        let provider = provider_with([trouble(302).with("location", address)]).await;
        let arguments = json!({ "owner": "o", "repo": "r", "job_id": 1 });

        let failure = call(&provider, "github_get_workflow_job_logs", arguments)
            .await
            .failed();

        // Not "unreachable": the provider itself is there.
        assert_eq!(failure.kind, FailureKind::Garbage, "{address}");
        assert!(
            failure
                .message
                .starts_with("GitHub redirected to where this call cannot go: ")
                && failure.message.contains("is not a public address"),
            "{}",
            failure.message
        );
    }
}

/// Says that every name is an address of the operator's own network.
struct Inside;

impl egress::Resolve for Inside {
    fn resolve<'a>(
        &'a self,
        _: &'a str,
        port: u16,
    ) -> BoxFuture<'a, std::io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(vec![SocketAddr::from(([10, 0, 0, 7], port))]) })
    }
}

#[tokio::test]
async fn a_self_hosted_address_that_leads_inside_is_refused_without_a_word_of_where() {
    let config = egress::EgressConfig::default();
    let client = egress::Client::with_resolver(&config, Arc::new(Inside)).unwrap();
    let engine = Engine::new(Catalog::builtin(), client, limits());
    let lease = lease_of("gitlab", "https://git.corp.example", Some(TOKEN));
    let project = json!({ "project_id": "1" });

    let failure = call_with(&engine, &lease, "gitlab_get_project", &project)
        .await
        .failed();

    assert_eq!(
        (failure.kind, failure.effect, failure.message.as_str()),
        (
            FailureKind::Unreachable,
            Effect::None,
            "git.corp.example is not a public address; an operator can permit it with the setting \
             egress.allow."
        )
    );
}

#[tokio::test]
async fn a_tool_that_expects_no_other_host_does_not_follow_there() {
    let provider = small_github().await;
    let elsewhere = format!("{}/x", provider.elsewhere());
    provider.forever(trouble(302).with("location", &elsewhere));

    let text = call(&provider, "github_list_issues", issues())
        .await
        .refused();

    assert!(
        text.contains("It redirects to 127.0.0.1, where this tool does not follow."),
        "{text}"
    );
    assert!(provider.downloads().is_empty());
}

#[tokio::test]
async fn a_write_is_never_sent_to_where_it_is_redirected_to_unless_it_stays_what_it_is() {
    let arguments = json!({ "owner": "o", "repo": "r", "title": "t" });
    let provider = provider_with([trouble(301).with("location", "/repos/a/b/issues")]).await;
    let text = call(&provider, "github_create_issue", arguments.clone())
        .await
        .refused();
    assert!(text.contains("301 Moved Permanently"), "{text}");
    assert_eq!(provider.seen().len(), 1);

    let provider = provider_with([trouble(307).with("location", "/repos/a/b/issues")]).await;
    call(&provider, "github_create_issue", arguments).await.ok();
    let seen = provider.seen();
    assert_eq!(
        (seen[1].method.as_str(), seen[1].target.as_str()),
        ("POST", "/repos/a/b/issues")
    );
    assert_eq!(seen[0].body, seen[1].body);
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let provider = small_github().await;
    provider.forever(trouble(302).with("location", "/repos/o/r/issues"));

    let failure = call(&provider, "github_list_issues", issues())
        .await
        .failed();

    assert_eq!(
        failure.message,
        "GitHub redirected to where this call cannot go: it redirects too often."
    );
    assert_eq!(provider.seen().len(), 6);
}

#[tokio::test]
async fn a_long_text_is_cut_where_it_matters_least_and_says_so() {
    let provider = small_github().await;
    let lines: String = (0..1_000).map(|n| format!("line {n:04}\n")).collect();
    provider.offer_download(Reply::text(200, "text/plain", lines.clone()));
    provider.script([Reply::text(200, "text/plain", "ä".repeat(600))]);
    let engine = engine_with(
        Catalog::builtin(),
        EngineLimits {
            text_max_bytes: 101,
            ..limits()
        },
    );
    let lease = lease(&provider);

    let diff = json!({ "owner": "o", "repo": "r", "pull_number": 1 });
    let diff = call_with(&engine, &lease, "github_get_pull_request_diff", &diff)
        .await
        .ok();
    assert_eq!(
        texts(&diff),
        format!(
            "{}\nThe text is longer: only its first 101 bytes are shown.",
            "ä".repeat(50)
        )
    );

    let log = json!({ "owner": "o", "repo": "r", "job_id": 1 });
    let log = call_with(&engine, &lease, "github_get_workflow_job_logs", &log)
        .await
        .ok();
    assert_eq!(log["content"][0]["text"], lines[lines.len() - 100..]);
    assert_eq!(
        log["content"][1]["text"],
        "The text is longer: only its last 101 bytes are shown, 9899 before them are left out."
    );
}

#[tokio::test]
async fn the_base_url_of_an_enterprise_server_is_kept_whole() {
    let provider = small_github().await;
    let lease = lease_of(
        "github",
        &format!("{}/api/v3/", provider.url()),
        Some(TOKEN),
    );

    call_with(
        &engine(),
        &lease,
        "github_get_authenticated_user",
        &json!({}),
    )
    .await
    .refused();

    assert_eq!(provider.seen()[0].target, "/api/v3/user");
}

#[tokio::test]
async fn writes_with_one_credential_wait_for_each_other_and_reads_do_not() {
    let provider = provider_with([Reply::hang()]).await;
    let (engine, lease) = (engine(), lease(&provider));
    let create = json!({ "owner": "o", "repo": "r", "title": "t" }).to_string();
    let signed = Signed::own(&lease);
    let write = async |millis| {
        let deadline = Duration::from_millis(millis);
        let arguments = Some(create.as_bytes());
        let written = engine.call(&signed, "github_create_issue", arguments, deadline);
        written.await.unwrap()
    };
    let read = async {
        // The first write is under way before the others begin.
        while provider.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        let second = write(200).await;
        let read = call_with(&engine, &lease, "github_list_issues", &issues()).await;
        (second, read)
    };

    let (first, (second, read)) = tokio::join!(write(1_500), read);

    assert!(matches!(first, Outcome::Failed(failure) if failure.kind == FailureKind::Timeout));
    let Outcome::Failed(second) = second else {
        panic!("{second:?}")
    };
    assert_eq!(
        (second.kind, second.effect),
        (FailureKind::Busy, Effect::None)
    );
    read.ok();
    let writes = provider
        .seen()
        .iter()
        .filter(|seen| seen.method == "POST")
        .count();
    assert_eq!(writes, 1);
}
