//! The process that stands between a worker and a hosted server, so that the server's whole
//! process tree is gone within seconds of its owner's end, also when nobody could say goodbye.
//!
//! The worker starts its own executable again as *guard*. The guard adopts every orphan below it
//! (child subreaper), watches its owner through a pidfd, and starts the command through a second
//! turn of the same executable, the *launcher*, which asks the kernel to be killed with the guard
//! and then becomes the command. When the owner is gone, when the worker asks with SIGTERM, or
//! when the command has ended and left processes behind, the guard ends all that is below it:
//! SIGTERM, a grace, SIGKILL until nothing is left.
//!
//! Covered: the owner ends in any way; the command forks, daemonises, starts sessions of its own,
//! ignores SIGTERM; the guard alone is killed (the kernel kills the command, `sweep` in the worker
//! finds the rest). Not covered: when owner and guard are killed in the same moment, the kernel
//! still kills the command, but what the command has started may run on until the next worker
//! starts, which ends it; and a process in uninterruptible sleep ends when it wakes.
//!
//! Nothing here is a sandbox: a server runs as the worker's user, and may read what that user may,
//! the environment of other servers included.
//!
//! Linux only; elsewhere the guard refuses to run.

mod arguments;
#[cfg(target_os = "linux")]
mod launch;
#[cfg(target_os = "linux")]
mod owner;
mod report;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(target_os = "linux")]
mod watch;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

pub(super) use arguments::{Arguments, Role};
pub(super) use report::Report;

/// The word that leads an executable of ours to [`main`], unless its configuration says otherwise.
pub const SUBCOMMAND: &str = "__hosted-guard";

/// What a shell answers for a command that cannot be run.
const CANNOT_RUN: u8 = 127;
/// The exit code for a guard that was called wrongly, or that cannot keep what it promises.
const CANNOT_GUARD: u8 = 125;

/// Runs the guard, or the launcher below it, to its end. `args` is what follows the words that
/// lead here, e.g. what follows `turnbuckle __hosted-guard`. Call it first thing in `main`, before
/// any thread is started and with nothing but the standard streams open.
///
/// The exit code is the command's own, 128 + n for signal n, 127 when it could not be run, and 125
/// when the guard could not do its work (then nothing was started).
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Arguments::parse(args)
        .map_err(anyhow::Error::from)
        .and_then(run)
    {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Nobody is left to tell when this fails too.
            let _ = writeln!(std::io::stderr(), "hosted guard: {error:#}");
            ExitCode::from(CANNOT_GUARD)
        }
    }
}

#[cfg(target_os = "linux")]
fn run(arguments: Arguments) -> anyhow::Result<u8> {
    match arguments.role {
        Role::Launch { guard } => launch::run(guard, &arguments.mark, &arguments.command),
        Role::Watch {
            owner,
            grace,
            relaunch,
        } => watch::run(owner, grace, relaunch, arguments.mark, arguments.command),
    }
}

#[cfg(not(target_os = "linux"))]
fn run(_: Arguments) -> anyhow::Result<u8> {
    anyhow::bail!("hosted MCP servers need Linux")
}
