//! One handshake at a time with a server. It belongs to the connection, not to the call that needs
//! it: a caller that leaves does not begin it anew for the next one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use egress::Deadline;
use fabric::{Failure, FailureKind};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Wire;
use super::agree::Agreed;
use super::peer::{Link, Peer};
use crate::failure::unsent;

/// How long a handshake may take once the server is up.
const WITHIN: Duration = Duration::from_secs(60);

/// How a handshake ended; `None` while it goes on.
type Ended = Option<Result<Arc<Agreed>, Failure>>;

/// The handshake under way, or the last one. Broken off with its peer.
#[derive(Default)]
pub(super) struct Agreement(Mutex<State>);

#[derive(Default)]
struct State {
    running: Option<Running>,
}

struct Running {
    ended: watch::Receiver<Ended>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// What holds with the server, agreed on first where nothing does. Callers that come while
    /// this is under way wait for it and share its failure.
    pub(super) async fn agreed(&self, deadline: Deadline) -> Result<Arc<Agreed>, Failure> {
        if let Some(agreed) = self.link.agreed.load_full() {
            return Ok(agreed);
        }
        // Boxed, because it is rare.
        Box::pin(self.handshake_ended(deadline)).await
    }

    async fn handshake_ended(&self, deadline: Deadline) -> Result<Arc<Agreed>, Failure> {
        let mut ended = self.handshake();
        let waited = tokio::time::timeout_at(deadline.instant(), ended.wait_for(Option::is_some));
        match waited.await {
            Ok(Ok(ended)) => {
                let agreed = ended.clone().unwrap_or_else(|| Err(broken_off()))?;
                self.listen_if_due(&agreed);
                Ok(agreed)
            }
            Ok(Err(_)) => Err(broken_off()),
            Err(_) => Err(unsent(
                FailureKind::Timeout,
                "the MCP server did not finish its handshake in time",
            )),
        }
    }

    /// The handshake under way, begun when there is none.
    fn handshake(&self) -> watch::Receiver<Ended> {
        let mut state = self.agreement.0.lock().expect("no panic while held");
        if let Some(running) = &state.running {
            let goes_on = running.ended.borrow().is_none() && running.ended.has_changed().is_ok();
            if goes_on {
                return running.ended.clone();
            }
        }
        // After the look at the handshake: it puts down what was agreed before it ends.
        if let Some(agreed) = self.link.agreed.load_full() {
            return watch::channel(Some(Ok(agreed))).1;
        }
        state.running = None;
        let (tell, ended) = watch::channel(None);
        let link = self.link.clone();
        let task = self.tasks().joinable(async move {
            let outcome = shake_hands(&link).await;
            // Not kept by this task when callers hear of it: with the last of them it is over.
            drop(link);
            tell.send_replace(Some(outcome));
        });
        state.running = Some(Running {
            ended: ended.clone(),
            task: task.abort_handle(),
        });
        ended
    }
}

async fn shake_hands(link: &Link) -> Result<Arc<Agreed>, Failure> {
    let deadline = Deadline::after(WITHIN + link.transport.start_timeout());
    let hint = link.known.era.load().as_deref().copied();
    match link.agree(hint, deadline).await {
        Ok(agreed) => {
            let agreed = Arc::new(agreed);
            if hint != Some(agreed.era) {
                link.known.era.store(Some(Arc::new(agreed.era)));
            }
            link.agreed.store(Some(agreed.clone()));
            Ok(agreed)
        }
        // Whatever was sent, it was not the call.
        Err(failure) => {
            link.known.era.store(None);
            let lines = link.transport.wire() == Wire::Lines;
            let kind = match failure.kind {
                // A process that ends so early has never been there for a call.
                FailureKind::Died if lines => FailureKind::Unreachable,
                kind => kind,
            };
            Err(unsent(kind, failure.message))
        }
    }
}

fn broken_off() -> Failure {
    unsent(
        FailureKind::Unreachable,
        "the handshake with the MCP server was broken off",
    )
}
