//! What goes wrong at the token endpoint.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;

/// One misbehaviour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends; nothing was carried out.
    DropBefore,
    /// Carried out; the connection ends without an answer.
    DropAfter,
    /// Carried out; the connection ends in the middle of the answer.
    Truncated,
    /// Carried out, and answered after so long.
    Late(Duration),
    /// Carried out; the answer waits for `let_go`.
    Hold,
    /// Waits for `let_go`, and is carried out then.
    HoldBefore,
    /// Carried out; the answer comes twice on the same connection.
    Twice,
    /// Not carried out: this status, with `Retry-After` if there is one.
    Status(u16, Option<String>),
    /// Carried out, and answered with this status and no tokens.
    StatusAfter(u16),
    /// Carried out; the answer is no JSON.
    Garbage,
    /// Carried out; the answer is a page, with status 200.
    Html,
    /// Not carried out: the answer is a redirect to itself.
    Redirect,
    /// The answer is good, but about another person's sign-in.
    AnotherUser,
    /// Carried out; the answer has so many bytes.
    Huge(usize),
}

#[derive(Debug)]
pub(super) struct Faults {
    queue: Mutex<(VecDeque<Fault>, Option<Fault>)>,
    gate: watch::Sender<u64>,
}

impl Faults {
    pub(super) fn new() -> Self {
        Self {
            queue: Mutex::default(),
            gate: watch::Sender::new(0),
        }
    }

    fn queue(&self) -> MutexGuard<'_, (VecDeque<Fault>, Option<Fault>)> {
        self.queue.lock().expect("no panic while held")
    }

    pub(super) fn push(&self, fault: Fault) {
        self.queue().0.push_back(fault);
    }

    pub(super) fn always(&self, fault: Option<Fault>) {
        self.queue().1 = fault;
    }

    pub(super) fn next(&self) -> Option<Fault> {
        let mut queue = self.queue();
        let (first, always) = &mut *queue;
        first.pop_front().or_else(|| always.clone())
    }

    pub(super) fn let_go(&self) {
        self.gate.send_modify(|opened| *opened += 1);
    }

    /// Waits for the next `let_go`; `since` was read before the request was counted.
    pub(super) async fn wait(&self, since: u64) {
        let mut gate = self.gate.subscribe();
        // The sender lives as long as `self`.
        let _ = gate.wait_for(|opened| *opened > since).await;
    }

    pub(super) fn opened(&self) -> u64 {
        *self.gate.borrow()
    }
}
