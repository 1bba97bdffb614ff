//! Tokens that the provider does not take, and grants that are too small.

use connector_worker::Config;
use fabric::FailureKind;
use serde_json::{Value, json};
use testkit::provider::{Provider, Reply};

use super::choice::{github, issues, provider, shown};
use super::desk::{ADA, BEN, Bench, account, answered, who_opens_pages};
use crate::own_token::Log;
use crate::support::lease_of;

fn unauthorized(words: &str) -> Reply {
    Reply::json(401, &json!({ "message": words }))
}

fn new_issue() -> Value {
    json!({ "owner": "o", "repo": "r", "title": "t" })
}

#[tokio::test]
async fn a_refused_token_is_renewed_and_the_request_made_again_whatever_it_does() {
    let (log, _kept) = Log::keep();
    let provider = provider(json!({ "number": 1 })).await;
    let bench = github(&provider, None, Config::default());
    let mut adas = account(1, "the-first-token");
    adas.next.push_back("the-second-token".to_owned());
    bench.connect(Some(ADA), adas);
    // A provider that tells what it was sent.
    let echo = json!({ "title": "is the-second-token and the-first-token", "number": 1 });
    provider.script([unauthorized("bad the-first-token"), Reply::json(201, &echo)]);

    let call = |tool| bench.call(ADA, tool, new_issue());
    let result = bench.run(call("github_create_issue")).await.ok();
    bench.run(call("github_create_issue")).await.ok();

    let tokens = ["first", "second", "second"];
    assert_eq!(
        shown(&provider),
        tokens.map(|which| format!("Bearer the-{which}-token"))
    );
    assert_eq!(bench.asked(), 2, "the new one is kept");
    let refused = bench.control_plane.state().asked[1].refused;
    assert_eq!(refused.map(|(_, generation)| generation), Some(1));
    let text = result.to_string();
    assert!(text.contains("is [redacted] and [redacted]"), "{text}");
    let log = log.text();
    assert!(!log.is_empty() && !log.contains("-token"), "{log}");
}

#[tokio::test]
async fn many_calls_that_are_refused_together_renew_once() {
    let provider = provider(json!([])).await;
    let bench = github(&provider, None, Config::default());
    let mut adas = account(1, "the-first-token");
    adas.next.push_back("the-second-token".to_owned());
    bench.connect(Some(ADA), adas);
    bench
        .run(bench.call(ADA, "github_list_issues", issues()))
        .await
        .ok();
    provider.script((0..20).map(|_| unauthorized("no")));

    let calls = (0..20).map(|_| bench.run(bench.call(ADA, "github_list_issues", issues())));
    let ended = futures_util::future::join_all(calls).await;

    // The stand-in refuses twenty requests, whoever makes them: a second attempt may be among them.
    let renewed = ended.len();
    assert_eq!(renewed, 20);
    let state = bench.control_plane.state();
    let generations = state.asked.iter().filter_map(|asked| asked.refused);
    let first = generations.filter(|(_, generation)| *generation == 1);
    assert_eq!(first.count(), 1, "one refresh for one generation");
}

#[tokio::test]
async fn a_token_that_is_refused_twice_leaves_it_to_a_person() {
    let provider = provider(json!([])).await;
    let bench = github(&provider, None, Config::default());
    let refused = || {
        let mut account = account(1, "the-first-token");
        account.next.push_back("the-second-token".to_owned());
        account
    };
    bench.connect(Some(ADA), refused());
    bench.connect(Some(BEN), refused());
    let call = |key| bench.call(key, "github_list_issues", issues());

    provider.script([unauthorized("no"), unauthorized("no")]);
    let words = bench.run(call(ADA)).await.refused();
    assert!(
        words.contains("must be connected again") && words.contains("/connect/nonce-"),
        "{words}"
    );
    assert_eq!(provider.seen().len(), 2, "there is no third attempt");

    provider.script([unauthorized("no"), unauthorized("no")]);
    let asked = bench.run(who_opens_pages(call(BEN))).await.asks();
    assert_eq!(
        asked.params["message"],
        "The account must be connected again."
    );
}

