//! A store of sessions outside the process, which can be away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cache::*;
use futures_util::future::BoxFuture;
use uuid::Uuid;

type Answer<'a, T> = BoxFuture<'a, Result<T, CacheError>>;

/// The way to a store, for one gateway.
#[derive(Clone)]
pub(crate) struct Switch {
    inner: Cache,
    away: Arc<AtomicBool>,
}

impl Switch {
    /// The way to a store that `inner` stands for.
    pub(crate) fn new(inner: Cache) -> Self {
        Self {
            inner,
            away: Arc::default(),
        }
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Release);
    }

    pub(crate) fn cache(&self) -> Cache {
        let all = Arc::new(self.clone());
        Cache {
            sessions: all.clone(),
            streams: all.clone(),
            mailboxes: all.clone(),
            marks: all,
            counters: self.inner.counters.clone(),
        }
    }

    fn reached<'a, T: Send + 'a>(&self, there: Answer<'a, T>) -> Answer<'a, T> {
        match self.away.load(Ordering::Acquire) {
            false => there,
            true => Box::pin(async { Err(CacheError::Unavailable("switched off".to_owned())) }),
        }
    }
}

impl Sessions for Switch {
    fn begin(&self, id: SessionId, owner: SessionOwner, facts: Bytes) -> Answer<'_, ()> {
        self.reached(Box::pin(async move {
            self.inner.sessions.begin(id, owner, facts).await
        }))
    }

    fn touch(&self, id: SessionId) -> Answer<'_, Option<Arc<SessionRecord>>> {
        self.reached(Box::pin(async move { self.inner.sessions.touch(id).await }))
    }

    fn set_log_level<'a>(&'a self, id: SessionId, level: &'a str) -> Answer<'a, Changed> {
        self.reached(Box::pin(async move {
            self.inner.sessions.set_log_level(id, level).await
        }))
    }

    fn subscribe<'a>(&'a self, id: SessionId, uri: &'a str) -> Answer<'a, Changed> {
        self.reached(Box::pin(async move {
            self.inner.sessions.subscribe(id, uri).await
        }))
    }

    fn unsubscribe<'a>(&'a self, id: SessionId, uri: &'a str) -> Answer<'a, Changed> {
        self.reached(Box::pin(async move {
            self.inner.sessions.unsubscribe(id, uri).await
        }))
    }

    fn end(&self, id: SessionId) -> Answer<'_, bool> {
        self.reached(Box::pin(async move { self.inner.sessions.end(id).await }))
    }

    fn count(&self) -> u64 {
        self.inner.sessions.count()
    }

    fn outlives_process(&self) -> bool {
        true
    }
}

impl EventStreams for Switch {
    fn open(&self, session: SessionId, stream: StreamId) -> Answer<'_, ()> {
        self.reached(Box::pin(async move {
            self.inner.streams.open(session, stream).await
        }))
    }

    fn append(
        &self,
        session: SessionId,
        stream: StreamId,
        message: Bytes,
    ) -> Answer<'_, Option<u64>> {
        self.reached(Box::pin(async move {
            self.inner.streams.append(session, stream, message).await
        }))
    }

    fn close(&self, session: SessionId, stream: StreamId) -> Answer<'_, ()> {
        self.reached(Box::pin(async move {
            self.inner.streams.close(session, stream).await
        }))
    }

    fn attach(
        &self,
        session: SessionId,
        stream: StreamId,
        after: u64,
    ) -> Answer<'_, Option<Reader>> {
        self.reached(Box::pin(async move {
            self.inner.streams.attach(session, stream, after).await
        }))
    }

    /// Waits, as a reader does through an outage.
    fn read(&self, reader: Reader, after: u64) -> Answer<'_, Read> {
        Box::pin(async move { self.inner.streams.read(reader, after).await })
    }

    fn detach(&self, reader: Reader) {
        self.inner.streams.detach(reader);
    }

    fn make_standalone(&self, session: SessionId, stream: StreamId) -> Answer<'_, ()> {
        self.reached(Box::pin(async move {
            self.inner.streams.make_standalone(session, stream).await
        }))
    }

    fn forget(&self, session: SessionId) -> Answer<'_, ()> {
        self.reached(Box::pin(
            async move { self.inner.streams.forget(session).await },
        ))
    }

    fn bytes(&self) -> u64 {
        self.inner.streams.bytes()
    }
}

impl Mailboxes for Switch {
    fn open<'a>(&'a self, session: SessionId, names: &'a [&'a str]) -> Answer<'a, Mailbox> {
        Box::pin(async move { self.inner.mailboxes.open(session, names).await })
    }

    fn send<'a>(&'a self, session: SessionId, name: &'a str, message: Bytes) -> Answer<'a, bool> {
        self.reached(Box::pin(async move {
            self.inner.mailboxes.send(session, name, message).await
        }))
    }

    fn send_all(&self, session: SessionId, message: Bytes) -> Answer<'_, ()> {
        self.reached(Box::pin(async move {
            self.inner.mailboxes.send_all(session, message).await
        }))
    }

    fn count(&self) -> usize {
        self.inner.mailboxes.count()
    }
}

impl Marks for Switch {
    fn take(&self, mark: Uuid, keep: Duration) -> Answer<'_, bool> {
        self.reached(Box::pin(
            async move { self.inner.marks.take(mark, keep).await },
        ))
    }
}
