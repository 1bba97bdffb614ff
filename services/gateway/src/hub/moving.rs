//! Legacy sessions whose listening stream does not take what there is to tell: its store is away, or
//! has forgotten it, or it was begun at this gateway alone while the store was away. What could not
//! be said is kept; where there is a reader, the listener goes on in a new stream of all gateways,
//! on the same connection.

use std::sync::Arc;

use bytes::Bytes;
use cache::{EventStreams, Reader, SessionId, SessionRecord, StreamId};

use super::{Inner, Listening, Sink};
use crate::kept::{Held, KeptStreams, is_here};

/// Messages that are kept for one listener; equal ones are one. Beyond, the oldest goes.
const UNSAID_MAX: usize = 32;

/// What a listener is still to be told.
pub(super) struct Unsaid {
    pub(super) message: Bytes,
    /// What it tells of, where that is the tools.
    pub(super) tools_digest: Option<u64>,
}

impl Listening {
    /// Resolves when the listener is to go on in another stream.
    pub(crate) async fn is_to_move(&self) {
        self.moves.notified().await;
    }

    /// Goes on in another stream, of which this is the reader. The one before ends, if it is there.
    /// `None` when nobody may listen for the session here any more, or no stream can be had now.
    pub(crate) async fn move_on(&self) -> Option<Reader> {
        let inner = self.inner.upgrade()?;
        inner.move_on(&self.slug, self.id).await
    }
}

/// A stream that was begun and is not read yet.
struct Begun<'a> {
    streams: &'a KeptStreams,
    reader: Option<Reader>,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(reader) = self.reader {
            self.streams.detach(reader);
        }
    }
}

/// What a listener knows of its session.
struct Known {
    held: Held,
    before: StreamId,
    subscriptions: Vec<Box<str>>,
    log_level: Option<&'static str>,
}

impl Inner {
    /// Keeps what the stream of a session did not take. Whoever reads it finds out why.
    pub(super) fn keep(self: &Arc<Self>, session: SessionId, stream: StreamId, unsaid: Unsaid) {
        let moved = {
            let mut state = self.state();
            let Some((slug, id)) = state.of_session(session) else {
                return;
            };
            let Some(listener) = state.listener_mut(&slug, id) else {
                return;
            };
            let waiting = &mut listener.unsaid;
            waiting.retain(|known| known.message != unsaid.message);
            if waiting.len() >= UNSAID_MAX {
                tracing::warn!("a notification is lost: too many wait for a stream");
                waiting.remove(0);
            }
            waiting.push(unsaid);
            let is_there = matches!(listener.sink, Sink::Stream(_, now) if now == stream);
            (!is_there).then_some(slug)
        };
        if let Some(slug) = moved {
            self.look_at(&slug);
        }
    }

    /// Has listeners go on, and told what was kept for them, whenever the store is back.
    pub(super) fn hear_of_the_store(&self) {
        if !self.parts.sessions.are_shared() {
            return;
        }
        let (this, mut back) = (self.this.clone(), self.parts.sessions.back());
        let shutdown = self.parts.process.shutdown.clone();
        let tasks = &self.parts.process.tasks;
        tasks.disposable("listeners of a store that is back", async move {
            loop {
                tokio::select! {
                    () = shutdown.draining() => return Ok(()),
                    changed = back.changed() => if changed.is_err() {
                        return Ok(());
                    },
                }
                let Some(this) = this.upgrade() else {
                    return Ok(());
                };
                this.store_is_back();
            }
        });
    }

    fn store_is_back(&self) {
        let mut waiting = Vec::new();
        {
            let state = self.state();
            for (slug, tenant) in &state.tenants {
                for listener in tenant.listeners.values() {
                    let Sink::Stream(session, stream) = listener.sink else {
                        continue;
                    };
                    if is_here(stream) && !is_here(session) {
                        listener.moves.notify_one();
                    }
                }
                if tenant.listeners.values().any(|one| !one.unsaid.is_empty()) {
                    waiting.push(slug.clone());
                }
            }
        }
        for slug in waiting {
            self.look_at(&slug);
        }
    }

    async fn move_on(self: &Arc<Self>, slug: &Arc<str>, id: u64) -> Option<Reader> {
        let known = self.known(slug, id)?;
        let (session, streams) = (known.held.id, &self.parts.streams);
        let record = match self.parts.sessions.find(&known.held).await {
            Ok(record) => record?,
            Err(error) => {
                tracing::debug!("a listener cannot go on: {error}");
                return None;
            }
        };
        self.remind(&known, &record).await;
        let begun = streams.begin(session, self.parts.ids.next(), None).await;
        let reader = begun.unwrap_or_else(|error| {
            tracing::debug!("a listener cannot go on: {error}");
            None
        })?;
        let mut begun = Begun {
            streams,
            reader: Some(reader),
        };
        {
            let mut state = self.state();
            let listener = state.listener_mut(slug, id)?;
            listener.sink = Sink::Stream(session, reader.stream);
        }
        let made = streams.make_standalone(session, reader.stream).await;
        let closed = streams.close(session, known.before).await;
        if let Err(error) = made.and(closed) {
            tracing::debug!("a listener's stream may be taken up late: {error}");
        }
        self.look_at(slug);
        begun.reader = None;
        Some(reader)
    }

    fn known(&self, slug: &str, id: u64) -> Option<Known> {
        let state = self.state();
        let listener = state.listener(slug, id)?;
        let Sink::Stream(_, before) = listener.sink else {
            return None;
        };
        let profile = &listener.place.profile;
        Some(Known {
            held: listener.place.held.clone()?,
            before,
            subscriptions: listener.filter.uris.clone(),
            log_level: profile
                .log_level
                .filter(|_| !profile.log_default)
                .map(|level| level.as_str()),
        })
    }

    /// Tells a store that has lost the session what it subscribed to, and its level.
    async fn remind(&self, known: &Known, record: &SessionRecord) {
        if record.log_level.is_some() || !record.subscriptions.is_empty() {
            return;
        }
        let (sessions, session) = (&self.parts.sessions, known.held.id);
        let reminded = async {
            if let Some(level) = known.log_level {
                sessions.set_log_level(session, level).await?;
            }
            for uri in &known.subscriptions {
                sessions.subscribe(session, uri).await?;
            }
            Ok::<_, cache::CacheError>(())
        };
        if let Err(error) = reminded.await {
            tracing::debug!("what a session subscribed to is not known any more: {error}");
        }
    }
}
