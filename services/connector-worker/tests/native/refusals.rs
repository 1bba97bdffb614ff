//! What the provider refuses, in words that a model can act on.

use fabric::{Effect, FailureKind};
use serde_json::{Value, json};
use testkit::provider::Reply;

use crate::support::{End, call, call_with, engine_with, lease, limits, small_github, texts};

/// A call of `github_list_issues` that is answered so each time.
async fn listed(reply: Reply) -> End {
    let provider = small_github().await;
    provider.forever(reply);
    let end = call(
        &provider,
        "github_list_issues",
        json!({ "owner": "o", "repo": "r" }),
    )
    .await;
    assert_eq!(provider.violations(), Vec::<String>::new());
    end
}

fn problem(status: u16, message: &str) -> Reply {
    let body = json!({ "message": message, "documentation_url": "https://docs.example.com/x" });
    Reply::json(status, &body)
}

#[tokio::test]
async fn a_wrong_credential_is_the_administrators_business() {
    assert_eq!(
        listed(problem(401, "Bad credentials")).await.refused(),
        "GitHub refused the call: 401 Unauthorized: Bad credentials\n\
         documentation_url: https://docs.example.com/x\n\
         The connected GitHub credential is wrong, expired or revoked: an administrator must set a new one."
    );
}

#[tokio::test]
async fn a_missing_permission_is_told_with_what_the_tool_needs_and_the_token_has() {
    let reply = problem(403, "Resource not accessible").with("x-oauth-scopes", "gist, read:org");
    assert_eq!(
        listed(reply).await.refused(),
        "GitHub refused the call: 403 Forbidden: Resource not accessible\n\
         documentation_url: https://docs.example.com/x\n\
         The connected GitHub credential may not do this. This tool needs the scope repo. \
         The token has: gist, read:org."
    );
}

#[tokio::test]
async fn a_used_up_rate_limit_is_told_with_its_end() {
    // The clock of these tests stands at 03:04:05.
    let reply = problem(403, "API rate limit exceeded")
        .with("x-ratelimit-remaining", "0")
        .with("x-ratelimit-reset", "1767323645");
    assert_eq!(
        listed(reply).await.refused(),
        "GitHub refused the call: 403 Forbidden: API rate limit exceeded\n\
         documentation_url: https://docs.example.com/x\n\
         The rate limit of the credential is used up. Try again in 600 s (at 2026-01-02T03:14:05Z)."
    );
    let reply = problem(403, "You have exceeded a secondary rate limit");
    let text = listed(reply).await.refused();
    assert!(
        text.ends_with("Try again in a minute or later, with fewer calls."),
        "{text}"
    );
}

#[tokio::test]
async fn not_found_may_mean_not_allowed() {
    let text = listed(problem(404, "Not Found")).await.refused();
    assert!(
        text.starts_with("GitHub refused the call: 404 Not Found: Not Found\n"),
        "{text}"
    );
    assert!(text.contains("or the credential may not see it"), "{text}");
}

#[tokio::test]
async fn a_conflict_and_field_errors_are_told_in_full() {
    let text = listed(problem(409, "is at 1 but expected 2"))
        .await
        .refused();
    assert!(
        text.contains("409 Conflict: is at 1 but expected 2"),
        "{text}"
    );
    assert!(text.contains("read it again, then decide"), "{text}");

    let provider = small_github().await;
    let errors = json!([{ "resource": "Issue", "field": "title", "code": "missing_field" }]);
    provider.forever(Reply::json(
        422,
        &json!({ "message": "Validation Failed", "errors": errors }),
    ));
    let arguments = json!({ "owner": "o", "repo": "r", "title": "t" });
    let End::Result(result) = call(&provider, "github_create_issue", arguments).await else {
        panic!("a refusal is a result")
    };
    assert_eq!(
        result["content"][0]["text"],
        "GitHub refused the call: 422 Unprocessable Entity: Validation Failed\n\
         errors: [{\"resource\":\"Issue\",\"field\":\"title\",\"code\":\"missing_field\"}]\n\
         The provider does not accept these arguments: correct what it names before trying again."
    );
    assert_eq!(
        result["structuredContent"]["error"],
        json!({ "status": 422, "message": "Validation Failed", "errors": errors })
    );
}

