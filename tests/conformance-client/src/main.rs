//! A client for the conformance suite's `client` scenarios: it lists and calls what a scenario's
//! server offers, through the same worker that serves Turnbuckle's connectors, and answers for a
//! person when the server asks.
//!
//! The suite gives the server's address as the last argument and the rest in the environment. The
//! exit code is 0 when everything the scenario wants was done.

mod answers;
mod connector;
mod host;
mod scenario;
mod sign_in;

use clap::Parser;
use serde_json::Value;
use url::Url;

use host::{Host, SignsIn};

/// What the suite gives its client.
#[derive(Parser)]
struct Arguments {
    /// The scenario's name, e.g. `tools_call`.
    #[arg(long, env = "MCP_CONFORMANCE_SCENARIO")]
    scenario: String,
    /// What else the scenario tells, a JSON object.
    #[arg(long, env = "MCP_CONFORMANCE_CONTEXT", default_value = "{}")]
    context: String,
    /// The revision under test. The worker finds out by itself what a server speaks.
    #[arg(long, env = "MCP_CONFORMANCE_PROTOCOL_VERSION")]
    protocol_version: Option<String>,
    /// The server's address.
    url: Url,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let context: Value = serde_json::from_str(&arguments.context)?;
    let scenario = arguments.scenario.as_str();
    let signs_in = match scenario.strip_prefix("auth/") {
        Some(which) if which.starts_with("client-credentials") => Some(SignsIn::Program),
        Some(_) => Some(SignsIn::Person),
        None => None,
    };
    let host = Host::new(arguments.url, signs_in, &context)?;
    scenario::play(&host, scenario, &context).await?;
    host.close().await;
    Ok(())
}