#[tokio::test]
async fn a_refusal_without_a_refresh_is_a_failure_that_may_be_tried_again() {
    let provider = provider(json!([])).await;
    let bench = github(&provider, None, Config::default());
    bench.connect(Some(ADA), account(1, "the-first-token"));
    bench.control_plane.state().no_provider = true;
    provider.script([unauthorized("no")]);

    let call = bench.call(ADA, "github_list_issues", issues());
    let failure = bench.run(call).await.failed();

    assert_eq!(failure.kind, FailureKind::Credential);
    assert_eq!(failure.effect, fabric::Effect::None);
    assert!(failure.message.contains("try again later"), "{failure}");
}

/// How a provider says that the grant is too small, and what is asked for then.
async fn too_small(catalog: &str, tool: &str, arguments: Value, refusal: Reply) -> Vec<String> {
    let provider = provider(json!({ "ok": true })).await;
    let mut lease = lease_of(catalog, provider.url(), None);
    lease.takes_accounts = true;
    let bench = Bench::of(lease, Config::default());
    bench.connect(Some(ADA), account(1, "adas-own-token"));
    provider.script([refusal]);

    let call = who_opens_pages(bench.call(ADA, tool, arguments));
    let asked = bench.run(call.clone()).await.asks();
    assert_eq!(asked.params["message"], "The account's grant is too small.");
    let scopes = bench.last_asked().further_scopes;

    // The person agrees; the same account, of another generation, has them.
    let mut larger = account(1, "adas-larger-token");
    (larger.generation, larger.scopes) = (2, scopes.clone());
    bench.connect(Some(ADA), larger);
    bench.run(answered(call, &asked, "accept")).await.ok();
    assert_eq!(
        shown(&provider),
        ["Bearer adas-own-token", "Bearer adas-larger-token"]
    );
    scopes
}

#[tokio::test]
async fn a_grant_that_is_too_small_is_made_larger_by_the_person_however_the_provider_says_so() {
    let forbidden = |body: Value| Reply::json(403, &body);
    let asked = too_small(
        "github",
        "github_list_issues",
        issues(),
        forbidden(json!({ "message": "no" }))
            .with("x-oauth-scopes", "read:user, gist")
            .with("x-accepted-oauth-scopes", "repo, public_repo"),
    );
    assert_eq!(asked.await, ["repo"]);
    let challenge =
        r#"Bearer realm="x", error="insufficient_scope", scope="https://g.example/one two""#;
    let asked = too_small(
        "gmail",
        "gmail_list_labels",
        json!({}),
        forbidden(json!({})).with("www-authenticate", challenge),
    );
    assert_eq!(asked.await, ["https://g.example/one", "two"]);
    let details = json!({ "error": {
        "status": "PERMISSION_DENIED",
        "details": [{ "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT" }],
    } });
    let asked = too_small("gmail", "gmail_list_labels", json!({}), forbidden(details));
    let scopes = asked.await;
    assert!(
        !scopes.is_empty() && scopes.iter().all(|scope| scope.contains("gmail")),
        "{scopes:?}"
    );
    let missing =
        json!({ "ok": false, "error": "missing_scope", "needed": "users:read,team:read" });
    let asked = too_small(
        "slack",
        "slack_users_list",
        json!({}),
        Reply::json(200, &missing),
    );
    assert_eq!(asked.await, ["users:read", "team:read"]);
}

/// Status and body of what providers say of a grant that is too small, the tool that they say it
/// to, and what is asked for then.
fn grants_too_small() -> Vec<(&'static str, &'static str, u16, Value, Vec<&'static str>)> {
    let atlassian = || json!({ "code": 401, "message": "Unauthorized; scope does not match" });
    let zoom = |code: u16| {
        let message = "Invalid access token, does not contain scopes:[meeting:read:list_meetings].";
        json!({ "code": code, "message": message })
    };
    let linear = json!({ "data": null, "errors": [{
        "message": "Invalid scope: `read` required",
        "extensions": { "type": "forbidden", "code": "FORBIDDEN", "statusCode": 403 },
    }] });
    let bitbucket = json!({ "type": "error", "error": {
        "message": "Your credentials lack one or more required privilege scopes.",
        "detail": { "granted": ["account"], "required": ["project"] },
    } });
    let gitlab = json!({
        "error": "insufficient_scope",
        "error_description": "The request requires higher privileges than provided.",
        "scope": "api read_api",
    });
    vec![
        (
            "jira",
            "jira_list_projects",
            401,
            atlassian(),
            vec!["read:jira-work"],
        ),
        (
            "confluence",
            "confluence_list_spaces",
            401,
            atlassian(),
            vec!["read:space:confluence"],
        ),
        ("zoom", "zoom_list_meetings", 400, zoom(4711), vec![]),
        ("zoom", "zoom_list_meetings", 400, zoom(104), vec![]),
        ("linear", "linear_list_teams", 200, linear, vec!["read"]),
        (
            "bitbucket",
            "bitbucket_get_current_user",
            403,
            bitbucket,
            vec!["project"],
        ),
        (
            "gitlab",
            "gitlab_list_projects",
            403,
            gitlab,
            vec!["api", "read_api"],
        ),
    ]
}

