//! The seam for messages to whoever waits: a legacy client's answer to a server request, or its
//! cancellation, may reach another node than the one that runs the call.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::{CacheError, SessionId};

/// Messages that wait in one mailbox; more are refused.
pub const MAILBOX_MAX: usize = 16;

/// An open mailbox. Closed when dropped.
pub struct Mailbox {
    receiver: mpsc::Receiver<Bytes>,
    _registration: Box<dyn Send + Sync>,
}

impl Mailbox {
    /// `registration` ends the mailbox when it is dropped.
    pub fn new(receiver: mpsc::Receiver<Bytes>, registration: Box<dyn Send + Sync>) -> Self {
        Self {
            receiver,
            _registration: registration,
        }
    }

    /// The next message. Never resolves to `None` while the mailbox is open.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.receiver.recv().await
    }
}

/// Carries messages to mailboxes.
pub trait Mailboxes: Send + Sync {
    /// Opens one mailbox under several names of a session. A name that is taken goes to the new
    /// mailbox.
    fn open<'a>(
        &'a self,
        session: SessionId,
        names: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Mailbox, CacheError>>;

    /// Sends to a mailbox of a session. False when none is open under that name, or it is full.
    fn send<'a>(
        &'a self,
        session: SessionId,
        name: &'a str,
        message: Bytes,
    ) -> BoxFuture<'a, Result<bool, CacheError>>;

    /// As [`send`](Self::send), under a name that is given to one mailbox ever: where none is known
    /// by it yet, or any more, the message waits for one, for a minute or so, unless it is very
    /// long. False when there is no room. What was left twice may arrive twice.
    fn leave<'a>(
        &'a self,
        session: SessionId,
        name: &'a str,
        message: Bytes,
    ) -> BoxFuture<'a, Result<bool, CacheError>>;

    /// Sends to each mailbox of a session that has room.
    fn send_all(&self, session: SessionId, message: Bytes)
    -> BoxFuture<'_, Result<(), CacheError>>;

    /// Whether a mailbox of a session is open, on whatever node, under a name that begins so.
    fn any<'a>(
        &'a self,
        session: SessionId,
        beginning: &'a str,
    ) -> BoxFuture<'a, Result<bool, CacheError>>;

    /// How many names are open, about.
    fn count(&self) -> usize;
}