#[tokio::test]
async fn what_is_no_json_is_not_taken_for_an_answer() {
    let html = "<!DOCTYPE html><title>Sign in</title>";
    let failure = listed(Reply::text(200, "text/html", html)).await.failed();
    assert_eq!(
        (failure.kind, failure.effect, failure.message.as_str()),
        (
            FailureKind::Garbage,
            Effect::None,
            "GitHub answered a web page instead of JSON; is the base URL right? (status 200)."
        )
    );

    let half = Reply::text(200, "application/json", "[{\"number\": 1}, {\"numb");
    let failure = listed(half).await.failed();
    assert_eq!(
        failure.message,
        "GitHub answered JSON that ends in the middle (status 200)."
    );

    let text = listed(Reply::text(404, "text/html", html)).await.refused();
    assert!(
        text.contains("404 Not Found\nThe answer is a web page"),
        "{text}"
    );

    // Where something may have been made, it is said.
    let provider = small_github().await;
    provider.forever(Reply::text(201, "application/json", "{"));
    let arguments = json!({ "owner": "o", "repo": "r", "title": "t" });
    let failure = call(&provider, "github_create_issue", arguments)
        .await
        .failed();
    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Garbage, Effect::Possible)
    );
}

#[tokio::test]
async fn an_answer_beyond_the_bound_is_refused_while_it_comes() {
    let body = vec![b' '; 20 * 1024 * 1024];
    let failure = listed(Reply::text(200, "application/json", body))
        .await
        .failed();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (
            FailureKind::TooLarge,
            "GitHub's answer is too large, more than 10485760 bytes: ask for fewer items in a page."
        )
    );

    // At the bound it is taken, one byte above it is not.
    for (length, fits) in [(1_000, true), (1_001, false)] {
        let provider = small_github().await;
        let padding = " ".repeat(length - 2);
        provider.forever(Reply::text(200, "application/json", format!("{padding}[]")));
        let limits = connector_worker::native::EngineLimits {
            response_max_bytes: 1_000,
            ..limits()
        };
        let engine = engine_with(catalog::Catalog::builtin(), limits);
        let arguments = json!({ "owner": "o", "repo": "r" });
        let end = call_with(&engine, &lease(&provider), "github_list_issues", &arguments).await;
        assert_eq!(
            matches!(end, End::Result(_)),
            fits,
            "{length} bytes: {end:?}"
        );
    }
}

#[tokio::test]
async fn a_result_that_outgrows_its_answer_is_refused_too() {
    let provider = small_github().await;
    // Each quote is one byte more in the text of the result.
    provider.forever(Reply::json(200, &json!([{ "title": "\"".repeat(600) }])));
    let limits = connector_worker::native::EngineLimits {
        result_max_bytes: 2_000,
        ..limits()
    };
    let engine = engine_with(catalog::Catalog::builtin(), limits);
    let arguments = json!({ "owner": "o", "repo": "r" });

    let failure = call_with(&engine, &lease(&provider), "github_list_issues", &arguments)
        .await
        .failed();

    assert_eq!(failure.kind, FailureKind::TooLarge);
}

