//! What gateways tell each other of a session: a request of it may come to another gateway than
//! the one whose stream its client listens to. Each notice goes to the mailbox of whoever listens.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use cache::{Mailbox, SessionId, SessionRecord};
use domain::ConnectorId;
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::{Inner, Listening, Place};

/// The name of the mailbox.
const LISTENER: &str = "l";
/// The record is another.
const CHANGED: &[u8] = b"changed";
/// The session listens elsewhere from now on.
const MOVED: &[u8] = b"moved";
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
        if self.state().of_session(session).is_none() {
            self.notify(session, Bytes::from_static(MOVED)).await;
        }
        let opened = self.parts.mailboxes.open(session, &[LISTENER]).await;
        let failed = |error| tracing::warn!("a listener hears of this gateway alone: {error}");
        opened.map_err(failed).ok()
    }

    /// Takes a listener's notices.
    pub(super) fn take_notices(&self, listening: &mut Listening, place: &Place, mail: Mailbox) {
        let Some(session) = place.session else { return };
        let (this, slug) = (self.this.clone(), place.slug.clone());
        let taking = take(this, slug, session, listening.id, mail);
        let task = self.parts.process.tasks.joinable(taking);
        listening.notices = Some(Notices(task.abort_handle()));
    }

    /// Tells whoever listens for a session elsewhere.
    pub(super) async fn notify(&self, session: SessionId, notice: Bytes) {
        let sent = self.parts.mailboxes.send(session, LISTENER, notice).await;
        if let Err(error) = sent {
            tracing::warn!("a listener elsewhere is not told: {error}");
        }
    }

    /// A session's record is another: whoever listens for it is to know.
    pub(super) async fn session_changed(
        self: &Arc<Self>,
        session: SessionId,
        record: &SessionRecord,
    ) {
        if !self.take_record(session, record) && self.parts.sessions.are_shared() {
            self.notify(session, Bytes::from_static(CHANGED)).await;
        }
    }

    /// Tells in the background which connector a session has called, where it listens elsewhere.
    pub(super) fn tell_use(&self, session: SessionId, connector: ConnectorId) {
        let Some(this) = self.this.upgrade() else {
            return;
        };
        let tasks = &self.parts.process.tasks;
        tasks.disposable("tell where a session has called", async move {
            let id = connector.as_uuid().to_string();
            let notice = [USED, id.as_bytes()].concat();
            this.notify(session, notice.into()).await;
            Ok(())
        });
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
        match &*notice {
            CHANGED => match hub.parts.sessions.touch(session).await {
                Ok(Some(record)) => drop(hub.take_record(session, &record)),
                Ok(None) => {}
                Err(error) => tracing::warn!("a listener's session cannot be read: {error}"),
            },
            MOVED => hub.remove(&slug, listener),
            notice => match notice.strip_prefix(USED) {
                Some(connector) => {
                    if let Ok(id) = Uuid::try_parse_ascii(connector) {
                        hub.note_elsewhere(&slug, session, ConnectorId::new(id))
                            .await;
                    }
                }
                // What ends all that runs for the session.
                None => {
                    hub.remove_session(session);
                    hub.end_uses(session, Vec::new());
                }
            },
        }
    }
}
