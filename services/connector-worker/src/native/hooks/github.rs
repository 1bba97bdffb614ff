//! Figures that GitHub has no single request for.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};
use crate::native::exchange::Answered;
use crate::native::pages::link;
use crate::native::request::Draft;

/// Items of one page; GitHub gives no more.
const PAGE: usize = 100;
/// Repositories of a user that are added up.
const REPOSITORIES_MAX: usize = 1_000;
/// Entries of the lists of the best.
const TOP: usize = 10;

/// The profile of a user and the sums over the user's own repositories. The tool's own
/// request is `GET /users/{username}`.
pub(super) async fn user_stats(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let draft = call.draft(arguments)?;
    let pick = |value: &Value, keys: &[&str]| whole_or(call, arguments, value, keys);
    let user = get(call, &draft).await?.1;
    let mut page = beside(&draft, "/repos");
    page.set_query("type", "owner");
    page.set_query("per_page", &PAGE.to_string());
    let (mut repositories, mut complete) = (Vec::new(), false);
    for number in 1..=REPOSITORIES_MAX / PAGE {
        page.set_query("page", &number.to_string());
        let (answered, body) = get(call, &page).await?;
        let Value::Array(mut items) = body else { break };
        let count = items.len();
        repositories.append(&mut items);
        if count == 0 || link(&answered.headers, "next").is_none() {
            complete = true;
            break;
        }
    }

    let sum = |key: &str| -> u64 {
        repositories
            .iter()
            .filter_map(|repo| repo[key].as_u64())
            .sum()
    };
    let own: Vec<&Value> = repositories
        .iter()
        .filter(|repo| repo["fork"] != json!(true))
        .collect();
    let mut languages: BTreeMap<&str, u64> = BTreeMap::new();
    for language in own.iter().filter_map(|repo| repo["language"].as_str()) {
        *languages.entry(language).or_default() += 1;
    }
    let mut by_stars = repositories.iter().collect::<Vec<_>>();
    by_stars.sort_by_key(|repo| {
        (
            Reverse(repo["stargazers_count"].as_u64()),
            repo["full_name"].as_str().unwrap_or_default(),
        )
    });
    let times = |key: &'static str| {
        repositories
            .iter()
            .filter_map(move |repo| repo[key].as_str())
    };
    let stats = json!({
        "user": pick(&user, &["login", "name", "type", "company", "location", "html_url", "public_repos", "public_gists", "followers", "following", "created_at"]),
        "repositories": repositories.len(),
        "own_repositories": own.len(),
        "forked_repositories": repositories.len() - own.len(),
        "complete": complete,
        "stars": sum("stargazers_count"),
        "forks": sum("forks_count"),
        "open_issues": sum("open_issues_count"),
        "languages": ranked(languages),
        "most_starred": by_stars.iter().take(TOP).map(|repo| {
            pick(repo, &["full_name", "description", "language", "stargazers_count", "forks_count"])
        }).collect::<Vec<_>>(),
        "first_created_at": times("created_at").min(),
        "last_pushed_at": times("pushed_at").max(),
    });
    let mut made = Made::json(stats);
    if !complete {
        made.notes.push(format!(
            "Only the first {} repositories are counted.",
            repositories.len()
        ));
    }
    Ok(made)
}

