//! How much of a provider's JSON a result shows.

use catalog::{Catalog, Target};
use serde_json::{Map, Value, json};

use crate::stage::Stage;
use crate::support::texts;

/// What follows a repository's or a user's own address in the addresses that GitHub gives with it.
const REPO_URLS: &[(&str, &str)] = &[
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    (
        "notifications_url",
        "/notifications{?since,all,participating}",
    ),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];
const USER_URLS: &[(&str, &str)] = &[
    ("events_url", "/events{/privacy}"),
    ("followers_url", "/followers"),
    ("following_url", "/following{/other_user}"),
    ("gists_url", "/gists{/gist_id}"),
    ("organizations_url", "/orgs"),
    ("received_events_url", "/received_events"),
    ("repos_url", "/repos"),
    ("starred_url", "/starred{/owner}{/repo}"),
    ("subscriptions_url", "/subscriptions"),
    ("url", ""),
];

fn with_urls(value: Value, base: &str, urls: &[(&str, &str)]) -> Value {
    let Value::Object(mut members) = value else {
        unreachable!("an object")
    };
    let urls = urls.iter();
    members.extend(urls.map(|(name, end)| ((*name).to_owned(), json!(format!("{base}{end}")))));
    Value::Object(members)
}

fn user(login: &str) -> Value {
    let base = format!("https://api.github.com/users/{login}");
    let own = json!({
        "login": login, "id": 583_231, "node_id": "MDQ6VXNlcjU4MzIzMQ==", "gravatar_id": "",
        "avatar_url": "https://avatars.githubusercontent.com/u/583231?v=4",
        "html_url": format!("https://github.com/{login}"), "type": "User",
        "user_view_type": "public", "site_admin": false,
    });
    with_urls(own, &base, USER_URLS)
}

/// A repository as GitHub lists it.
fn repository(n: u32) -> Value {
    let name = format!("engine-{n}");
    let base = format!("https://api.github.com/repos/ada/{name}");
    let own = json!({
        "id": 1_296_269 + n, "node_id": "MDEwOlJlcG9zaXRvcnkxMjk2MjY5", "name": name,
        "full_name": format!("ada/{name}"), "private": false, "owner": user("ada"),
        "html_url": format!("https://github.com/ada/{name}"),
        "description": "Notes on an engine that computes.", "fork": false,
        "git_url": "git://github.com/ada/engine.git", "ssh_url": "git@github.com:ada/engine.git",
        "clone_url": "https://github.com/ada/engine.git",
        "svn_url": "https://github.com/ada/engine", "mirror_url": null, "homepage": null,
    });
    let figures = json!({
        "size": 180, "stargazers_count": 80, "watchers_count": 80, "language": "Rust",
        "has_issues": true, "has_projects": true, "has_downloads": true, "has_wiki": true,
        "has_pages": false, "has_discussions": false, "forks_count": 9, "archived": false,
        "disabled": false, "open_issues_count": 4, "license": null, "allow_forking": true,
        "is_template": false, "web_commit_signoff_required": false, "topics": [],
        "visibility": "public", "forks": 9, "open_issues": 4, "watchers": 80,
        "default_branch": "main", "created_at": "2011-01-26T19:01:12Z",
        "updated_at": "2026-01-26T19:14:43Z", "pushed_at": "2026-01-26T19:06:43Z",
        "permissions": {
            "admin": true, "maintain": true, "push": true, "triage": true, "pull": true,
        },
    });
    let figures = figures.as_object().unwrap().clone();
    let own = own.as_object().unwrap().clone().into_iter().chain(figures);
    with_urls(own.collect(), &base, REPO_URLS)
}

#[tokio::test]
async fn a_list_of_repositories_is_a_fraction_of_what_the_provider_sends() {
    let sent: Vec<Value> = (0..30).map(repository).collect();
    let sent = Value::Array(sent);
    let github = Stage::of("github", [sent.clone(), sent.clone()]).await;

    let useful = github
        .call("github_list_repositories", json!({}))
        .await
        .ok();
    let full = github
        .call("github_list_repositories", json!({ "full": true }))
        .await
        .ok();

    let bytes = |result: &Value| texts(result).len();
    let before = sent.to_string().len();
    eprintln!(
        "30 repositories: {before} bytes sent, {} shown, {} with full",
        bytes(&useful),
        bytes(&full)
    );
    assert_eq!(full["structuredContent"]["items"], sent);
    assert!(
        bytes(&useful) * 5 < before,
        "{} of {before} bytes",
        bytes(&useful)
    );
    let first = &useful["structuredContent"]["items"][0];
    assert_eq!(first["full_name"], "ada/engine-0");
    assert_eq!(first["html_url"], "https://github.com/ada/engine-0");
    assert_eq!(first["owner"], json!({ "login": "ada", "type": "User" }));
    assert_eq!(first["private"], false, "what is false says something");
    for gone in ["node_id", "archive_url", "license", "topics", "url"] {
        assert_eq!(first.get(gone), None, "{gone}");
    }
    let text: Value = serde_json::from_str(&texts(&useful)).unwrap();
    assert_eq!(text, useful["structuredContent"]);
    for target in github.targets() {
        assert!(!target.contains("full"), "{target}");
    }
}

