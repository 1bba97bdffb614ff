//! Two-stage shutdown: *draining* asks for no new work and an end to what runs, *ending* stops
//! what is left.

use tokio_util::sync::CancellationToken;

/// Tells that the process is to end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown {
    drain: CancellationToken,
    end: CancellationToken,
}

/// Starts a shutdown.
#[derive(Clone, Debug)]
pub struct ShutdownTrigger(Shutdown);

impl Shutdown {
    pub fn new() -> (ShutdownTrigger, Self) {
        let end = CancellationToken::new();
        let shutdown = Self {
            drain: end.child_token(),
            end,
        };
        (ShutdownTrigger(shutdown.clone()), shutdown)
    }

    /// Resolves when no new work may begin.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Resolves when even work under way must stop.
    pub async fn ending(&self) {
        self.end.cancelled().await;
    }

    pub fn is_ending(&self) -> bool {
        self.end.is_cancelled()
    }

    pub(crate) fn fail(&self) {
        self.drain.cancel();
    }
}

impl ShutdownTrigger {
    /// Ask for a drain.
    pub fn drain(&self) {
        self.0.drain.cancel();
    }

    /// Stop everything now; implies a drain.
    pub fn end(&self) {
        self.0.end.cancel();
    }
}