/// A repository with its languages and contributors. The tool's own request is
/// `GET /repos/{owner}/{repo}`.
pub(super) async fn repo_stats(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let draft = call.draft(arguments)?;
    let pick = |value: &Value, keys: &[&str]| whole_or(call, arguments, value, keys);
    let repository = get(call, &draft).await?.1;
    let languages = get(call, &beside(&draft, "/languages")).await?.1;
    let mut page = beside(&draft, "/contributors");
    page.set_query("per_page", &PAGE.to_string());
    let contributors = contributors(call, arguments, page).await?;

    let bytes = languages.as_object().cloned().unwrap_or_default();
    let total: u64 = bytes.values().filter_map(Value::as_u64).sum();
    let mut shares: Vec<(&String, u64)> = bytes
        .iter()
        .filter_map(|(name, bytes)| Some((name, bytes.as_u64()?)))
        .collect();
    shares.sort_by_key(|(name, bytes)| (Reverse(*bytes), name.as_str()));
    let languages: Vec<Value> = shares
        .into_iter()
        .map(|(name, bytes)| json!({ "name": name, "bytes": bytes, "percent": percent(bytes, total) }))
        .collect();
    let stats = json!({
        "repository": pick(&repository, &["full_name", "description", "html_url", "visibility", "archived", "fork", "default_branch", "topics", "created_at", "updated_at", "pushed_at"]),
        "license": repository["license"]["spdx_id"],
        "stars": repository["stargazers_count"],
        "forks": repository["forks_count"],
        "watchers": repository["subscribers_count"],
        "open_issues_and_pull_requests": repository["open_issues_count"],
        "size_kilobytes": repository["size"],
        "languages": languages,
        "contributors": contributors.count,
        "top_contributors": contributors.top,
    });
    let mut made = Made::json(stats);
    made.notes.extend(contributors.note);
    Ok(made)
}

struct Contributors {
    count: Option<u64>,
    top: Vec<Value>,
    note: Option<String>,
}

async fn contributors(
    call: &Call<'_>,
    arguments: &Arguments,
    mut page: Draft,
) -> Result<Contributors, Stop> {
    let answered = call.exchange(&page).await?;
    // GitHub does not list the contributors of the very largest repositories.
    if answered.status == http::StatusCode::FORBIDDEN && !call.is_limited(&answered) {
        let note = Some("GitHub does not list the contributors of this repository.".to_owned());
        return Ok(Contributors {
            count: None,
            top: Vec::new(),
            note,
        });
    }
    call.accept(&answered)?;
    let first = call.parse(&answered)?;
    let first = first.as_array().cloned().unwrap_or_default();
    let top = first
        .iter()
        .take(TOP)
        .map(|who| {
            whole_or(
                call,
                arguments,
                who,
                &["login", "contributions", "html_url"],
            )
        })
        .collect();
    let count = match last_page(&answered) {
        None | Some(0 | 1) => first.len() as u64,
        Some(last) => {
            page.set_query("page", &last.to_string());
            let rest = get(call, &page).await?.1;
            (last - 1) * PAGE as u64 + rest.as_array().map_or(0, Vec::len) as u64
        }
    };
    Ok(Contributors {
        count: Some(count),
        top,
        note: None,
    })
}

/// The number of the last page, as the `Link` field says.
fn last_page(answered: &Answered) -> Option<u64> {
    let last = answered.url.join(&link(&answered.headers, "last")?).ok()?;
    last.query_pairs()
        .find(|(name, _)| name == "page")?
        .1
        .parse()
        .ok()
}

async fn get(call: &Call<'_>, draft: &Draft) -> Result<(Answered, Value), Stop> {
    let answered = call.exchange(draft).await?;
    call.accept(&answered)?;
    let body = call.parse(&answered)?;
    Ok((answered, body))
}

/// The same request one step further down.
fn beside(draft: &Draft, step: &str) -> Draft {
    Draft {
        path: format!("{}{step}", draft.path),
        query: Vec::new(),
        ..draft.clone()
    }
}

/// These members, null where one is missing; or all of the object where the caller wants that.
fn whole_or(call: &Call<'_>, arguments: &Arguments, value: &Value, keys: &[&str]) -> Value {
    if call.wants_all(arguments) {
        return value.clone();
    }
    let members: Map<String, Value> = keys
        .iter()
        .map(|key| ((*key).to_owned(), value[*key].clone()))
        .collect();
    Value::Object(members)
}

/// Most first, then by name.
fn ranked(counts: BTreeMap<&str, u64>) -> Vec<Value> {
    let mut ranked: Vec<_> = counts.into_iter().collect();
    ranked.sort_by_key(|(name, count)| (Reverse(*count), *name));
    ranked
        .into_iter()
        .map(|(name, count)| json!({ "name": name, "repositories": count }))
        .collect()
}

/// With one digit behind the point.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than a few digits"
)]
fn percent(part: u64, total: u64) -> f64 {
    if total == 0 {
        0.0
    } else {
        (part as f64 * 1_000.0 / total as f64).round() / 10.0
    }
}
