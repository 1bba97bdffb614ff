//! `turnbuckle mcp …`: the tenant's tools, seen as an MCP client sees them.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::args::{Format, McpAddress, parse_name};
use super::mcp_client::{McpClient, ToolCall};
use super::output::{Column, plain};
use super::progress::Progress;
use super::{Cli, Failure};

const TOOLS: &[Column] = &[
    ("NAME", "/name"),
    ("TITLE", "/title"),
    ("DESCRIPTION", "/description"),
];

#[derive(Debug, Subcommand)]
pub(crate) enum McpCommand {
    /// List the tools that the key may call.
    Tools(Endpoint),
    /// Call a tool.
    Call {
        #[command(flatten)]
        endpoint: Endpoint,
        /// Its name, as `mcp tools` shows it.
        tool: String,
        /// Its arguments: a JSON object.
        #[arg(long, value_name = "JSON", default_value = "{}")]
        args: String,
        /// Seconds to wait for the answer.
        #[arg(long, value_name = "SECONDS", default_value_t = 300)]
        timeout: u32,
    },
}

/// The tenant's MCP server, or one connector's.
#[derive(Debug, Args)]
pub(crate) struct Endpoint {
    #[arg(value_parser = parse_name)]
    tenant: String,
    /// Only one connector, its tools under their own names.
    #[arg(long, value_parser = parse_name)]
    connector: Option<String>,
    #[command(flatten)]
    address: McpAddress,
}

impl Endpoint {
    fn path(&self) -> Vec<&str> {
        match &self.connector {
            None => vec![&self.tenant, "mcp"],
            Some(connector) => vec![&self.tenant, "connectors", connector, "mcp"],
        }
    }
}

pub(super) async fn run(command: McpCommand, cli: &mut Cli<'_>) -> Result<(), Failure> {
    match command {
        McpCommand::Tools(endpoint) => {
            let api = cli.mcp(&endpoint.address)?;
            let progress = Progress::new("Listing tools");
            let client = McpClient::new(&api, &endpoint.path());
            let tools = progress.during(cli.terminal, client.tools()).await?;
            cli.show_list(&json!({"tools": tools}), "tools", TOOLS)
        }
        McpCommand::Call {
            endpoint,
            tool,
            args,
            timeout,
        } => {
            let patience = Duration::from_secs(timeout.into());
            call(&endpoint, &tool, args, patience, cli).await
        }
    }
}

/// What is read of a call's result.
#[derive(Deserialize)]
struct CallResult {
    #[serde(default)]
    content: Vec<Value>,
    #[serde(default, rename = "structuredContent")]
    structured: Option<Value>,
    #[serde(default, rename = "isError")]
    is_error: bool,
}

async fn call(
    endpoint: &Endpoint,
    tool: &str,
    arguments: String,
    patience: Duration,
    cli: &mut Cli<'_>,
) -> Result<(), Failure> {
    let arguments = RawValue::from_string(arguments)
        .ok()
        .filter(|raw| raw.get().starts_with('{'))
        .ok_or_else(|| {
            Failure::Usage("--args must be a JSON object, e.g. '{\"id\":1}'".to_owned())
        })?;
    let api = cli.mcp(&endpoint.address)?;
    let client = McpClient::new(&api, &endpoint.path());
    let progress = Progress::new(format!("Calling {tool}"));
    let call = ToolCall {
        tool,
        arguments: &arguments,
        patience,
        progress: cli.terminal.watched.then_some(&progress),
    };
    let raw = progress.during(cli.terminal, client.call(&call)).await?;
    let result: CallResult = serde_json::from_str(raw.get())
        .map_err(|_| Failure::strange("the answer is no tool result"))?;
    match cli.global.output {
        // As it came: a second writing could change its numbers.
        Format::Json => cli.terminal.line(raw.get())?,
        Format::Table => cli.terminal.line(&text_of(&result))?,
    }
    if result.is_error {
        let detail = format!("the tool {tool} answered with an error, shown above");
        return Err(Failure::failed("tool-error", detail));
    }
    Ok(())
}

/// The result for a person: texts as they are, the rest in a word.
fn text_of(result: &CallResult) -> String {
    let blocks = result.content.iter().map(|block| {
        let member = |name: &str| block.get(name).and_then(Value::as_str);
        match member("type") {
            Some("text") => plain(member("text").unwrap_or_default()),
            Some("resource_link") => plain(member("uri").unwrap_or_default()),
            kind => format!(
                "[{}]",
                plain(
                    &[kind, member("mimeType")]
                        .into_iter()
                        .flatten()
                        .collect::<Vec<_>>()
                        .join(" ")
                )
            ),
        }
    });
    let text = blocks.collect::<Vec<_>>().join("\n");
    match &result.structured {
        Some(structured) if text.is_empty() => format!("{structured:#}"),
        _ => text,
    }
}
