//! What gateways tell each other of a session: a request of it may come to another gateway than
//! the one whose stream its client listens to. Each notice goes to the mailbox of whoever listens.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use cache::{Mailbox, SessionId};
use domain::ConnectorId;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use uuid::Uuid;

use super::settled::Change;
use super::{Inner, Listening, Place};

/// The name of the mailbox.
const LISTENER: &str = "l";
/// What a [`Change`] follows: the record is another.
const CHANGED: &[u8] = b"changed ";
/// What the name of a mailbox follows that waits for it: the session listens elsewhere from now on.
const MOVED: &[u8] = b"moved ";
/// The digest of no tools that there are.
const UNKNOWN: u64 = 0;
/// How long a gateway may take to leave a session to another.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// What the name of a connector follows that the session has called.
const USED: &[u8] = b"used ";

/// Takes a listener's notices. Dropped, it takes none any more.
pub(super) struct Notices(AbortHandle);

impl Drop for Notices {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Inner {
    /// Has notices of a session come here; whoever listened for it at another gateway does so no
    /// more.
    pub(super) async fn open_notices(&self, session: SessionId) -> Option<Mailbox> {
        let opened = self.parts.mailboxes.open(session, &[LISTENER]).await;
        let failed = |error| tracing::warn!("a listener hears of this gateway alone: {error}");
        opened.map_err(failed).ok()
    }

    /// Ends the listening of a session at another gateway, before it begins here. Returns the digest
    /// of the tools that it was told of last: what has changed since is told here.
    pub(super) async fn take_over(&self, session: SessionId) -> Option<u64> {
        if !self.parts.sessions.are_shared() || self.state().of_session(session).is_some() {
            return None;
        }
        let waits = self.name_of_answer();
        let mail = self.parts.mailboxes.open(session, &[&waits]).await;
        let notice = [MOVED, waits.as_bytes()].concat();
        if !self.notify(session, notice.into()).await {
            return None;
        }
        let told = match mail {
            Ok(mut mail) => timeout(LEAVE_WITHIN, mail.next()).await.ok().flatten(),
            Err(_) => None,
        };
        let told = told.and_then(|told| std::str::from_utf8(&told).ok()?.parse().ok());
        // Told once too often rather than not at all.
        Some(told.unwrap_or(UNKNOWN))
    }

    /// A new name of a mailbox of a session, for the answer to a notice.
    pub(super) fn name_of_answer(&self) -> String {
        format!("answer {}", self.parts.ids.next().as_simple())
    }

    /// Takes a listener's notices.
    pub(super) fn take_notices(&self, listening: &mut Listening, place: &Place, mail: Mailbox) {
        let Some(session) = place.session else { return };
        let (this, slug) = (self.this.clone(), place.slug.clone());
        let taking = take(this, slug, session, listening.id, mail);
        let task = self.parts.process.tasks.joinable(taking);
        listening.notices = Some(Notices(task.abort_handle()));
    }

    /// Tells whoever listens for a session elsewhere; whether somebody does, as far as is known.
    async fn notify(&self, session: SessionId, notice: Bytes) -> bool {
        let sent = self.parts.mailboxes.send(session, LISTENER, notice).await;
        sent.unwrap_or_else(|error| {
            tracing::warn!("a listener elsewhere is not told: {error}");
            false
        })
    }

    /// Tells whoever listens for a session elsewhere that its record is another.
    pub(super) async fn notify_of_change(&self, session: SessionId, change: &Change) -> bool {
        let change = serde_json::to_vec(change).expect("plain data");
        self.notify(session, [CHANGED, &change].concat().into())
            .await
    }

    /// Tells in the background which connector a session has called, where it listens elsewhere.
    pub(super) fn tell_use(&self, session: SessionId, connector: ConnectorId) {
        let Some(this) = self.this.upgrade() else {
            return;
        };
        let tasks = &self.parts.process.tasks;
        tasks.disposable("tell where a session has called", async move {
            // First, for whoever begins to listen now and has no mailbox yet.
            if let Err(error) = this.parts.sessions.note_call(session, connector).await {
                tracing::debug!("where a session has called is not noted: {error}");
            }
            let id = connector.as_uuid().to_string();
            let notice = [USED, id.as_bytes()].concat();
            this.notify(session, notice.into()).await;
            Ok(())
        });
    }
}

impl Inner {
    /// A session listens elsewhere from now on, where `waits` is waited for.
    async fn leave(
        self: &Arc<Self>,
        slug: &Arc<str>,
        session: SessionId,
        listener: u64,
        waits: &[u8],
    ) {
        let told = self.state().told(slug, listener).unwrap_or(UNKNOWN);
        self.remove(slug, listener);
        let Ok(waits) = std::str::from_utf8(waits) else {
            return;
        };
        let mailboxes = &self.parts.mailboxes;
        let sent = mailboxes.send(session, waits, told.to_string().into());
        if let Err(error) = sent.await {
            tracing::debug!("who takes a listener over is not told: {error}");
        }
    }

    /// A session has begun to listen here: what it did elsewhere before, and has come to its record
    /// since that was read, found nobody listening yet.
    pub(super) async fn catch_up(self: &Arc<Self>, slug: &Arc<str>, session: SessionId) {
        let record = match self.parts.sessions.touch(session).await {
            Ok(Some(record)) => record,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!("a listener's session cannot be read: {error}");
                return;
            }
        };
        self.take_record(session, &record);
        for connector in &record.called {
            self.note_elsewhere(slug, session, *connector).await;
        }
    }
}

async fn take(
    hub: Weak<Inner>,
    slug: Arc<str>,
    session: SessionId,
    listener: u64,
    mut mail: Mailbox,
) {
    while let Some(notice) = mail.next().await {
        let Some(hub) = hub.upgrade() else { return };
        if let Some(waits) = notice.strip_prefix(MOVED) {
            hub.leave(&slug, session, listener, waits).await;
        } else if let Some(connector) = notice.strip_prefix(USED) {
            if let Ok(id) = Uuid::try_parse_ascii(connector) {
                hub.note_elsewhere(&slug, session, ConnectorId::new(id))
                    .await;
            }
        } else if let Some(change) = notice.strip_prefix(CHANGED) {
            if let Ok(change) = serde_json::from_slice(change) {
                hub.take_change(session, change).await;
            }
        } else {
            // What ends all that runs for the session.
            hub.remove_session(session);
            hub.end_uses(session, Vec::new());
        }
    }
}
