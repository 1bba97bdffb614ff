//! What is said once for every command.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use secrecy::SecretString;
use url::Url;

/// Where the platform is, and how to answer.
#[derive(Debug, Args)]
pub(crate) struct GlobalArgs {
    /// Address of the platform, e.g. `https://tools.example.com`. Found in the data folder when
    /// absent.
    #[arg(long, global = true, env = "TURNBUCKLE_URL", value_name = "URL")]
    #[arg(value_parser = parse_http_url, help_heading = "Connection")]
    pub(crate) url: Option<Url>,
    /// API key. Better set as TURNBUCKLE_API_KEY: other users can read arguments. Found in the
    /// data folder when absent.
    #[arg(long, global = true, env = "TURNBUCKLE_API_KEY", value_name = "KEY")]
    #[arg(hide_env_values = true, value_parser = parse_secret, help_heading = "Connection")]
    pub(crate) api_key: Option<SecretString>,
    /// Data folder of a platform on this machine (default ./data).
    #[arg(long, global = true, env = "TURNBUCKLE_DATA_DIR", value_name = "PATH")]
    #[arg(help_heading = "Connection")]
    pub(crate) data_dir: Option<PathBuf>,
    /// What results look like.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    #[arg(value_name = "FORM", help_heading = "Connection")]
    pub(crate) output: Format,
    /// End only once every gateway enforces the change; fail when one does not within SECONDS
    /// (10 when not said, 30 at most). The change stands then all the same.
    #[arg(long, global = true, value_name = "SECONDS", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "10", value_parser = parse_wait, help_heading = "Changes")]
    pub(crate) wait: Option<f64>,
}

/// Where MCP is served.
#[derive(Debug, Args)]
pub(crate) struct McpAddress {
    /// Address of a gateway or of the load balancer before them, where that is another than
    /// `--url`. Found in the data folder when both are absent.
    #[arg(long, env = "TURNBUCKLE_MCP_URL", value_name = "URL")]
    #[arg(value_parser = parse_http_url, help_heading = "Connection")]
    pub(crate) mcp_url: Option<Url>,
}

/// What results look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a person.
    #[default]
    Table,
    /// For a program: the REST resource, or the MCP result; errors as problem documents.
    Json,
}

/// Reads an address that a request can be sent to.
pub(super) fn parse_http_url(text: &str) -> Result<Url, String> {
    let url: Url = text
        .parse()
        .map_err(|error| format!("not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("may not hold a user name or password".to_owned());
    }
    Ok(url)
}

/// Reads how long to wait, in seconds.
fn parse_wait(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok();
    let seconds = seconds.filter(|seconds| (0.0..=30.0).contains(seconds));
    seconds.ok_or_else(|| "must be a number of seconds from 0 to 30".to_owned())
}

fn parse_secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

/// Reads a name that becomes one segment of a path. What names are allowed is for the server;
/// these would make another path of it.
pub(super) fn parse_name(text: &str) -> Result<String, String> {
    match text {
        "" | "." | ".." => Err("is no name".to_owned()),
        _ => Ok(text.to_owned()),
    }
}