#[tokio::test]
async fn a_page_comes_with_the_arguments_for_the_next_and_a_foreign_link_with_none() {
    let next = |url: &str| {
        let link = format!("<{url}>; rel=\"next\", <https://x.example/?page=9>; rel=\"last\"");
        Reply::json(200, &json!([{ "number": 1 }])).with("link", link)
    };
    let provider = small_github().await;
    provider.script([
        next(&format!(
            "{}/repositories/1/issues?per_page=30&page=2",
            provider.url()
        )),
        next("https://evil.example/issues?page=2"),
        next(&format!("{}/x?per_page=30&after=Y3Vyc29y", provider.url())),
    ]);
    let arguments = json!({ "owner": "o", "repo": "r" });

    let first = call(&provider, "github_list_issues", arguments.clone())
        .await
        .ok();
    assert_eq!(
        first["structuredContent"],
        json!({ "items": [{ "number": 1 }], "next_page": { "page": 2 } })
    );
    assert_eq!(
        texts(&first),
        "{\"items\":[{\"number\":1}],\"next_page\":{\"page\":2}}\n\
         There are more: call again with {\"page\":2} added."
    );
    let second = call(&provider, "github_list_issues", arguments.clone())
        .await
        .structured();
    assert_eq!(second, json!({ "items": [{ "number": 1 }] }));
    let third = call(&provider, "github_list_dependabot_alerts", arguments)
        .await
        .structured();
    assert_eq!(third["next_page"], json!({ "after": "Y3Vyc29y" }));
}

#[tokio::test]
async fn answers_take_the_form_that_the_tool_promises() {
    let provider = small_github().await;
    let file = json!({ "type": "file", "encoding": "base64", "content": "SGVsbG8s\nIHfDtnJsZAo=\n", "sha": "1" });
    let binary = json!({ "encoding": "base64", "content": "/9j/4A==" });
    let secrets = json!([{ "number": 1, "secret": "hunter2", "more": { "secret": "hunter2" } }]);
    provider.script([
        Reply::json(200, &file),
        Reply::json(200, &binary),
        Reply::json(200, &secrets),
        Reply::json(200, &json!({ "login": "me" }))
            .with("x-oauth-scopes", "repo")
            .with("x-github-request-id", "A:1"),
        Reply {
            headers: vec![],
            ..Reply::text(204, "text/plain", "")
        },
        Reply {
            headers: vec![],
            ..Reply::text(204, "text/plain", "")
        },
        Reply::json(202, &json!({ "full_name": "me/r" })),
    ]);
    let repo = |more: Value| {
        let mut arguments = json!({ "owner": "o", "repo": "r" });
        arguments
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        arguments
    };
    let call = |tool: &'static str, arguments| call(&provider, tool, arguments);

    let read = call("github_get_file_content", repo(json!({ "path": "a.txt" })))
        .await
        .structured();
    assert_eq!(
        read,
        json!({ "type": "file", "encoding": "utf-8", "content": "Hello, wörld\n", "sha": "1" })
    );
    let read = call("github_get_file_content", repo(json!({ "path": "a.jpg" })))
        .await
        .structured();
    assert_eq!(read, binary);
    let alerts = call(
        "github_list_secret_scanning_alerts",
        repo(json!({ "hide_secret": false })),
    )
    .await
    .ok();
    assert_eq!(
        alerts["structuredContent"],
        json!({ "items": [{ "number": 1 }] })
    );
    assert!(!alerts.to_string().contains("hunter2"));
    let scopes = call("github_check_token_scopes", json!({}))
        .await
        .structured();
    assert_eq!(
        scopes,
        json!({ "x-oauth-scopes": "repo", "x-accepted-oauth-scopes": null, "x-github-request-id": "A:1" })
    );
    let deleted = call(
        "github_delete_issue_comment",
        repo(json!({ "comment_id": 1 })),
    )
    .await
    .structured();
    assert_eq!(
        deleted,
        json!({ "done": true, "status": 204, "message": "GitHub did it and returned nothing." })
    );
    let empty = call("github_list_contributors", repo(json!({})))
        .await
        .structured();
    assert_eq!(empty, json!({ "items": [] }));
    let forked = call("github_fork_repository", repo(json!({}))).await.ok();
    assert!(
        texts(&forked).ends_with("GitHub has accepted this and finishes it in the background.")
    );
    assert_eq!(provider.violations(), Vec::<String>::new());
}
