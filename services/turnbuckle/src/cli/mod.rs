//! The command line client: everything that talks to a running platform.
//!
//! It knows the platform through REST and MCP alone, as any other client would. Results go to
//! standard output, everything else (progress, errors, advice) to standard error. Provider secrets
//! come from the environment, a file or a prompt, never as an argument, which other users of a
//! machine can read.

mod api;
mod args;
mod client_config;
mod connector;
mod doctor;
mod failure;
mod key;
mod mcp;
mod mcp_client;
mod nodes;
mod oauth;
mod output;
mod progress;
mod prompt;
mod secret;
mod show;
mod target;
mod tenant;
mod terminal;
#[cfg(test)]
mod tests;
mod tool;
mod wait;

use std::process::ExitCode;

use clap::Subcommand;

pub(crate) use args::GlobalArgs;

use api::Api;
use args::McpAddress;
use failure::Failure;
use terminal::Terminal;
use wait::Enforcement;

/// What can be asked of a running platform.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Create and manage tenants.
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// Connect services and MCP servers to a tenant.
    #[command(subcommand)]
    Connector(connector::ConnectorCommand),
    /// Decide which tools of a connector may be used.
    #[command(subcommand)]
    Tool(tool::ToolCommand),
    /// Create and revoke API keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Connect accounts at providers, and say what is registered there.
    #[command(name = "oauth", subcommand)]
    OAuth(oauth::OAuthCommand),
    /// List and call a tenant's tools, as an MCP client would.
    #[command(subcommand)]
    Mcp(mcp::McpCommand),
    /// Print what to paste into an MCP client.
    ClientConfig(client_config::ClientConfigArgs),
    /// Show the key that is used.
    Whoami,
    /// List the platform's processes, and how far each is.
    Nodes,
    /// Look for what is wrong with a role's surroundings, or with the running platform.
    Doctor(doctor::DoctorArgs),
}

impl ClientCommand {
    /// Whether there is anything to wait for after it.
    fn is_change(&self) -> bool {
        match self {
            Self::Tenant(command) => command.is_change(),
            Self::Connector(command) => command.is_change(),
            Self::Tool(command) => command.is_change(),
            Self::Key(command) => command.is_change(),
            Self::OAuth(command) => command.is_change(),
            Self::Mcp(_) | Self::ClientConfig(_) | Self::Whoami | Self::Nodes | Self::Doctor(_) => {
                false
            }
        }
    }
}

/// Runs one command to its end and says how it ended: 0 done, 1 failed, 2 called wrongly,
/// 3 refused by the server, 4 failed in the server.
pub(crate) async fn run(command: ClientCommand, global: GlobalArgs) -> ExitCode {
    ExitCode::from(execute(command, &global, &mut Terminal::of_process()).await)
}

async fn execute(command: ClientCommand, global: &GlobalArgs, terminal: &mut Terminal) -> u8 {
    match Box::pin(dispatch(command, global, terminal)).await {
        Ok(()) => 0,
        Err(failure) => {
            // Nobody is left to tell when this fails too.
            let _ = terminal.fail(&failure, global.output);
            failure.exit_code()
        }
    }
}

async fn dispatch(
    command: ClientCommand,
    global: &GlobalArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    if global.wait.is_some() && !command.is_change() {
        let wish = "--wait is for commands that change something: leave it out";
        return Err(Failure::Usage(wish.to_owned()));
    }
    let mut cli = Cli {
        global,
        terminal,
        enforcement: Enforcement::default(),
    };
    let ended = run_one(command, &mut cli).await;
    // What went wrong itself says more.
    ended.and_then(|()| cli.report_enforcement())
}

async fn run_one(command: ClientCommand, cli: &mut Cli<'_>) -> Result<(), Failure> {
    match command {
        ClientCommand::Tenant(command) => tenant::run(command, cli).await,
        ClientCommand::Connector(command) => connector::run(command, cli).await,
        ClientCommand::Tool(command) => tool::run(command, cli).await,
        ClientCommand::Key(command) => key::run(command, cli).await,
        ClientCommand::OAuth(command) => oauth::run(command, cli).await,
        ClientCommand::Mcp(command) => mcp::run(command, cli).await,
        ClientCommand::ClientConfig(args) => client_config::run(&args, cli),
        ClientCommand::Whoami => key::whoami(cli).await,
        ClientCommand::Nodes => nodes::run(cli).await,
        ClientCommand::Doctor(args) => doctor::run(args, cli).await,
    }
}

/// What every command works with.
struct Cli<'a> {
    global: &'a GlobalArgs,
    terminal: &'a mut Terminal,
    enforcement: Enforcement,
}

impl Cli<'_> {
    /// The platform that the arguments, the environment or the data folder lead to.
    fn api(&self) -> Result<Api, Failure> {
        let target = target::find(self.global)?;
        Api::new(target, self.global.wait, self.enforcement.clone())
    }

    /// Where it serves MCP.
    fn mcp(&self, address: &McpAddress) -> Result<Api, Failure> {
        let target = target::find_mcp(self.global, address)?;
        Api::new(target, None, self.enforcement.clone())
    }
}
