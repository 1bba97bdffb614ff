//! Arguments that break the schema: nothing is sent, and the answer says what to mend.

use connector_worker::native::Signed;
use domain::ConnectorKind;
use fabric::{Effect, FailureKind, Outcome};
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::{call, call_with, engine, lease, lease_of, small_github};

async fn refusal_of(tool: &str, arguments: Value) -> String {
    let provider = small_github().await;
    let text = call(&provider, tool, arguments).await.refused();
    assert!(provider.seen().is_empty(), "nothing may be sent: {text}");
    text
}

#[tokio::test]
async fn a_violation_names_the_argument_and_the_rule_and_nothing_is_sent() {
    let issues = |mut extra: Value| {
        let base = json!({ "owner": "o", "repo": "r" });
        for (key, value) in base.as_object().unwrap() {
            extra
                .as_object_mut()
                .unwrap()
                .entry(key)
                .or_insert(value.clone());
        }
        refusal_of("github_list_issues", extra)
    };
    let told = |rule: &str| format!("github_list_issues was not called: {rule}.");

    assert_eq!(
        refusal_of("github_list_issues", json!({ "owner": "o" })).await,
        told("argument \"repo\" is required")
    );
    assert_eq!(
        issues(json!({ "per_page": 101 })).await,
        told("argument \"per_page\" must be at most 100")
    );
    assert_eq!(
        issues(json!({ "page": 0 })).await,
        told("argument \"page\" must be at least 1")
    );
    assert_eq!(
        issues(json!({ "page": "two" })).await,
        told("argument \"page\" must be of type integer, not \"two\"")
    );
    assert_eq!(
        issues(json!({ "state": "merged" })).await,
        told("argument \"state\" must be one of \"open\", \"closed\", \"all\", not \"merged\"")
    );
    assert_eq!(
        issues(json!({ "colour": 1 })).await,
        told(
            "argument \"colour\" is not known; the tool takes: owner, repo, state, labels, assignee, \
             milestone, since, sort, direction, per_page, page, fields, full"
        )
    );
    assert_eq!(
        issues(json!({ "owner": "" })).await,
        told("argument \"owner\" must not be empty")
    );
    assert_eq!(
        issues(json!({ "owner": null, "repo": ["r"] })).await,
        told(
            "argument \"owner\" is required; argument \"repo\" must be of type string, not [\"r\"]"
        )
    );
}

#[tokio::test]
async fn a_violation_inside_an_argument_says_where() {
    let review =
        json!({ "owner": "o", "repo": "r", "pull_number": 1, "comments": [{ "path": "a" }] });
    assert_eq!(
        refusal_of("github_create_pull_request_review", review).await,
        "github_create_pull_request_review was not called: argument \"comments[0].body\" is required."
    );
    let nobody = json!({ "owner": "o", "repo": "r", "pull_number": 1 });
    assert_eq!(
        refusal_of("github_request_pull_request_reviewers", nobody).await,
        "github_request_pull_request_reviewers was not called: at least one of the arguments \
         \"reviewers\", \"team_reviewers\" is required."
    );
}

