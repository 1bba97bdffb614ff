//! The `turnbuckle` binary: the platform's roles, and the command line client.

mod cli;
mod roles;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use connector_worker::hosted::guard;

/// Requests allocate little, and from many threads; this allocator costs less for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connects your services and MCP servers to MCP clients, tenant by tenant.
#[derive(Debug, Parser)]
#[command(name = "turnbuckle", version, subcommand_required = true)]
struct Arguments {
    #[command(flatten)]
    global: cli::GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run the whole platform in this process, on embedded defaults.
    Up(Box<roles::UpArgs>),
    /// Run a control-plane of a cluster: tenants, connectors and credentials, over Postgres.
    ControlPlane(roles::ControlPlaneArgs),
    /// Run a gateway of a cluster: what MCP clients connect to.
    Gateway(roles::RoleArgs),
    /// Run a worker of a cluster: what calls services and MCP servers.
    Worker(roles::RoleArgs),
    /// Make the root key of an installation, which seals every secret.
    RootKey {
        /// Where to; refused when something is there.
        path: PathBuf,
    },
    /// Certificates by which the roles of a cluster know each other.
    #[command(subcommand)]
    Certs(roles::CertsCommand),
    #[command(flatten)]
    Client(cli::ClientCommand),
}

fn main() -> ExitCode {
    // A worker starts this program again to guard a hosted server: nothing may come before that.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == guard::SUBCOMMAND)
    {
        return guard::main(std::env::args_os().skip(2));
    }
    let Arguments { global, command } = Arguments::parse();
    match command {
        Command::Up(arguments) => roles::up(*arguments, global.data_dir),
        Command::ControlPlane(arguments) => roles::control_plane(&arguments),
        Command::Gateway(arguments) => roles::gateway(&arguments),
        Command::Worker(arguments) => roles::worker(&arguments),
        Command::RootKey { path } => roles::root_key(&path),
        Command::Certs(command) => roles::certs(&command),
        Command::Client(command) => on_runtime(cli::run(command, global)),
    }
}

fn on_runtime(work: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(work),
        Err(_) => ExitCode::FAILURE,
    }
}