#[tokio::test]
async fn the_caller_names_the_members_to_show() {
    let sent = json!([repository(0), repository(1)]);
    let github = Stage::of("github", [sent.clone(), sent.clone(), sent, repository(2)]).await;
    let call = async |fields: Value| {
        let arguments = json!({ "fields": fields });
        github
            .call("github_list_repositories", arguments)
            .await
            .ok()
    };

    let named = call(json!(["full_name", "owner.node_id", "topics"])).await;
    assert_eq!(
        named["structuredContent"]["items"][0],
        json!({
            "full_name": "ada/engine-0", "topics": [],
            "owner": { "node_id": "MDQ6VXNlcjU4MzIzMQ==" },
        })
    );
    let listed = call(json!("items[].name, $.size")).await;
    assert_eq!(
        listed["structuredContent"]["items"],
        json!([{ "name": "engine-0", "size": 180 }, { "name": "engine-1", "size": 180 }])
    );
    let nothing = call(json!(["colour"])).await;
    assert!(
        texts(&nothing).contains("No member has the name colour: call without fields"),
        "{nothing}"
    );
    let one = json!({ "owner": "ada", "repo": "x", "fields": ["id"] });
    let one = github.call("github_get_repository", one).await.structured();
    assert_eq!(one, json!({ "id": 1_296_271 }));
    for target in github.targets() {
        assert!(!target.contains("fields"), "{target}");
    }
}

#[tokio::test]
async fn what_stands_around_a_list_stays_and_an_empty_list_too() {
    let page = json!({
        "ok": true, "channels": [], "response_metadata": { "next_cursor": "dXNlcjpV" },
    });
    let issues = json!({
        "total_count": 1, "incomplete_results": false,
        "items": [{ "number": 7, "milestone": null, "labels": [], "user": user("ada") }],
    });

    let slack = Stage::of("slack", [page]).await;
    let channels = slack
        .call("slack_conversations_list", json!({}))
        .await
        .structured();
    assert_eq!(channels["channels"], json!([]));
    assert_eq!(channels["next_page"], json!({ "cursor": "dXNlcjpV" }));

    let github = Stage::of("github", [issues]).await;
    let query = json!({ "q": "is:open", "fields": "number" });
    let found = github
        .call("github_search_issues", query)
        .await
        .structured();
    assert_eq!(found["total_count"], 1);
    assert_eq!(found["items"], json!([{ "number": 7 }]));

    let issue = json!({
        "data": { "issue": { "id": "u", "identifier": "ENG-1", "assignee": null, "title": "T" } },
    });
    let linear = Stage::of("linear", [issue.clone(), issue]).await;
    let get = async |fields: &str| {
        let arguments = json!({ "id": "ENG-1", "fields": fields });
        linear
            .call("linear_get_issue", arguments)
            .await
            .structured()
    };
    assert_eq!(
        get("title").await,
        json!({ "data": { "issue": { "title": "T" } } })
    );
    assert_eq!(get("").await["data"]["issue"].get("assignee"), None);
}

#[test]
fn every_tool_with_a_json_answer_takes_both_unless_the_provider_has_one_of_that_name() {
    let (mut with, mut own) = (0, Vec::new());
    for connector in Catalog::builtin().connectors() {
        for tool in &connector.tools {
            let names = ["fields", "full"].map(|name| {
                let named = |arg: &&catalog::Arg| {
                    arg.name == name || arg.aliases.iter().any(|alias| alias == name)
                };
                let found: Vec<_> = tool.args.iter().filter(named).collect();
                assert!(found.len() <= 1, "{} has two {name}", tool.name);
                found.first().map(|arg| &arg.target).cloned()
            });
            let ours =
                |target: &Option<Target>| matches!(target, Some(Target::Fields | Target::Full));
            with += usize::from(names.iter().any(ours));
            for (name, target) in ["fields", "full"].iter().zip(&names) {
                if target.is_some() && !ours(target) {
                    own.push(format!("{}.{name}", tool.name));
                }
            }
            let schema: Map<String, Value> =
                tool.input_schema["properties"].as_object().unwrap().clone();
            assert_eq!(schema.len(), tool.args.len(), "{}", tool.name);
        }
    }
    eprintln!("{with} tools take fields or full; the provider's own: {own:?}");
    assert!(with > 600, "{with}");
    assert!(own.contains(&"jira_get_issue.fields".to_owned()), "{own:?}");
}