#[tokio::test]
async fn each_providers_own_words_for_a_grant_that_is_too_small_are_understood() {
    for (connector, tool, status, body, scopes) in grants_too_small() {
        let asked = too_small(connector, tool, json!({}), Reply::json(status, &body)).await;
        match scopes.is_empty() {
            // Those of the manifest, classic or granular.
            true => assert!(!asked.is_empty(), "{connector}"),
            false => assert_eq!(asked, scopes, "{connector}"),
        }
    }
}

#[tokio::test]
async fn a_token_that_ended_is_known_by_its_code_where_the_status_says_something_else() {
    let ended = json!({ "data": null, "errors": [{
        "message": "Authentication required, not authenticated",
        "extensions": { "type": "authentication error", "code": "AUTHENTICATION_ERROR" },
    }] });
    let zoom = json!({ "code": 124, "message": "Access token is expired." });
    for (connector, tool, status, body) in [
        ("linear", "linear_list_teams", 400, ended.clone()),
        ("linear", "linear_list_teams", 200, ended),
        ("zoom", "zoom_list_meetings", 400, zoom),
    ] {
        let provider = provider(json!({ "data": {} })).await;
        let mut lease = lease_of(connector, provider.url(), None);
        lease.takes_accounts = true;
        let bench = Bench::of(lease, Config::default());
        let mut held = account(1, "the-old-token");
        held.next.push_back("the-new-token".to_owned());
        bench.connect(Some(ADA), held);
        provider.script([Reply::json(status, &body)]);

        bench.run(bench.call(ADA, tool, json!({}))).await.ok();

        let tokens = ["Bearer the-old-token", "Bearer the-new-token"];
        assert_eq!(shown(&provider), tokens, "{connector}");
    }
}

#[tokio::test]
async fn a_refusal_that_is_not_about_the_grant_stays_the_providers() {
    let provider = provider(json!([])).await;
    let bench = github(&provider, None, Config::default());
    bench.connect(Some(ADA), account(1, "adas-own-token"));
    let enough = Reply::json(403, &json!({ "message": "archived" }))
        .with("x-oauth-scopes", "repo")
        .with("x-accepted-oauth-scopes", "repo");
    provider.script([enough]);

    let call = who_opens_pages(bench.call(ADA, "github_list_issues", issues()));
    let words = bench.run(call).await.refused();

    assert!(words.contains("archived"), "{words}");
    assert_eq!(bench.asked(), 1);
}

#[tokio::test]
async fn a_slack_account_without_a_user_token_is_asked_for_one_before_anything_is_sent() {
    let provider = provider(json!({ "ok": true })).await;
    let mut lease = lease_of("slack", provider.url(), None);
    lease.takes_accounts = true;
    let bench = Bench::of(lease, Config::default());
    bench.connect(Some(ADA), account(1, "xoxb-the-bots-token"));

    let tool = "slack_conversations_search_messages";
    let words = bench.run(bench.call(ADA, tool, json!({ "query": "x" })));

    assert!(words.await.refused().contains("/connect/nonce-"));
    assert_eq!(bench.last_asked().further_scopes, ["search:read"]);
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn a_call_that_has_done_something_is_never_repeated_for_an_account() {
    let provider: Provider = provider(json!({})).await;
    let mut lease = lease_of("google_docs", provider.url(), None);
    lease.takes_accounts = true;
    let bench = Bench::of(lease, Config::default());
    bench.connect(Some(ADA), account(1, "adas-own-token"));
    let created = Reply::json(200, &json!({ "documentId": "d9", "title": "T" }));
    provider.script([created, unauthorized("no")]);

    let arguments = json!({ "title": "T", "initial_content": "Hi" });
    let call = bench.call(ADA, "google_docs_create_document", arguments);
    let words = bench.run(who_opens_pages(call)).await.refused();

    assert!(words.contains("/connect/nonce-"), "{words}");
    assert!(words.contains("A part of the call was done"), "{words}");
}
