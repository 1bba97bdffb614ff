//! `turnbuckle oauth authorize`: a link for a person, and waiting for them.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::{ForKey, OfTenant, SHOW, read};
use crate::cli::api::Api;
use crate::cli::args::{Format, parse_name};
use crate::cli::output::{Column, plain};
use crate::cli::progress::Progress;
use crate::cli::{Cli, Failure};

/// Between two looks at how far the person is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks in a row that may fail: servers are replaced while people sign in.
const FAILED_LOOKS_MAX: u32 = 15;

const LINK: &[Column] = &[
    ("Open", "/url"),
    ("Code", "/code"),
    ("Until", "/expires_at"),
    ("Connection", "/id"),
];

#[derive(Debug, Args)]
pub(crate) struct AuthorizeArgs {
    #[arg(value_parser = parse_name)]
    connector: String,
    #[command(flatten)]
    tenant: OfTenant,
    #[command(flatten)]
    key: ForKey,
    /// Connect an account again, instead of a new one.
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// What to call a new account; what the provider calls it when absent.
    #[arg(long)]
    name: Option<String>,
    /// Ask for this too, beside what the enabled tools need. May be said several times.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// Print the link and end.
    #[arg(long)]
    no_wait: bool,
}

pub(super) async fn run(args: AuthorizeArgs, api: &Api, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let mut body = json!({"scopes": args.scope});
    if let Some(key) = args.key.find(api).await? {
        body["key"] = key;
    }
    if let Some(account) = args.account {
        body["account"] = account.into();
    }
    if let Some(name) = args.name {
        body["name"] = name.into();
    }
    let tenant = args.tenant.find(api).await?;
    let connector = ["tenants", &tenant, "connectors", &args.connector];
    let path = [connector.as_slice(), &["connections"]].concat();
    let begun = api.post(path.as_slice(), Some(&body)).await?;
    if args.no_wait {
        return cli.show(&begun, LINK);
    }
    let text = |pointer| {
        begun
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (url, code) = (plain(text("/url")), plain(text("/code")));
    cli.terminal.remark(&format!(
        "Open this page in a browser, on any machine:\n\n  {url}\n\nIt shows the code {code}."
    ))?;
    let path = [connector.as_slice(), &["connections", text("/id")]].concat();
    let progress = Progress::new("Waiting until the account is connected");
    let waiting = wait(api, &path, &progress);
    let ended = progress.during(cli.terminal, waiting).await?;
    let said = |pointer| ended.pointer(pointer).and_then(Value::as_str).map(plain);
    match said("/status").as_deref() {
        Some("connected") => {}
        Some("expired") => {
            return Err(Failure::failed(
                "not-connected",
                "nobody used the link in time: ask for another",
            ));
        }
        _ => {
            let why = said("/problem").unwrap_or_else(|| "it failed".to_owned());
            return Err(Failure::failed("not-connected", why));
        }
    }
    if cli.global.output == Format::Json {
        return cli.terminal.json(&ended);
    }
    let account = said("/account").unwrap_or_default();
    let path = [connector.as_slice(), &["accounts", &account]].concat();
    let account = read(api, &path).await?;
    cli.show(&account, SHOW)
}

/// Looks until the attempt ended, either way.
async fn wait(api: &Api, path: &[&str], progress: &Progress) -> Result<Value, Failure> {
    let mut failed = 0;
    loop {
        match read(api, path).await {
            Ok(now) => {
                failed = 0;
                match now.get("status").and_then(Value::as_str) {
                    Some("offered" | "opened") => {}
                    Some("redirected") => progress.now("Waiting for the provider"),
                    Some("choosing") => progress.now("Waiting until a site is chosen"),
                    _ => return Ok(now),
                }
            }
            Err(failure) if failure.may_pass() && failed < FAILED_LOOKS_MAX => failed += 1,
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