#[tokio::test]
async fn no_argument_climbs_out_of_its_place_in_the_path() {
    for owner in ["..", "."] {
        let text = refusal_of(
            "github_get_repository",
            json!({ "owner": owner, "repo": "r" }),
        )
        .await;
        assert!(
            text.contains("\"owner\" must not hold \".\" or \"..\""),
            "{text}"
        );
    }
    for path in ["../../../user", "a/../../b", "..", "a/./b"] {
        let arguments = json!({ "owner": "o", "repo": "r", "path": path });
        let text = refusal_of("github_get_file_content", arguments).await;
        assert!(
            text.contains("\"path\" must not hold \".\" or \"..\""),
            "{text}"
        );
    }

    // What is no step up is a name, however it looks, and arrives as one segment.
    let provider = small_github().await;
    for owner in [
        "a/../../user",
        "a?x=1",
        "%2e%2e",
        "a#b",
        "..\\..",
        "a\r\nHost: evil",
    ] {
        let arguments = json!({ "owner": owner, "repo": "r" });
        call(&provider, "github_get_repository", arguments)
            .await
            .ok();
    }
    let targets: Vec<String> = provider
        .seen()
        .into_iter()
        .map(|seen| seen.target)
        .collect();
    assert_eq!(
        targets,
        [
            "/repos/a%2F..%2F..%2Fuser/r",
            "/repos/a%3Fx%3D1/r",
            "/repos/%252e%252e/r",
            "/repos/a%23b/r",
            "/repos/..%5C../r",
            "/repos/a%0D%0AHost%3A%20evil/r",
        ]
    );
    assert_eq!(provider.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_meant_without_doubt_is_understood() {
    let provider = small_github().await;
    let arguments =
        json!({ "owner": "o", "repo": 7, "per_page": "5", "page": 2.0, "labels": null });
    call(&provider, "github_list_issues", arguments).await.ok();
    let create = json!({ "owner": "o", "repo": "r", "title": 5, "labels": "bug, good first issue", "milestone": "3" });
    call(&provider, "github_create_issue", create).await.ok();

    let label = json!({ "owner": "o", "repo": "r", "title": "t", "labels": "[\"a, b\"]" });
    call(&provider, "github_create_issue", label).await.ok();

    let seen = provider.seen();
    assert_eq!(
        seen[0].target,
        "/repos/o/7/issues?state=open&sort=created&direction=desc&per_page=5&page=2"
    );
    assert_eq!(
        serde_json::from_slice::<Value>(&seen[1].body).unwrap(),
        json!({ "title": "5", "labels": ["bug", "good first issue"], "milestone": 3 })
    );
    assert_eq!(
        serde_json::from_slice::<Value>(&seen[2].body).unwrap()["labels"],
        json!(["a, b"])
    );
    assert_eq!(provider.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn arguments_that_are_no_object_and_tools_that_are_none() {
    let provider = small_github().await;
    let (engine, lease) = (engine(), lease(&provider));
    let deadline = Duration::from_secs(5);

    for raw in ["[]", "{", "7", "null", "\"x\""] {
        let outcome = engine
            .call(
                &Signed::own(&lease),
                "github_get_rate_limit",
                Some(raw.as_bytes()),
                deadline,
            )
            .await
            .unwrap();
        let Outcome::Result(result) = outcome else {
            panic!("{raw}: {outcome:?}")
        };
        let result: Value = serde_json::from_slice(&result).unwrap();
        assert_eq!(
            result["content"][0]["text"],
            "github_get_rate_limit was not called: the arguments must be a JSON object."
        );
    }
    let outcome = engine
        .call(&Signed::own(&lease), "github_nothing", None, deadline)
        .await
        .unwrap();
    let Outcome::Error(error) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (error.code, error.message.as_str()),
        (-32602, "Unknown tool: github_nothing")
    );
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn without_a_credential_nothing_is_sent() {
    let provider = small_github().await;
    for token in [None, Some(""), Some("  ")] {
        let lease = lease_of("github", provider.url(), token);
        let failure = call_with(
            &engine(),
            &lease,
            "github_get_authenticated_user",
            &json!({}),
        )
        .await
        .failed();
        assert_eq!(
            (failure.kind, failure.effect, failure.message.as_str()),
            (
                FailureKind::Credential,
                Effect::None,
                "The connector has no GitHub credential: a person connects an account, or an administrator \
                 sets its token (personal access token), or one is added as an account."
            )
        );
    }
    let lease = lease_of("github", provider.url(), Some("two\nlines"));
    let failure = call_with(
        &engine(),
        &lease,
        "github_get_authenticated_user",
        &json!({}),
    )
    .await
    .failed();
    assert_eq!(failure.kind, FailureKind::Credential);
    assert!(!failure.message.contains("lines"), "{}", failure.message);
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn a_connector_that_no_manifest_runs_is_gone() {
    let provider = small_github().await;
    let mut lease = lease_of("gitea", provider.url(), Some("t"));
    let failure = call_with(&engine(), &lease, "gitea_x", &json!({}))
        .await
        .failed();
    assert_eq!(failure.kind, FailureKind::Gone);
    assert_eq!(
        failure.message,
        "there is no connector type \"gitea\": no manifest of it is here, built in or in a folder."
    );

    lease.connector.kind = ConnectorKind::RemoteMcp {
        url: provider.url().parse().unwrap(),
    };
    let failure = call_with(&engine(), &lease, "x", &json!({})).await.failed();
    assert_eq!(failure.kind, FailureKind::Internal);
}
