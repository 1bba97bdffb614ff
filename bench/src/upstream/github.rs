//! A GitHub with one repository, as far as its issues go: answers as long and as deep as the real
//! one's, with the header fields that it sends. It answers in full each time, as if all had changed.
//!
//! `GET /github/repos/{owner}/{repo}/issues/{number}` is one issue of some 7 KB, and
//! `GET /github/repos/{owner}/{repo}/issues` a page of four, some 22 KB.

use std::sync::LazyLock;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, LINK, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

const API: &str = "https://api.github.com";
const SITE: &str = "https://github.com";
const REPOSITORY: &str = "acme/anvil";
const NEWEST: u64 = 1348;
/// Issues of a page.
const PAGE: u64 = 4;

/// What all answers say beside what they are.
const HEADERS: &[(&str, &str)] = &[
    ("cache-control", "private, max-age=60, s-maxage=60"),
    (
        "vary",
        "Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With",
    ),
    ("last-modified", "Fri, 20 Nov 2026 17:12:09 GMT"),
    ("x-oauth-scopes", "repo"),
    ("x-accepted-oauth-scopes", ""),
    ("x-github-media-type", "github.v3; format=json"),
    ("x-github-api-version-selected", "2022-11-28"),
    ("x-ratelimit-limit", "5000"),
    ("x-ratelimit-remaining", "4987"),
    ("x-ratelimit-reset", "1795284729"),
    ("x-ratelimit-used", "13"),
    ("x-ratelimit-resource", "core"),
    (
        "access-control-expose-headers",
        "ETag, Link, Location, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Used, X-RateLimit-Resource, X-RateLimit-Reset, X-OAuth-Scopes, X-Accepted-OAuth-Scopes, X-Poll-Interval, X-GitHub-Media-Type",
    ),
    ("access-control-allow-origin", "*"),
    (
        "strict-transport-security",
        "max-age=31536000; includeSubdomains; preload",
    ),
    ("x-frame-options", "deny"),
    ("x-content-type-options", "nosniff"),
    ("x-xss-protection", "0"),
    (
        "referrer-policy",
        "origin-when-cross-origin, strict-origin-when-cross-origin",
    ),
    ("content-security-policy", "default-src 'none'"),
    ("server", "github.com"),
    (
        "x-github-request-id",
        "E5A2:1F2B3C:4D5E6F7:8091A2B:691F5A39",
    ),
];

pub(crate) fn router() -> Router {
    static ISSUE: LazyLock<Bytes> = LazyLock::new(|| issue(NEWEST).to_string().into());
    static ISSUES: LazyLock<Bytes> = LazyLock::new(|| {
        let all: Vec<Value> = (0..PAGE).map(|back| issue(NEWEST - back)).collect();
        json!(all).to_string().into()
    });
    let one = |headers: HeaderMap| async move { answer(&headers, &ISSUE, None) };
    let page = |headers: HeaderMap| async move {
        let next = format!("<{API}/repositories/1296269/issues?page=2>; rel=\"next\"");
        answer(&headers, &ISSUES, HeaderValue::try_from(next).ok())
    };
    Router::new()
        .route("/github/repos/{owner}/{repo}/issues", get(page))
        .route("/github/repos/{owner}/{repo}/issues/{number}", get(one))
}

/// The answer to a request that says what GitHub wants to know; it is refused else, so that nobody
/// is measured who leaves it out.
fn answer(asked: &HeaderMap, body: &Bytes, link: Option<HeaderValue>) -> Response {
    if !asked.contains_key(AUTHORIZATION) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let accepts = asked.get(ACCEPT).map(HeaderValue::as_bytes);
    let is_whole = asked.contains_key(USER_AGENT) && asked.contains_key("x-github-api-version");
    if !is_whole || accepts != Some(b"application/vnd.github+json") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut answer = body.clone().into_response();
    let headers = answer.headers_mut();
    headers.extend(HEADERS.iter().map(|(name, value)| {
        let name = http::HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    }));
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    headers.insert(CONTENT_TYPE, json);
    let tag = "W/\"5c0ffee7a3d94e2b8f61c0d2a9b7e4f35c0ffee7a3d94e2b8f61c0d2a9b7e4f3\"";
    headers.insert(ETAG, HeaderValue::from_static(tag));
    if let Some(link) = link {
        headers.insert(LINK, link);
    }
    answer
}

