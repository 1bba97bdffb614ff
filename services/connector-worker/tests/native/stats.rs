//! The hooks that add figures up.

use serde_json::{Value, json};
use testkit::provider::{Provider, Reply};

use crate::support::{call, small_github, texts};

fn repository(name: &str, stars: u64, language: &str, fork: bool) -> Value {
    json!({
        "full_name": format!("ada/{name}"), "description": null, "language": language,
        "stargazers_count": stars, "forks_count": 1, "open_issues_count": 2, "fork": fork,
        "created_at": format!("2020-01-0{}T00:00:00Z", stars % 9 + 1),
        "pushed_at": format!("2025-01-0{}T00:00:00Z", stars % 9 + 1),
    })
}

fn next(provider: &Provider, page: u32) -> String {
    format!(
        "<{}/users/ada/repos?page={page}>; rel=\"next\"",
        provider.url()
    )
}

#[tokio::test]
async fn a_users_repositories_are_added_up_over_all_pages() {
    let provider = small_github().await;
    provider.script([
        Reply::json(
            200,
            &json!({ "login": "ada", "followers": 3, "email": "not shown" }),
        ),
        Reply::json(
            200,
            &json!([
                repository("a", 5, "Rust", false),
                repository("b", 7, "C", false)
            ]),
        )
        .with("link", next(&provider, 2)),
        Reply::json(
            200,
            &json!([
                repository("c", 7, "Rust", false),
                repository("d", 1, "Go", true)
            ]),
        ),
    ]);

    let stats = call(
        &provider,
        "github_get_user_stats",
        json!({ "username": "ada" }),
    )
    .await
    .structured();

    assert_eq!(stats["user"]["login"], "ada");
    assert!(stats["user"].get("email").is_none());
    assert_eq!(stats["complete"], true);
    assert_eq!(
        (&stats["repositories"], &stats["own_repositories"]),
        (&json!(4), &json!(3))
    );
    assert_eq!(
        (&stats["stars"], &stats["forks"], &stats["open_issues"]),
        (&json!(20), &json!(4), &json!(8))
    );
    assert_eq!(
        stats["languages"],
        json!([{ "name": "Rust", "repositories": 2 }, { "name": "C", "repositories": 1 }])
    );
    let names: Vec<&Value> = stats["most_starred"]
        .as_array()
        .unwrap()
        .iter()
        .map(|repo| &repo["full_name"])
        .collect();
    assert_eq!(names, ["ada/b", "ada/c", "ada/a", "ada/d"]);
    assert_eq!(stats["first_created_at"], "2020-01-02T00:00:00Z");
    assert_eq!(stats["last_pushed_at"], "2025-01-08T00:00:00Z");
    assert_eq!(provider.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn pages_without_an_end_are_left_after_a_thousand_and_it_is_said() {
    let provider = small_github().await;
    provider.script([Reply::json(200, &json!({ "login": "ada" }))]);
    let page = json!(vec![repository("a", 1, "Rust", false); 100]);
    provider.forever(Reply::json(200, &page).with("link", next(&provider, 2)));

    let result = call(
        &provider,
        "github_get_user_stats",
        json!({ "username": "ada" }),
    )
    .await
    .ok();

    assert_eq!(provider.seen().len(), 11);
    assert_eq!(result["structuredContent"]["complete"], false);
    assert!(texts(&result).ends_with("Only the first 1000 repositories are counted."));
}

#[tokio::test]
async fn a_repository_is_summed_up_with_shares_and_contributors() {
    let provider = small_github().await;
    let last = format!(
        "<{}/repos/o/r/contributors?per_page=100&page=3>; rel=\"last\"",
        provider.url()
    );
    let who = |n: u32| json!({ "login": format!("u{n}"), "contributions": 500 - n, "id": n });
    provider.script([
        Reply::json(
            200,
            &json!({ "full_name": "o/r", "stargazers_count": 9, "license": { "spdx_id": "MIT" } }),
        ),
        Reply::json(200, &json!({ "C": 250, "Rust": 700, "Shell": 50 })),
        Reply::json(200, &(0..100).map(who).collect::<Value>()).with("link", last),
        Reply::json(200, &(0..7).map(who).collect::<Value>()),
    ]);

    let stats = call(
        &provider,
        "github_get_repo_stats",
        json!({ "owner": "o", "repo": "r" }),
    )
    .await
    .structured();

    assert_eq!(
        (&stats["stars"], &stats["license"]),
        (&json!(9), &json!("MIT"))
    );
    assert_eq!(
        stats["languages"],
        json!([
            { "name": "Rust", "bytes": 700, "percent": 70.0 },
            { "name": "C", "bytes": 250, "percent": 25.0 },
            { "name": "Shell", "bytes": 50, "percent": 5.0 },
        ])
    );
    assert_eq!(stats["contributors"], 207);
    assert_eq!(stats["top_contributors"].as_array().unwrap().len(), 10);
    assert_eq!(
        stats["top_contributors"][0],
        json!({ "login": "u0", "contributions": 500, "html_url": null })
    );
    assert_eq!(provider.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_repository_too_large_to_count_keeps_its_other_figures() {
    let provider = small_github().await;
    provider.script([
        Reply::json(200, &json!({ "full_name": "o/r" })),
        Reply::json(200, &json!({})),
        Reply::json(
            403,
            &json!({ "message": "The history or contributor list is too large" }),
        ),
    ]);

    let result = call(
        &provider,
        "github_get_repo_stats",
        json!({ "owner": "o", "repo": "r" }),
    )
    .await
    .ok();

    assert_eq!(result["structuredContent"]["contributors"], Value::Null);
    assert!(texts(&result).ends_with("GitHub does not list the contributors of this repository."));
}

#[tokio::test]
async fn a_refusal_on_the_way_is_the_answer() {
    let provider = small_github().await;
    provider.forever(Reply::json(404, &json!({ "message": "Not Found" })));

    let text = call(
        &provider,
        "github_get_user_stats",
        json!({ "username": "nobody" }),
    )
    .await
    .refused();

    assert!(
        text.starts_with("GitHub refused the call: 404 Not Found"),
        "{text}"
    );
    assert_eq!(provider.seen().len(), 1);
}
