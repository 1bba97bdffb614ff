//! The launcher: ties itself to the guard, then becomes the command.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::{CANNOT_RUN, Report};

/// Returns only when the command could not be run, or when the guard is gone already.
pub(super) fn run(guard: u32, mark: &str, command: &[OsString]) -> anyhow::Result<u8> {
    // Survives the exec, so that the command dies with the guard even if the guard is killed.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get().cast_unsigned());
    anyhow::ensure!(parent == Some(guard), "the guard is gone");

    let (program, args) = command
        .split_first()
        .expect("the parser refuses an empty command");
    let error = Command::new(program).args(args).exec();
    Report::CannotRun(error.raw_os_error().unwrap_or_default()).send(mark);
    Ok(CANNOT_RUN)
}