fn issue(number: u64) -> Value {
    let address = format!("{API}/repos/{REPOSITORY}/issues/{number}");
    let text = |paragraphs: usize| {
        let paragraph = "When the hammer comes down twice within one tick the second blow is lost, \
             and `strike()` still returns `Ok`. Seen with 2.14.1 on Linux and macOS; 2.13 was fine.\n\n";
        paragraph.repeat(paragraphs)
    };
    // Not all issues are alike: every second one has a milestone, every third one nobody.
    let (has_milestone, is_assigned) = (number.is_multiple_of(2), !number.is_multiple_of(3));
    let assignees: Vec<Value> = is_assigned
        .then(|| user("smith", 583_232))
        .into_iter()
        .collect();
    json!({
        "url": address,
        "repository_url": format!("{API}/repos/{REPOSITORY}"),
        "labels_url": format!("{address}/labels{{/name}}"),
        "comments_url": format!("{address}/comments"),
        "events_url": format!("{address}/events"),
        "html_url": format!("{SITE}/{REPOSITORY}/issues/{number}"),
        "id": 2_000_000_000 + number,
        "node_id": "I_kwDOABPHjc5x9c2d",
        "number": number,
        "title": "The second of two quick blows is lost",
        "user": user("apprentice", 1_024_025),
        "labels": [
            label("bug", "d73a4a", "Something is not as it should be"),
            label("area: forge", "0e8a16", "Fire, bellows, tongs"),
        ],
        "state": "open",
        "locked": false,
        "assignee": assignees.first(),
        "assignees": assignees,
        "milestone": has_milestone.then(milestone),
        "comments": 4,
        "created_at": "2026-11-18T08:41:27Z",
        "updated_at": "2026-11-20T17:12:09Z",
        "closed_at": null,
        "author_association": "CONTRIBUTOR",
        "type": null,
        "active_lock_reason": null,
        "sub_issues_summary": { "total": 0, "completed": 0, "percent_completed": 0 },
        "issue_dependencies_summary": { "blocked_by": 0, "total_blocked_by": 0, "blocking": 0, "total_blocking": 0 },
        "body": text(6),
        "closed_by": null,
        "reactions": {
            "url": format!("{address}/reactions"),
            "total_count": 3, "+1": 2, "-1": 0, "laugh": 0, "hooray": 0,
            "confused": 0, "heart": 1, "rocket": 0, "eyes": 0,
        },
        "timeline_url": format!("{address}/timeline"),
        "performed_via_github_app": null,
        "state_reason": null,
    })
}

fn user(login: &str, id: u64) -> Value {
    let address = format!("{API}/users/{login}");
    json!({
        "login": login,
        "id": id,
        "node_id": "MDQ6VXNlcjU4MzIzMQ==",
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}?v=4"),
        "gravatar_id": "",
        "url": address,
        "html_url": format!("{SITE}/{login}"),
        "followers_url": format!("{address}/followers"),
        "following_url": format!("{address}/following{{/other_user}}"),
        "gists_url": format!("{address}/gists{{/gist_id}}"),
        "starred_url": format!("{address}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{address}/subscriptions"),
        "organizations_url": format!("{address}/orgs"),
        "repos_url": format!("{address}/repos"),
        "events_url": format!("{address}/events{{/privacy}}"),
        "received_events_url": format!("{address}/received_events"),
        "type": "User",
        "user_view_type": "public",
        "site_admin": false,
    })
}

fn label(name: &str, color: &str, description: &str) -> Value {
    json!({
        "id": 208_045_946,
        "node_id": "MDU6TGFiZWwyMDgwNDU5NDY=",
        "url": format!("{API}/repos/{REPOSITORY}/labels/{name}"),
        "name": name,
        "color": color,
        "default": false,
        "description": description,
    })
}

fn milestone() -> Value {
    let address = format!("{API}/repos/{REPOSITORY}/milestones/9");
    json!({
        "url": address,
        "html_url": format!("{SITE}/{REPOSITORY}/milestone/9"),
        "labels_url": format!("{address}/labels"),
        "id": 1_002_604,
        "node_id": "MDk6TWlsZXN0b25lMTAwMjYwNA==",
        "number": 9,
        "title": "2.15",
        "description": "What must be in before the fair",
        "creator": user("smith", 583_232),
        "open_issues": 12,
        "closed_issues": 31,
        "state": "open",
        "created_at": "2026-09-01T09:00:00Z",
        "updated_at": "2026-11-19T15:20:44Z",
        "due_on": "2026-12-01T08:00:00Z",
        "closed_at": null,
    })
}
