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

    /// Waits for the first signal, or for a task whose failure drains the process; gives what
    /// runs `patience` to end, and ends it then or at the next signal.
    ///
    /// # Errors
    /// What ran was cut off.
    pub(in crate::roles) async fn conduct(
        mut self,
        trigger: ShutdownTrigger,
        shutdown: Shutdown,
        patience: Duration,
    ) -> anyhow::Result<()> {
        tokio::select! {
            () = self.next() => tracing::info!("draining: another signal ends at once"),
            () = shutdown.draining() => {}
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
