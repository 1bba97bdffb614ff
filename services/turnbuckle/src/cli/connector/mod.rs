//! `turnbuckle connector …`

mod add;
mod lint;
mod secrets;
mod types;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::args::{Format, parse_name};
use super::output::{Column, fields, plain};
use super::progress::Progress;
use super::{Cli, Failure, oauth, tool};
use secrets::SecretArgs;

/// How long reading a connector's tools may take: the server's own limit, and a little for the
/// way.
const SYNC_PATIENCE: Duration =
    domain::limits::SYNC_DEADLINE.saturating_add(Duration::from_secs(15));

/// What `--on-change` may say: keep the tool from use until the change is approved, serve it and
/// mark it as changed, or serve it.
const RULES_FOR_CHANGES: [&str; 3] = ["hold", "warn", "accept"];

const LIST: &[Column] = &[
    ("SLUG", "/slug"),
    ("TYPE", "/type"),
    ("ENABLED", "/enabled"),
    ("SYNC", "/sync/state"),
    ("TOOLS", "/sync/tools"),
    ("NAME", "/display_name"),
];
const SHOW: &[Column] = &[
    ("Slug", "/slug"),
    ("Name", "/display_name"),
    ("Type", "/type"),
    ("Enabled", "/enabled"),
    ("Prefix", "/prefix"),
    ("On change", "/on_change"),
    ("Base URL", "/config/base_url"),
    ("URL", "/config/url"),
    ("Command", "/config/command"),
    ("Token set", "/credential/token_set"),
    ("Headers", "/credential/header_names"),
    ("Environment", "/credential/env_names"),
    ("Sync", "/sync/state"),
    ("Synced", "/sync/at"),
    ("Sync error", "/sync/error"),
    ("Tools", "/sync/tools"),
    ("Changed tools", "/sync/changed/names"),
    ("Id", "/id"),
];
const PROCESS: &[Column] = &[
    ("State", "/state"),
    ("Process id", "/pid"),
    ("Started", "/started_at"),
    ("Restarts", "/restarts"),
    ("Last exit", "/last_exit"),
];

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectorCommand {
    /// List what a connector can be, and what must be said of it.
    Types,
    /// Connect a service or an MCP server, and read its tools.
    Add(Box<add::AddArgs>),
    /// List a tenant's connectors.
    List {
        #[arg(value_parser = parse_name)]
        tenant: String,
    },
    /// Show a connector.
    Show(Which),
    /// Change a connector's name, prefix, rule for changed tools or secrets.
    Update {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        change: Box<Change>,
    },
    /// List and run its tools again.
    Enable(Which),
    /// Neither list nor run its tools, from now on.
    Disable(Which),
    /// Read its tools again.
    Sync(Which),
    /// List its tools, enabled and disabled ones.
    Tools(Which),
    /// List the accounts that calls of it are made with.
    Accounts(Which),
    /// Show what a hosted server wrote to its standard error.
    Logs(Which),
    /// End a hosted server's process and start it anew.
    Restart(Which),
    /// Delete a connector with its tools and secrets.
    Remove(Which),
    /// Check manifests of connectors, without a platform.
    Lint(lint::LintArgs),
}

impl ConnectorCommand {
    /// Whether it changes something.
    pub(super) fn is_change(&self) -> bool {
        !matches!(
            self,
            Self::Types
                | Self::List { .. }
                | Self::Show(_)
                | Self::Tools(_)
                | Self::Accounts(_)
                | Self::Logs(_)
                | Self::Lint(_)
        )
    }
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    #[arg(value_parser = parse_name)]
    tenant: String,
    #[arg(value_parser = parse_name)]
    connector: String,
}

impl Which {
    fn path(&self) -> [&str; 4] {
        ["tenants", &self.tenant, "connectors", &self.connector]
    }

