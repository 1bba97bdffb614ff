//! Telling a server that nobody waits for its answer any more.

use std::sync::Arc;
use std::time::Duration;

use egress::Deadline;
use fabric::{Effect, Failure, FailureKind};

use super::agree::{Agreed, Era};
use super::message;
use super::peer::Peer;
use super::{Transport, Wire};

/// How long such a message may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Sends `notifications/cancelled` when it is dropped before the request has ended. A modern
/// server over HTTP needs none: the end of the connection says it.
pub(super) struct CancelOnDrop<'a> {
    peer: &'a Peer,
    agreed: &'a Arc<Agreed>,
    id: u64,
    armed: bool,
}

impl<'a> CancelOnDrop<'a> {
    pub(super) fn new(peer: &'a Peer, agreed: &'a Arc<Agreed>, id: u64) -> Self {
        let armed = agreed.era == Era::Legacy || peer.wire() == Wire::Lines;
        Self {
            peer,
            agreed,
            id,
            armed,
        }
    }

    /// The request has ended.
    pub(super) fn disarm(&mut self) {
        self.armed = false;
    }

    /// The request has failed: the server is told only if it may still be at work.
    pub(super) fn settle(&mut self, failure: &Failure) {
        if failure.effect == Effect::None || failure.kind == FailureKind::Died {
            self.disarm();
        }
    }
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and the connection with it.
        if !self.armed || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let Ok(permit) = self.peer.cancels.clone().try_acquire_owned() else {
            return;
        };
        let transport: Arc<dyn Transport> = self.peer.link.transport.clone();
        let (body, headers) = (message::cancelled(self.id), self.agreed.headers.clone());
        self.peer
            .tasks()
            .disposable("cancel an upstream call", async move {
                let told = transport
                    .notify(body, headers, Deadline::after(WITHIN))
                    .await;
                drop(permit);
                if let Err(failure) = told {
                    tracing::debug!("could not cancel an upstream call: {failure}");
                }
                Ok(())
            });
    }
}
