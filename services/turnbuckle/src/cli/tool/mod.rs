//! `turnbuckle tool …`

mod changes;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::args::parse_name;
use super::output::Column;
use super::{Cli, Failure};
use changes::Approve;

const LIST: &[Column] = &[
    ("NAME", "/name"),
    ("EXPOSED AS", "/exposed_name"),
    ("ENABLED", "/enabled"),
    ("STATE", "/state"),
    ("DESCRIPTION", "/description"),
];
const SHOW: &[Column] = &[
    ("Name", "/name"),
    ("Exposed as", "/exposed_name"),
    ("Enabled", "/enabled"),
    ("State", "/state"),
    ("Hash", "/hash"),
    ("Pending hash", "/pending_hash"),
    ("Title", "/title"),
    ("Description", "/description"),
];

#[derive(Debug, Subcommand)]
pub(crate) enum ToolCommand {
    /// List a connector's tools, enabled and disabled ones.
    List(Of),
    /// Show a tool.
    Show {
        #[command(flatten)]
        of: Of,
        #[arg(value_parser = parse_name)]
        tool: String,
    },
    /// List and run these tools again.
    Enable(Which),
    /// Neither list nor run these tools, from now on.
    Disable(Which),
    /// Show what an upstream changed in a tool's definition, or which tools it changed.
    Changes {
        #[command(flatten)]
        of: Of,
        #[arg(value_parser = parse_name)]
        tool: Option<String>,
    },
    /// Approve the definitions that tools have now.
    Approve(Approve),
}

impl ToolCommand {
    /// Whether it changes something.
    pub(super) fn is_change(&self) -> bool {
        !matches!(
            self,
            Self::List(_) | Self::Show { .. } | Self::Changes { .. }
        )
    }
}

/// The connector whose tools are meant.
#[derive(Debug, Args)]
pub(crate) struct Of {
    #[arg(value_parser = parse_name)]
    tenant: String,
    #[arg(value_parser = parse_name)]
    connector: String,
}

impl Of {
    /// Of its tools.
    fn path(&self) -> [&str; 5] {
        [
            "tenants",
            &self.tenant,
            "connectors",
            &self.connector,
            "tools",
        ]
    }

    fn then<'a, const N: usize>(&'a self, rest: [&'a str; N]) -> Vec<&'a str> {
        self.path().into_iter().chain(rest).collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    #[command(flatten)]
    of: Of,
    /// The tools' own names, without the connector's prefix.
    #[arg(required_unless_present = "all")]
    tools: Vec<String>,
    /// Every tool of the connector.
    #[arg(long, conflicts_with = "tools")]
    all: bool,
}

pub(super) async fn run(command: ToolCommand, cli: &mut Cli<'_>) -> Result<(), Failure> {
    match command {
        ToolCommand::List(of) => list(&of.tenant, &of.connector, cli).await,
        ToolCommand::Show { of, tool } => {
            let path = of.then([tool.as_str()]);
            let tool = cli.api()?.get(path.as_slice()).await?;
            cli.show(&tool, SHOW)
        }
        ToolCommand::Enable(which) => switch(which, true, cli).await,
        ToolCommand::Disable(which) => switch(which, false, cli).await,
        ToolCommand::Changes { of, tool: None } => changes::waiting(&of, cli).await,
        ToolCommand::Changes {
            of,
            tool: Some(tool),
        } => changes::of_one(&of, &tool, cli).await,
        ToolCommand::Approve(which) => changes::approve(which, cli).await,
    }
}

/// Also what `connector tools` does.
pub(super) async fn list(tenant: &str, connector: &str, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let path = ["tenants", tenant, "connectors", connector, "tools"];
    let all = cli.api()?.list(&path, &[], "tools").await?;
    cli.show_list(&all, "tools", LIST)
}

async fn switch(which: Which, enabled: bool, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let Which {
        of: Of { tenant, connector },
        tools,
        all,
    } = which;
    let verb = match (all, enabled) {
        (true, true) => "enable-all",
        (true, false) => "disable-all",
        (false, _) => "bulk-update",
    };
    let updates: Vec<Value> = tools
        .iter()
        .map(|name| json!({"name": name, "enabled": enabled}))
        .collect();
    let body = (!all).then(|| json!({"updates": updates}));
    let path = ["tenants", &tenant, "connectors", &connector, "tools", verb];
    let changed = cli.api()?.post(&path, body.as_ref()).await?;
    cli.show_list(&changed, "tools", LIST)
}
