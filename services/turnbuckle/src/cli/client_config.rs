//! `turnbuckle client-config`: what to paste into an MCP client.
//!
//! Standard output is the JSON alone, so that it can be sent into a file; where it belongs is said
//! on standard error. A key is printed only if the user names the variable that holds it.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use url::Url;

use super::api::joined;
use super::args::{Format, McpAddress, parse_name};
use super::{Cli, Failure, target};

/// What the placeholders name.
const KEY_VARIABLE: &str = "TURNBUCKLE_API_KEY";
const VSCODE_INPUT: &str = "turnbuckle-api-key";

#[derive(Debug, Args)]
pub(crate) struct ClientConfigArgs {
    #[arg(value_parser = parse_name)]
    tenant: String,
    /// The MCP client.
    #[arg(long, value_enum)]
    client: McpClientKind,
    /// Only the tools of one connector, under their own names.
    #[arg(long, value_parser = parse_name)]
    connector: Option<String>,
    /// Write the key that this environment variable holds, instead of a placeholder.
    #[arg(long, value_name = "VAR")]
    key_from_env: Option<String>,
    #[command(flatten)]
    address: McpAddress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum McpClientKind {
    Claude,
    Cursor,
    Vscode,
}

impl McpClientKind {
    /// What stands for the key until the client puts it there itself.
    fn placeholder(self) -> String {
        match self {
            Self::Claude => format!("${{{KEY_VARIABLE}}}"),
            Self::Cursor => format!("${{env:{KEY_VARIABLE}}}"),
            Self::Vscode => format!("${{input:{VSCODE_INPUT}}}"),
        }
    }
}

pub(super) fn run(args: &ClientConfigArgs, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let base = target::find_mcp_url(cli.global, &args.address)?;
    let key = match &args.key_from_env {
        Some(variable) => cli.terminal.variable(variable)?.trim().to_owned(),
        None => args.client.placeholder(),
    };
    let (name, url) = endpoint(args, &base);
    let config = document(args, &name, &url, &key);
    cli.terminal.json(&config)?;
    if cli.global.output == Format::Table {
        cli.terminal.remark(&advice(args, &name, &url))?;
    }
    Ok(())
}

fn endpoint(args: &ClientConfigArgs, base: &Url) -> (String, Url) {
    let tenant = args.tenant.as_str();
    match &args.connector {
        None => (
            tenant.to_owned(),
            joined(base, &["api", "v1"], &[tenant, "mcp"]),
        ),
        Some(connector) => (
            format!("{tenant}-{connector}"),
            joined(
                base,
                &["api", "v1"],
                &[tenant, "connectors", connector, "mcp"],
            ),
        ),
    }
}

fn document(args: &ClientConfigArgs, name: &str, url: &Url, key: &str) -> Value {
    let url = url.as_str();
    let headers = json!({"Authorization": format!("Bearer {key}")});
    match args.client {
        McpClientKind::Claude => {
            json!({"mcpServers": {name: {"type": "http", "url": url, "headers": headers}}})
        }
        McpClientKind::Cursor => json!({"mcpServers": {name: {"url": url, "headers": headers}}}),
        McpClientKind::Vscode => {
            let servers = json!({name: {"type": "http", "url": url, "headers": headers}});
            let input = json!({
                "type": "promptString",
                "id": VSCODE_INPUT,
                "description": "Turnbuckle API key",
                "password": true,
            });
            match args.key_from_env {
                Some(_) => json!({"servers": servers}),
                None => json!({"servers": servers, "inputs": [input]}),
            }
        }
    }
}

fn advice(args: &ClientConfigArgs, name: &str, url: &Url) -> String {
    let variable = args.key_from_env.as_deref().unwrap_or(KEY_VARIABLE);
    let export = match args.key_from_env {
        Some(_) => String::new(),
        None => format!(", and export {KEY_VARIABLE} where the client runs"),
    };
    match args.client {
        McpClientKind::Claude => format!(
            "\nSave this as .mcp.json in your project{export}. Or, once, on a shell that has it:\n  \
             claude mcp add --transport http {name} {url} --header \"Authorization: Bearer ${variable}\""
        ),
        McpClientKind::Cursor => format!(
            "\nSave this as .cursor/mcp.json in your project, or ~/.cursor/mcp.json{export}."
        ),
        McpClientKind::Vscode => {
            let asks = if args.key_from_env.is_some() {
                ""
            } else {
                "; it asks for the key once"
            };
            format!("\nSave this as .vscode/mcp.json in your project{asks}.")
        }
    }
}
