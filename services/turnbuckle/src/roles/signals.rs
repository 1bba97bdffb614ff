//! What ends the process: a first signal asks it to drain, a second one ends it at once.

use runtime::{Shutdown, ShutdownTrigger};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end us.
pub(in crate::roles) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What others are told before the drain: that they should go elsewhere.
pub(in crate::roles) struct Notice {
    pub(in crate::roles) leaving: ShutdownTrigger,
    pub(in crate::roles) lasts: Duration,
}

impl Signals {
    /// From here on signals no longer end the process by themselves.
    pub(in crate::roles) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }

    /// Waits for the first signal, or for a task whose failure drains the process; gives `notice`,
    /// where there is one, before the drain; gives what runs `patience` to end, and ends it then or
    /// at the next signal.
    ///
    /// # Errors
    /// What ran was cut off.
    pub(in crate::roles) async fn conduct(
        mut self,
        trigger: ShutdownTrigger,
        shutdown: Shutdown,
        patience: Duration,
        notice: Option<Notice>,
    ) -> anyhow::Result<()> {
        tokio::select! {
            () = self.next() => tracing::info!("draining: another signal ends at once"),
            () = shutdown.draining() => {}
        }
        if let Some(notice) = notice {
            notice.leaving.drain();
            tokio::select! {
                () = self.next() => {}
                () = shutdown.draining() => {}
                () = tokio::time::sleep(notice.lasts) => {}
            }
        }
        trigger.drain();
        let cut_off = tokio::select! {
            () = self.next() => Some("a second signal ended it at once"),
            () = tokio::time::sleep(patience) => Some("requests did not end in time"),
            () = shutdown.ending() => None,
        };
        trigger.end();
        cut_off.map_or(Ok(()), |why| {
            Err(anyhow::anyhow!("{why}: they were cut off"))
        })
    }
}
