//! Each way to sign in, by its provider's documentation: where a credential of that kind goes, in
//! what form, and to which address.

use std::collections::BTreeMap;

use catalog::Catalog;
use catalog::closed::AuthKind::{self, *};
use connector_worker::Config;
use domain::{AccountMethod, ConnectorKind};
use serde_json::{Value, json};
use testkit::provider::{Api, Provider, Reply, Rules, Seen};

use super::desk::{ADA, Bench, account};
use crate::support::lease_of;

/// How a credential came to be there.
#[derive(Clone, Copy, Debug)]
enum Given {
    /// The connector's own token, at this base URL where it has one of its own.
    Own(&'static str, Option<&'static str>),
    /// An account that somebody made of it, with a variable of the address.
    Pasted(&'static str, Option<(&'static str, &'static str)>),
    /// An account that a person connected.
    Connected(&'static str, Option<(&'static str, &'static str)>),
    /// An account that a program signs in for by itself, in the row's way.
    Minted(&'static str),
}
use Given::{Connected, Minted, Own, Pasted};

/// Connector, kind of sign-in, credential, tool, then what the provider must get: address, header
/// field and its value.
type Row = (
    &'static str,
    AuthKind,
    Given,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const AUTHORIZATION: &str = "authorization";
const BEARER: &str = "Bearer t0ken-of-the-row";
const T: &str = "t0ken-of-the-row";
/// `ada@x.example:t0ken-of-the-row`
const PAIR: &str = "ada@x.example:t0ken-of-the-row";
const BASIC: &str = "Basic YWRhQHguZXhhbXBsZTp0MGtlbi1vZi10aGUtcm93";
const CLOUD: Option<(&str, &str)> = Some(("cloudId", "c-1"));
const SITE: Option<(&str, &str)> = Some(("site", "acme"));
const GHES: Option<&str> = Some("https://ghe.acme.example/api/v3");
const ACME: Option<&str> = Some("https://acme.atlassian.net");
const LAB: Option<&str> = Some("https://gitlab.acme.example");

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("bitbucket", OAuth2Code, Connected(T, None), "bitbucket_get_current_user", "https://api.bitbucket.org/2.0/user", AUTHORIZATION, BEARER),
    ("bitbucket", Basic, Own(PAIR, None), "bitbucket_get_current_user", "https://api.bitbucket.org/2.0/user", AUTHORIZATION, BASIC),
    ("bitbucket", Basic, Pasted(PAIR, None), "bitbucket_get_current_user", "https://api.bitbucket.org/2.0/user", AUTHORIZATION, BASIC),
    ("bitbucket", Token, Own(T, None), "bitbucket_get_current_user", "https://api.bitbucket.org/2.0/user", AUTHORIZATION, BEARER),
    ("claude_code", Token, Own(T, None), "claude_code_get_org_info", "https://api.anthropic.com/v1/organizations/me", "x-api-key", T),
    ("claude_code", Token, Pasted(T, None), "claude_code_get_org_info", "https://api.anthropic.com/v1/organizations/me", "x-api-key", T),
    ("codex", Token, Own(T, None), "codex_list_users", "https://api.openai.com/v1/organization/users", AUTHORIZATION, BEARER),
    ("codex", Token, Pasted(T, None), "codex_list_users", "https://api.openai.com/v1/organization/users", AUTHORIZATION, BEARER),
    ("confluence", OAuth2Code, Connected(T, CLOUD), "confluence_list_spaces", "https://api.atlassian.com/ex/confluence/c-1/wiki/api/v2/spaces", AUTHORIZATION, BEARER),
    ("confluence", Basic, Own(PAIR, ACME), "confluence_list_spaces", "https://acme.atlassian.net/wiki/api/v2/spaces", AUTHORIZATION, BASIC),
    ("confluence", Basic, Pasted(PAIR, SITE), "confluence_list_spaces", "https://acme.atlassian.net/wiki/api/v2/spaces", AUTHORIZATION, BASIC),
    // A token with scopes of its own goes to the other host.
    ("confluence", Basic, Pasted(PAIR, CLOUD), "confluence_list_spaces", "https://api.atlassian.com/ex/confluence/c-1/wiki/api/v2/spaces", AUTHORIZATION, BASIC),
    ("confluence", Token, Own(T, ACME), "confluence_list_spaces", "https://acme.atlassian.net/wiki/api/v2/spaces", AUTHORIZATION, BEARER),
    ("copilot", OAuth2Code, Connected(T, None), "copilot_list_seat_assignments", "https://api.github.com/orgs/o/copilot/billing/seats", AUTHORIZATION, BEARER),
    ("copilot", AppInstallation, Minted(T), "copilot_list_seat_assignments", "https://api.github.com/orgs/o/copilot/billing/seats", AUTHORIZATION, BEARER),
    ("copilot", Token, Own(T, None), "copilot_list_seat_assignments", "https://api.github.com/orgs/o/copilot/billing/seats", AUTHORIZATION, BEARER),
    // The key is a user name without a password.
    ("cursor", Basic, Own(T, None), "cursor_get_agent_edits", "https://api.cursor.com/analytics/team/agent-edits", AUTHORIZATION, "Basic dDBrZW4tb2YtdGhlLXJvdzo="),
    ("cursor", Basic, Pasted(T, None), "cursor_get_agent_edits", "https://api.cursor.com/analytics/team/agent-edits", AUTHORIZATION, "Basic dDBrZW4tb2YtdGhlLXJvdzo="),
    ("discord", Token, Own(T, None), "discord_list_guilds", "https://discord.com/api/v10/users/@me/guilds", AUTHORIZATION, "Bot t0ken-of-the-row"),
    ("discord", Token, Pasted(T, None), "discord_list_guilds", "https://discord.com/api/v10/users/@me/guilds", AUTHORIZATION, "Bot t0ken-of-the-row"),
    ("discord", OAuth2Code, Connected(T, None), "discord_list_guilds", "https://discord.com/api/v10/users/@me/guilds", AUTHORIZATION, BEARER),
    ("excel", OAuth2Code, Connected(T, None), "excel_list_workbooks", "https://graph.microsoft.com/v1.0/me/drive/root/search", AUTHORIZATION, BEARER),
    ("excel", OAuth2ClientCredentials, Minted(T), "excel_list_workbooks", "https://graph.microsoft.com/v1.0/me/drive/root/search", AUTHORIZATION, BEARER),
    ("github", OAuth2Code, Connected(T, None), "github_list_repositories", "https://api.github.com/user/repos", AUTHORIZATION, BEARER),
    ("github", AppInstallation, Minted(T), "github_list_repositories", "https://api.github.com/user/repos", AUTHORIZATION, BEARER),
    ("github", Token, Own(T, None), "github_list_repositories", "https://api.github.com/user/repos", AUTHORIZATION, BEARER),
    ("github", Token, Own(T, GHES), "github_list_repositories", "https://ghe.acme.example/api/v3/user/repos", AUTHORIZATION, BEARER),
    ("gitlab", OAuth2Code, Connected(T, None), "gitlab_list_projects", "https://gitlab.com/api/v4/projects", AUTHORIZATION, BEARER),
    ("gitlab", Token, Own(T, None), "gitlab_list_projects", "https://gitlab.com/api/v4/projects", AUTHORIZATION, BEARER),
    ("gitlab", Token, Own(T, LAB), "gitlab_list_projects", "https://gitlab.acme.example/api/v4/projects", AUTHORIZATION, BEARER),
    ("gmail", OAuth2Code, Connected(T, None), "gmail_get_profile", "https://gmail.googleapis.com/gmail/v1/users/me/profile", AUTHORIZATION, BEARER),
    ("gmail", OAuth2JwtBearer, Minted(T), "gmail_get_profile", "https://gmail.googleapis.com/gmail/v1/users/me/profile", AUTHORIZATION, BEARER),
    ("google_calendar", OAuth2Code, Connected(T, None), "google_calendar_list_calendars", "https://www.googleapis.com/calendar/v3/users/me/calendarList", AUTHORIZATION, BEARER),
    ("google_calendar", OAuth2JwtBearer, Minted(T), "google_calendar_list_calendars", "https://www.googleapis.com/calendar/v3/users/me/calendarList", AUTHORIZATION, BEARER),
    ("google_docs", OAuth2Code, Connected(T, None), "google_docs_list_documents", "https://www.googleapis.com/drive/v3/files", AUTHORIZATION, BEARER),
    ("google_docs", OAuth2JwtBearer, Minted(T), "google_docs_list_documents", "https://www.googleapis.com/drive/v3/files", AUTHORIZATION, BEARER),
    ("google_sheets", OAuth2Code, Connected(T, None), "google_sheets_list_spreadsheets", "https://www.googleapis.com/drive/v3/files", AUTHORIZATION, BEARER),
    ("google_sheets", OAuth2JwtBearer, Minted(T), "google_sheets_list_spreadsheets", "https://www.googleapis.com/drive/v3/files", AUTHORIZATION, BEARER),
    ("google_slides", OAuth2Code, Connected(T, None), "google_slides_list_presentations", "https://www.googleapis.com/drive/v3/files", AUTHORIZATION, BEARER),
    ("google_slides", OAuth2JwtBearer, Minted(T), "google_slides_list_presentations", "https://www.googleapis.com/drive/v3/files", AUTHORIZATION, BEARER),
    ("jira", OAuth2Code, Connected(T, CLOUD), "jira_list_projects", "https://api.atlassian.com/ex/jira/c-1/rest/api/3/project/search", AUTHORIZATION, BEARER),
    ("jira", Basic, Own(PAIR, ACME), "jira_list_projects", "https://acme.atlassian.net/rest/api/3/project/search", AUTHORIZATION, BASIC),
    ("jira", Basic, Pasted(PAIR, SITE), "jira_list_projects", "https://acme.atlassian.net/rest/api/3/project/search", AUTHORIZATION, BASIC),
    ("jira", Basic, Pasted(PAIR, CLOUD), "jira_list_projects", "https://api.atlassian.com/ex/jira/c-1/rest/api/3/project/search", AUTHORIZATION, BASIC),
    ("jira", Token, Own(T, ACME), "jira_list_projects", "https://acme.atlassian.net/rest/api/3/project/search", AUTHORIZATION, BEARER),
    ("linear", OAuth2Code, Connected(T, None), "linear_list_teams", "https://api.linear.app/graphql", AUTHORIZATION, BEARER),
    ("linear", OAuth2Code, Pasted("lin_oauth_t0ken", None), "linear_list_teams", "https://api.linear.app/graphql", AUTHORIZATION, "Bearer lin_oauth_t0ken"),
    // A personal key stands alone.
    ("linear", Token, Own("lin_api_t0ken", None), "linear_list_teams", "https://api.linear.app/graphql", AUTHORIZATION, "lin_api_t0ken"),
    ("linear", Token, Pasted("lin_api_t0ken", None), "linear_list_teams", "https://api.linear.app/graphql", AUTHORIZATION, "lin_api_t0ken"),
    ("notion", OAuth2Code, Connected(T, None), "notion_list_users", "https://api.notion.com/v1/users", AUTHORIZATION, BEARER),
    ("notion", Token, Own("ntn_t0ken", None), "notion_list_users", "https://api.notion.com/v1/users", AUTHORIZATION, "Bearer ntn_t0ken"),
    ("notion", Token, Pasted("secret_t0ken", None), "notion_list_users", "https://api.notion.com/v1/users", AUTHORIZATION, "Bearer secret_t0ken"),
    ("outlook", OAuth2Code, Connected(T, None), "outlook_list_messages", "https://graph.microsoft.com/v1.0/me/messages", AUTHORIZATION, BEARER),
    ("outlook", OAuth2ClientCredentials, Minted(T), "outlook_list_messages", "https://graph.microsoft.com/v1.0/me/messages", AUTHORIZATION, BEARER),
    ("powerpoint", OAuth2Code, Connected(T, None), "powerpoint_list_presentations", "https://graph.microsoft.com/v1.0/me/drive/root/search", AUTHORIZATION, BEARER),
    ("powerpoint", OAuth2ClientCredentials, Minted(T), "powerpoint_list_presentations", "https://graph.microsoft.com/v1.0/me/drive/root/search", AUTHORIZATION, BEARER),
    ("slack", OAuth2Code, Connected("xoxb-t0ken", None), "slack_users_list", "https://slack.com/api/users.list", AUTHORIZATION, "Bearer xoxb-t0ken"),
    ("slack", Token, Own("xoxb-t0ken", None), "slack_users_list", "https://slack.com/api/users.list", AUTHORIZATION, "Bearer xoxb-t0ken"),
    ("slack", Token, Own("xoxp-t0ken", None), "slack_conversations_search_messages", "https://slack.com/api/search.messages", AUTHORIZATION, "Bearer xoxp-t0ken"),
    ("teams", OAuth2Code, Connected(T, None), "teams_list_teams", "https://graph.microsoft.com/v1.0/me/joinedTeams", AUTHORIZATION, BEARER),
    ("teams", OAuth2ClientCredentials, Minted(T), "teams_list_teams", "https://graph.microsoft.com/v1.0/me/joinedTeams", AUTHORIZATION, BEARER),
    ("windsurf", BodyKey, Own(T, None), "windsurf_get_user_analytics", "https://server.codeium.com/api/v1/UserPageAnalytics", "", T),
    ("windsurf", Token, Own(T, None), "windsurf_get_active_users", "https://server.codeium.com/api/v2alpha/analytics/active-users", AUTHORIZATION, BEARER),
    ("zoom", OAuth2Code, Connected(T, None), "zoom_list_meetings", "https://api.zoom.us/v2/users/me/meetings", AUTHORIZATION, BEARER),
    ("zoom", OAuth2AccountCredentials, Minted(T), "zoom_list_meetings", "https://api.zoom.us/v2/users/me/meetings", AUTHORIZATION, BEARER),
];

/// The origin of an address.
fn origin(address: &str) -> String {
    let url: url::Url = address.parse().unwrap();
    url.origin().ascii_serialization()
}

fn minted(kind: AuthKind) -> AccountMethod {
    match kind {
        OAuth2ClientCredentials => AccountMethod::ClientCredentials,
        OAuth2JwtBearer => AccountMethod::JwtBearer,
        OAuth2AccountCredentials => AccountMethod::AccountCredentials,
        AppInstallation => AccountMethod::AppInstallation,
        OAuth2Code | Token | Basic | BodyKey => panic!("{kind:?} is not minted"),
    }
}

/// Makes the row's call, and tells what arrived.
async fn sent(row: &Row) -> Result<Seen, String> {
    let (connector, kind, given, tool, ..) = *row;
    let provider = Provider::start(Api::anything(), Rules::default()).await;
    provider.forever(Reply::json(200, &json!({ "ok": true, "data": {} })));
    let own = match given {
        Own(token, _) => Some(token),
        Pasted(..) | Connected(..) | Minted(_) => None,
    };
    let mut lease = lease_of(connector, provider.url(), own);
    lease.takes_accounts = true;
    let base_url = match given {
        Own(_, base_url) => base_url.map(|url| url.parse().unwrap()),
        Pasted(..) | Connected(..) | Minted(_) => None,
    };
    lease.connector.kind = ConnectorKind::Native {
        catalog: connector.to_owned(),
        base_url,
    };
    // Each origin answers under its own name.
    let origins = ROWS.iter().map(|row| origin(row.4));
    let stand_in = |origin: String| {
        let host = origin.trim_start_matches("https://").to_owned();
        let at = format!("{}/{host}", provider.url());
        (origin, at.parse().unwrap())
    };
    let config = Config {
        origins: origins.map(stand_in).collect(),
        ..Config::default()
    };
    let bench = Bench::of(lease, config);
    let held = match given {
        Own(..) => None,
        Pasted(token, variable) => Some((AccountMethod::Token, token, variable)),
        Connected(token, variable) => Some((AccountMethod::OAuth, token, variable)),
        Minted(token) => Some((minted(kind), token, None)),
    };
    if let Some((method, token, variable)) = held {
        let mut held = account(1, token);
        held.method = method;
        let variables = variable.into_iter();
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        held.variables = variables.collect::<BTreeMap<_, _>>();
        bench.connect(Some(ADA), held);
    }
    let arguments = match tool {
        "slack_conversations_search_messages" => json!({ "query": "x" }),
        "copilot_list_seat_assignments" => json!({ "org": "o" }),
        _ => json!({}),
    };
    let ended = bench.run(bench.call(ADA, tool, arguments)).await;
    let mut seen = provider.seen();
    match seen.len() {
        1 => Ok(seen.remove(0)),
        count => Err(format!("{count} requests: {ended:?}")),
    }
}

fn fault(row: &Row, seen: &Seen) -> Option<String> {
    let (.., at, name, value) = *row;
    let at = at.trim_start_matches("https://");
    if !seen.target.starts_with(&format!("/{at}")) {
        return Some(format!("went to {}", seen.target));
    }
    let header = |name: &str| {
        let sent = seen.headers.get(name);
        sent.map(|sent| sent.to_str().unwrap().to_owned())
    };
    let (shown, elsewhere) = match name {
        "" => {
            let body: Value = serde_json::from_slice(&seen.body).unwrap();
            let key = body["service_key"].as_str().map(str::to_owned);
            (key, header(AUTHORIZATION))
        }
        AUTHORIZATION => (header(AUTHORIZATION), None),
        name => (header(name), header(AUTHORIZATION)),
    };
    let fits = shown.as_deref() == Some(value) && elsewhere.is_none();
    (!fits).then(|| format!("was signed with {shown:?} and {elsewhere:?}"))
}

#[tokio::test]
async fn a_credential_of_each_kind_goes_where_its_provider_takes_it_and_in_its_form() {
    let mut faults = Vec::new();
    for row in ROWS {
        let (connector, kind, given, ..) = row;
        let found = match sent(row).await {
            Ok(seen) => fault(row, &seen),
            Err(why) => Some(why),
        };
        faults.extend(found.map(|why| format!("{connector} {kind:?} {given:?}: {why}")));
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn every_way_to_sign_in_has_a_row() {
    for connector in Catalog::builtin().connectors() {
        for method in &connector.auth.methods {
            let kind = method.kind;
            let has_row = ROWS
                .iter()
                .any(|row| (row.0, row.1) == (connector.name.as_str(), kind));
            assert!(has_row, "{} by {}", connector.name, kind.as_str());
        }
    }
}
