//! The guard itself.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, WaitStatus, getpid, set_child_subreaper, setsid};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};

use super::owner::Owner;
use super::{Arguments, CANNOT_GUARD, Report, Role, tree};

/// Starts the command and stays until nothing is left of it.
pub(super) fn run(
    owner: u32,
    grace: Duration,
    relaunch: Vec<OsString>,
    mark: String,
    command: Vec<OsString>,
) -> anyhow::Result<u8> {
    let us = getpid();
    set_child_subreaper(Some(us)).context("adopt orphans")?;
    // A session of its own keeps a terminal's signals away. It fails only where we lead a process
    // group already, which keeps them away too.
    let _ = setsid();
    let launch = Arguments {
        role: Role::Launch {
            guard: us.as_raw_nonzero().get().cast_unsigned(),
        },
        mark,
        command,
    };
    // The kernel's death signal of the launcher hangs on the thread that starts it: this one.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let mut asked = Asked::listen()?;
            let mut owner = Owner::watch(owner)?;
            let child = start(&relaunch, &launch)?;
            let status = watch(child, &mut owner, &mut asked, grace, &launch.mark).await;
            Ok(exit_code(status))
        })
}

/// Starts the launcher as the leader of a process group, with our standard streams, and lets go of
/// those that would make us look like the server: who holds them must be it alone.
fn start(relaunch: &[OsString], launch: &Arguments) -> anyhow::Result<Pid> {
    // Our own executable also when its file was replaced by an upgrade.
    let child = Command::new("/proc/self/exe")
        .args(relaunch)
        .args(launch.to_args())
        .process_group(0)
        .spawn()
        .context("start the launcher")?;
    let null = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Report::Started(child.id()).send(&launch.mark);
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .context("read the launcher's id")
}

/// Waits for the first reason to end the tree, and ends it.
async fn watch(
    child: Pid,
    owner: &mut Owner,
    asked: &mut Asked,
    grace: Duration,
    mark: &str,
) -> Option<WaitStatus> {
    let mut status = None;
    loop {
        tree::reap(child, &mut status);
        if let Some(ended) = status {
            // Told before what it left behind is ended, so that its callers need not wait.
            report_end(ended, mark);
            break;
        }
        let look_again = tokio::select! {
            look_again = asked.next() => look_again,
            () = owner.gone() => false,
        };
        if !look_again {
            break;
        }
    }
    tree::end(child, &mut status, grace).await;
    status
}

fn report_end(status: WaitStatus, mark: &str) {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Report::Exited(code).send(mark),
        (None, Some(signal)) => Report::Killed(signal).send(mark),
        (None, None) => {}
    }
}

fn exit_code(status: Option<WaitStatus>) -> u8 {
    let Some(status) = status else {
        return CANNOT_GUARD;
    };
    let code = status
        .exit_status()
        .or(status.terminating_signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(CANNOT_GUARD)
}

/// The signals that mean something to the guard.
struct Asked {
    child_ended: Signals,
    terminate: Signals,
    interrupt: Signals,
    hang_up: Signals,
}

impl Asked {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            child_ended: signal(SignalKind::child())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Resolves with the next signal: true when a child has ended, false when all is to end.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.child_ended.recv() => true,
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
            _ = self.hang_up.recv() => false,
        }
    }
}
