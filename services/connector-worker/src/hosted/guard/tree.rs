//! All that runs below the guard, and how it is ended.

use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, wait};
use tokio::time::Instant;

use crate::hosted::procfs;

/// How often the tree is looked at while it ends.
const ROUND: Duration = Duration::from_millis(20);
/// What SIGKILL does not end in this time sleeps uninterruptibly; waiting longer helps nobody.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Waits for every child that has ended, adopted ones included, and gives the status of `watched`
/// when it is among them, and whether any child is left. Without children there are no
/// descendants: their parents' deaths would have made them our children.
pub(super) fn reap(watched: Pid, status: &mut Option<WaitStatus>) -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, how))) if pid == watched => *status = Some(how),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Ends everything below this process: SIGTERM, SIGKILL after `grace`, until nothing is left.
pub(super) async fn end(watched: Pid, status: &mut Option<WaitStatus>, grace: Duration) {
    if !reap(watched, status) {
        return;
    }
    signal(Signal::TERM);
    let killing = Instant::now() + grace;
    while reap(watched, status) && Instant::now() < killing {
        tokio::time::sleep(ROUND).await;
    }
    // In rounds, because a process may have forked between our look and its death.
    let over = Instant::now() + GIVE_UP;
    while reap(watched, status) && Instant::now() < over {
        signal(Signal::KILL);
        tokio::time::sleep(ROUND).await;
    }
}

fn signal(signal: Signal) {
    let us = getpid().as_raw_nonzero().get().cast_unsigned();
    for entry in procfs::descendants(&procfs::processes(), us) {
        entry.send(signal);
    }
}