    fn then<'a, const N: usize>(&'a self, rest: [&'a str; N]) -> Vec<&'a str> {
        self.path().into_iter().chain(rest).collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct Change {
    /// What people call it.
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    /// What precedes its tools' names in the tenant's endpoint.
    #[arg(long)]
    prefix: Option<String>,
    /// What becomes of a tool whose definition its upstream changes.
    #[arg(long, value_name = "RULE", value_parser = RULES_FOR_CHANGES)]
    on_change: Option<String>,
    #[command(flatten)]
    secrets: SecretArgs,
}

pub(super) async fn run(command: ConnectorCommand, cli: &mut Cli<'_>) -> Result<(), Failure> {
    match command {
        ConnectorCommand::Types => types::run(cli).await,
        ConnectorCommand::Add(args) => add::run(*args, cli).await,
        ConnectorCommand::List { tenant } => {
            let path = ["tenants", &tenant, "connectors"];
            let all = cli.api()?.list(&path, &[], "connectors").await?;
            cli.show_list(&all, "connectors", LIST)
        }
        ConnectorCommand::Show(which) => {
            let connector = cli.api()?.get(&which.path()).await?;
            cli.show_connector(&connector)
        }
        ConnectorCommand::Update { which, change } => update(&which, *change, cli).await,
        ConnectorCommand::Enable(which) => act(&which, "enable", cli).await,
        ConnectorCommand::Disable(which) => act(&which, "disable", cli).await,
        ConnectorCommand::Sync(which) => sync(&which, cli).await,
        ConnectorCommand::Tools(which) => tool::list(&which.tenant, &which.connector, cli).await,
        ConnectorCommand::Accounts(which) => {
            let api = cli.api()?;
            oauth::list(&api, &which.tenant, which.connector, cli).await
        }
        ConnectorCommand::Logs(which) => logs(&which, cli).await,
        ConnectorCommand::Restart(which) => {
            let path = which.then(["process", "restart"]);
            let progress = Progress::new(format!("Restarting {}", which.connector));
            let api = cli.api()?;
            let work = api.post_slow(path.as_slice(), None, SYNC_PATIENCE);
            let process = progress.during(cli.terminal, work).await?;
            cli.show(&process, PROCESS)
        }
        ConnectorCommand::Remove(which) => {
            cli.api()?.delete(&which.path()).await?;
            cli.done(&format!("Connector {} is removed.", which.connector))
        }
        ConnectorCommand::Lint(args) => lint::run(&args, cli),
    }
}

async fn act(which: &Which, verb: &str, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let connector = cli.api()?.post(which.then([verb]).as_slice(), None).await?;
    cli.show_connector(&connector)
}

async fn update(which: &Which, change: Change, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let mut body = Map::new();
    if let Some(name) = change.display_name {
        body.insert("display_name".to_owned(), name.into());
    }
    if let Some(prefix) = change.prefix {
        body.insert("prefix".to_owned(), prefix.into());
    }
    if let Some(rule) = change.on_change {
        body.insert("on_change".to_owned(), rule.into());
    }
    if let Some(secrets) = change.secrets.read(cli.terminal)? {
        body.insert("secrets".to_owned(), secrets);
    }
    if body.is_empty() {
        let wish = "nothing to change: give --display-name, --prefix, --on-change or a secret";
        return Err(Failure::Usage(wish.to_owned()));
    }
    let connector = cli.api()?.patch(&which.path(), &body.into()).await?;
    cli.show_connector(&connector)
}

async fn sync(which: &Which, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let api = cli.api()?;
    let path = which.then(["tools", "sync"]);
    let progress = Progress::new(format!("Reading the tools of {}", which.connector));
    let work = api.post_slow(path.as_slice(), None, SYNC_PATIENCE);
    let connector = progress.during(cli.terminal, work).await?;
    match cli.global.output {
        Format::Json => cli.terminal.json(&connector),
        Format::Table => {
            let found = tools_found(&connector);
            cli.terminal
                .line(&format!("Connector {}: {found}.", which.connector))
        }
    }
}

async fn logs(which: &Which, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let path = which.then(["process", "stderr"]);
    let answer = cli.api()?.get(path.as_slice()).await?;
    if cli.global.output == Format::Json {
        return cli.terminal.json(&answer);
    }
    let lines = answer
        .get("lines")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    for line in lines {
        let text = |field| line.get(field).and_then(Value::as_str).unwrap_or_default();
        cli.terminal
            .line(&plain(&format!("{} {}", text("at"), text("text"))))?;
    }
    if lines.is_empty() {
        cli.terminal.remark("It has written nothing.")?;
    }
    Ok(())
}

/// `42 tools found`, of a connector whose sync succeeded; and how many of them wait for approval.
fn tools_found(connector: &Value) -> String {
    let number = |pointer| connector.pointer(pointer).and_then(Value::as_u64);
    let mut text = match number("/sync/tools").unwrap_or_default() {
        1 => "1 tool found".to_owned(),
        count => format!("{count} tools found"),
    };
    if let Some(count) = number("/sync/changed/count").filter(|count| *count > 0) {
        let wait = if count == 1 { "waits" } else { "wait" };
        text.push_str(&format!(
            ", {count} of which {wait} for approval: see `turnbuckle tool changes`"
        ));
    }
    text
}

impl Cli<'_> {
    fn show_connector(&mut self, connector: &Value) -> Result<(), Failure> {
        if self.global.output == Format::Json {
            return self.terminal.json(connector);
        }
        // Each kind has settings of its own; a row for those that it cannot have says nothing.
        let said = |(_, pointer): &&Column| {
            let value = connector.pointer(pointer).unwrap_or(&Value::Null);
            !value.is_null() && *value != json!([])
        };
        let columns: Vec<Column> = SHOW.iter().filter(said).copied().collect();
        self.terminal.line(&fields(&columns, connector))
    }
}
