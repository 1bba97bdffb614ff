//! `turnbuckle tool …`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::args::parse_name;
use super::output::Column;
use super::{Cli, Failure};

const LIST: &[Column] = &[
    ("NAME", "/name"),
    ("EXPOSED AS", "/exposed_name"),
    ("ENABLED", "/enabled"),
    ("DESCRIPTION", "/description"),
];
const SHOW: &[Column] = &[
    ("Name", "/name"),
    ("Exposed as", "/exposed_name"),
    ("Enabled", "/enabled"),
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
}

/// The connector whose tools are meant.
#[derive(Debug, Args)]
pub(crate) struct Of {
    #[arg(value_parser = parse_name)]
    tenant: String,
    #[arg(value_parser = parse_name)]
    connector: String,
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
            let path = [
                "tenants",
                &of.tenant,
                "connectors",
                &of.connector,
                "tools",
                &tool,
            ];
            let tool = cli.api()?.get(&path).await?;
            cli.show(&tool, SHOW)
        }
        ToolCommand::Enable(which) => switch(which, true, cli).await,
        ToolCommand::Disable(which) => switch(which, false, cli).await,
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
