//! Whether the owner still lives.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, getppid, pidfd_open, set_parent_process_death_signal,
};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::watch;

/// The process whose death ends everything below: the guard's parent.
///
/// Two nets: the pidfd tells at once, and where the kernel has none (before 5.3) the death signal
/// of `prctl` wakes us. That one comes also when merely the *thread* that started us ends, so it
/// is only a reason to look, and who our parent is now tells the truth: a process whose parent
/// died has another.
pub(super) struct Owner {
    pid: Pid,
    ended: watch::Receiver<bool>,
    woken: Signals,
}

impl Owner {
    /// # Errors
    /// When `pid` is not our parent (any more): it died before we could watch it.
    pub(super) fn watch(pid: u32) -> anyhow::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| anyhow::anyhow!("the owner's id is no process id"))?;
        // The handler first: the signal's own action would be to end us.
        let woken = signal(SignalKind::user_defined1())?;
        set_parent_process_death_signal(Some(Signal::USR1))?;
        let owner = Self {
            pid,
            ended: end_of(pid),
            woken,
        };
        // Last: if it is our parent now, then the pidfd and the death signal are about it, and
        // not about a process that got its id.
        anyhow::ensure!(owner.is_our_parent(), "the owner is gone");
        Ok(owner)
    }

    /// Resolves when the owner is gone. May be dropped and called again.
    pub(super) async fn gone(&mut self) {
        while self.is_our_parent() {
            tokio::select! {
                Ok(_) = self.ended.wait_for(|ended| *ended) => return,
                _ = self.woken.recv() => {}
            }
        }
    }

    fn is_our_parent(&self) -> bool {
        getppid() == Some(self.pid)
    }
}

/// Becomes true at the end of `pid`; closes when the kernel cannot tell.
fn end_of(pid: Pid) -> watch::Receiver<bool> {
    let (tell, ended) = watch::channel(false);
    // A thread, because an event loop takes foreign descriptors only from unsafe code.
    std::thread::spawn(move || {
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        // Readable from the end of its process on.
        let mut wanted = [PollFd::new(&pidfd, PollFlags::IN)];
        loop {
            match poll(&mut wanted, None) {
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
        tell.send_replace(true);
    });
    ended
}
