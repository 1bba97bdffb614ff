//! `turnbuckle connector add`: the kind from the arguments, then the first reading of the tools.

use clap::Args;
use serde_json::{Map, Value, json};
use url::Url;

use super::secrets::SecretArgs;
use super::{RULES_FOR_CHANGES, SYNC_PATIENCE, tools_found};
use crate::cli::api::{Resource, WAIT};
use crate::cli::args::{Format, parse_http_url, parse_name};
use crate::cli::progress::Progress;
use crate::cli::{Cli, Failure};

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    #[arg(value_parser = parse_name)]
    tenant: String,
    /// Its name in URLs: lower-case letters, digits and single hyphens.
    #[arg(value_parser = parse_name)]
    connector: String,
    #[command(flatten)]
    kind: Kind,
    /// Instead of the service's own address, e.g. of an enterprise installation.
    #[arg(long, value_name = "URL", value_parser = parse_http_url)]
    #[arg(conflicts_with_all = ["command", "mcp_url"])]
    base_url: Option<Url>,
    /// Where the command runs; a private folder when absent.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["type", "mcp_url"])]
    working_directory: Option<String>,
    /// What people call it; the slug when absent.
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    /// What precedes its tools' names in the tenant's endpoint.
    #[arg(long)]
    prefix: Option<String>,
    /// What becomes of a tool whose definition its upstream changes; `hold` when absent.
    #[arg(long, value_name = "RULE", value_parser = RULES_FOR_CHANGES, conflicts_with = "type")]
    on_change: Option<String>,
    /// Create it switched off.
    #[arg(long)]
    disabled: bool,
    /// Do not wait until its tools are read.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    secrets: SecretArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Kind {
    /// A service of the catalog: see `turnbuckle connector types`.
    #[arg(long)]
    r#type: Option<String>,
    /// An MCP server that the platform runs: program and arguments, in quotes. No shell runs it.
    #[arg(long, value_name = "WORDS")]
    command: Option<String>,
    /// An MCP server elsewhere, over Streamable HTTP.
    #[arg(long, value_name = "URL", value_parser = parse_http_url)]
    mcp_url: Option<Url>,
}

pub(super) async fn run(args: AddArgs, cli: &mut Cli<'_>) -> Result<(), Failure> {
    if args.no_wait && cli.global.wait.is_some() {
        let wish = "--no-wait and --wait contradict each other: leave one out";
        return Err(Failure::Usage(wish.to_owned()));
    }
    let body = document(&args, cli)?;
    let api = cli.api()?;
    let path = ["tenants", &args.tenant, "connectors"];
    if args.no_wait {
        let connector = api.post(&path, Some(&body)).await?;
        return match cli.global.output {
            Format::Json => cli.terminal.json(&connector),
            Format::Table => cli.terminal.line(&format!(
                "Connector {} is added; its tools are being read.",
                args.connector
            )),
        };
    }
    let progress = Progress::new(format!("Reading the tools of {}", args.connector));
    let patience = cli.global.wait.map(|seconds| seconds.to_string());
    let what = Resource {
        path: &path,
        query: &[(WAIT, patience.as_deref().unwrap_or("true"))],
    };
    let work = api.post_slow(what, Some(&body), SYNC_PATIENCE);
    let connector = progress.during(cli.terminal, work).await?;
    report(&args, &connector, cli)
}

fn document(args: &AddArgs, cli: &mut Cli<'_>) -> Result<Value, Failure> {
    let mut config = Map::new();
    let kind = match (&args.kind.r#type, &args.kind.command, &args.kind.mcp_url) {
        (Some(kind), ..) => {
            if let Some(url) = &args.base_url {
                config.insert("base_url".to_owned(), url.as_str().into());
            }
            kind.as_str()
        }
        (_, Some(command), _) => {
            config.insert("command".to_owned(), words(command)?.into());
            if let Some(path) = &args.working_directory {
                config.insert("working_directory".to_owned(), path.as_str().into());
            }
            domain::ConnectorKind::HOSTED_MCP
        }
        (.., Some(url)) => {
            config.insert("url".to_owned(), url.as_str().into());
            domain::ConnectorKind::REMOTE_MCP
        }
        (None, None, None) => {
            let wish = "give one of --type, --command and --mcp-url";
            return Err(Failure::Usage(wish.to_owned()));
        }
    };
    let mut body = json!({"slug": args.connector, "type": kind, "config": config});
    if let Some(name) = &args.display_name {
        body["display_name"] = name.as_str().into();
    }
    if let Some(prefix) = &args.prefix {
        body["prefix"] = prefix.as_str().into();
    }
    if let Some(rule) = &args.on_change {
        body["on_change"] = rule.as_str().into();
    }
    if args.disabled {
        body["enabled"] = false.into();
    }
    if let Some(secrets) = args.secrets.read(cli.terminal)? {
        body["secrets"] = secrets;
    }
    Ok(body)
}

/// Splits a command as a shell would, without all that a shell does besides.
fn words(command: &str) -> Result<Vec<String>, Failure> {
    match shlex::split(command) {
        Some(words) if !words.is_empty() => Ok(words),
        Some(_) => Err(Failure::Usage(
            "--command is empty: name a program".to_owned(),
        )),
        None => Err(Failure::Usage(
            "--command has a quote that is never closed".to_owned(),
        )),
    }
}

fn report(args: &AddArgs, connector: &Value, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let AddArgs {
        tenant,
        connector: slug,
        ..
    } = args;
    let sync = |field| connector.pointer(field).and_then(Value::as_str);
    let state = sync("/sync/state").unwrap_or_default();
    if cli.global.output == Format::Json {
        cli.terminal.json(connector)?;
    } else if state == "ok" {
        let found = tools_found(connector);
        cli.terminal
            .line(&format!("Connector {slug} is added: {found}."))?;
    }
    let retry = format!("`turnbuckle connector sync {tenant} {slug}` tries again");
    match state {
        "ok" => Ok(()),
        "failed" => {
            let reason = sync("/sync/error")
                .unwrap_or("no reason is known")
                .trim_end_matches('.');
            Err(Failure::failed(
                "sync-failed",
                format!(
                    "connector {slug} is added, but its tools cannot be read: {reason}; {retry}"
                ),
            ))
        }
        _ if args.disabled => cli.done(&format!("Connector {slug} is added, switched off.")),
        _ => Err(Failure::failed(
            "sync-pending",
            format!("connector {slug} is added, but its tools are still being read; {retry}"),
        )),
    }
}
