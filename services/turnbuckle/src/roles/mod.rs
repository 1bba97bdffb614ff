//! The roles that this binary can play. Wiring only: what a role does is in its service.

mod control_plane;
pub(crate) mod doctor;
mod files;
mod gateway;
mod life;
mod manifests;
mod node;
mod preparing;
mod public_url;
mod signals;
mod traces;
mod up;
mod worker;

use std::process::ExitCode;

pub(crate) use control_plane::{ControlPlaneArgs, control_plane};
pub(crate) use gateway::gateway;
pub(crate) use node::RoleArgs;
pub(crate) use preparing::{CertsCommand, certs, root_key};
pub(crate) use up::{UpArgs, up};
pub(crate) use worker::worker;

/// Runs a role to its end, on as many threads as the machine has.
fn on_threads(role: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let threads = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = threads.block_on(role);
    // What is left was told to end and had its time.
    threads.shutdown_background();
    ended
}

fn exit_code(ended: anyhow::Result<()>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Writes to standard output; who closed it does not want to know.
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "why the program ends, for whoever started it"
)]
fn complain(error: &anyhow::Error) {
    eprintln!("turnbuckle: {error:#}");
}
