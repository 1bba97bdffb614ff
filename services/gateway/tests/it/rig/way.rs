//! The way of one gateway to its store, which can be away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cache::*;
use domain::ConnectorId;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::store::Distant;

type Answer<'a, T> = BoxFuture<'a, Result<T, CacheError>>;

/// The way to a store, for one gateway.
#[derive(Clone)]
pub(crate) struct Way {
    inner: Cache,
    away: Arc<AtomicBool>,
    distant: Option<Distant>,
}

impl Way {
    /// The way to a store that `inner` stands for.
    pub(crate) fn to(inner: Cache) -> Self {
        Self {
            inner,
            away: Arc::default(),
            distant: None,
        }
    }

    /// The same to a store on a runtime of its own.
    pub(super) fn at(self, distant: Distant) -> Self {
        Self {
            distant: Some(distant),
            ..self
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
            marks: all.clone(),
            quotas: all,
        }
    }

    /// Asks the store, unless it is away.
    fn ask<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, CacheError>> + Send + 'static,
    ) -> Answer<'static, T> {
        if self.away.load(Ordering::Acquire) {
            return Box::pin(async { Err(CacheError::Unavailable("switched off".to_owned())) });
        }
        match &self.distant {
            None => Box::pin(work),
            Some(distant) => distant.run(false, work),
        }
    }
}

impl Sessions for Way {
    fn begin(&self, id: SessionId, owner: SessionOwner, facts: Bytes) -> Answer<'_, ()> {
        let sessions = self.inner.sessions.clone();
        self.ask(async move { sessions.begin(id, owner, facts).await })
    }

    fn touch(&self, id: SessionId) -> Answer<'_, Option<Arc<SessionRecord>>> {
        let sessions = self.inner.sessions.clone();
        self.ask(async move { sessions.touch(id).await })
    }

    fn set_log_level<'a>(&'a self, id: SessionId, level: &'a str) -> Answer<'a, Changed> {
        let sessions = self.inner.sessions.clone();
        let level = level.to_owned();
        self.ask(async move { sessions.set_log_level(id, &level).await })
    }

    fn subscribe<'a>(&'a self, id: SessionId, uri: &'a str) -> Answer<'a, Changed> {
        let sessions = self.inner.sessions.clone();
        let uri = uri.to_owned();
        self.ask(async move { sessions.subscribe(id, &uri).await })
    }

    fn unsubscribe<'a>(&'a self, id: SessionId, uri: &'a str) -> Answer<'a, Changed> {
        let sessions = self.inner.sessions.clone();
        let uri = uri.to_owned();
        self.ask(async move { sessions.unsubscribe(id, &uri).await })
    }

    fn note_call(&self, id: SessionId, connector: ConnectorId) -> Answer<'_, Changed> {
        let sessions = self.inner.sessions.clone();
        self.ask(async move { sessions.note_call(id, connector).await })
    }

    fn end(&self, id: SessionId) -> Answer<'_, bool> {
        let sessions = self.inner.sessions.clone();
        self.ask(async move { sessions.end(id).await })
    }

    fn count(&self) -> u64 {
        self.inner.sessions.count()
    }

    fn outlives_process(&self) -> bool {
        true
    }
}

impl EventStreams for Way {
    fn open(&self, session: SessionId, stream: StreamId) -> Answer<'_, ()> {
        let streams = self.inner.streams.clone();
        self.ask(async move { streams.open(session, stream).await })
    }

    fn bequeath(&self, session: SessionId, stream: StreamId, last_words: Bytes) -> Answer<'_, ()> {
        let streams = self.inner.streams.clone();
        self.ask(async move { streams.bequeath(session, stream, last_words).await })
    }

    fn append(
        &self,
        session: SessionId,
        stream: StreamId,
        message: Bytes,
    ) -> Answer<'_, Option<u64>> {
        let streams = self.inner.streams.clone();
        self.ask(async move { streams.append(session, stream, message).await })
    }

    fn close(&self, session: SessionId, stream: StreamId) -> Answer<'_, ()> {
        let streams = self.inner.streams.clone();
        self.ask(async move { streams.close(session, stream).await })
    }

    fn attach(
        &self,
        session: SessionId,
        stream: StreamId,
        after: u64,
    ) -> Answer<'_, Option<Reader>> {
        let streams = self.inner.streams.clone();
        self.ask(async move { streams.attach(session, stream, after).await })
    }

    /// Who waits already does so through an outage.
    fn read(&self, reader: Reader, after: u64) -> Answer<'_, Read> {
        let streams = self.inner.streams.clone();
        let work = async move { streams.read(reader, after).await };
        match &self.distant {
            None => self.ask(work),
            Some(distant) => distant.run(true, work),
        }
    }

    fn detach(&self, reader: Reader) {
        self.inner.streams.detach(reader);
    }

    fn make_standalone(&self, session: SessionId, stream: StreamId) -> Answer<'_, ()> {
        let streams = self.inner.streams.clone();
        self.ask(async move { streams.make_standalone(session, stream).await })
    }

    fn forget(&self, session: SessionId) -> Answer<'_, ()> {
        let streams = self.inner.streams.clone();
        self.ask(async move { streams.forget(session).await })
    }

    fn bytes(&self) -> u64 {
        self.inner.streams.bytes()
    }
}

impl Mailboxes for Way {
    fn open<'a>(&'a self, session: SessionId, names: &'a [&'a str]) -> Answer<'a, Mailbox> {
        let mailboxes = self.inner.mailboxes.clone();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let work = async move {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            mailboxes.open(session, &names).await
        };
        match &self.distant {
            None => Box::pin(work),
            Some(distant) => distant.run(false, work),
        }
    }

    fn send<'a>(&'a self, session: SessionId, name: &'a str, message: Bytes) -> Answer<'a, bool> {
        let mailboxes = self.inner.mailboxes.clone();
        let name = name.to_owned();
        self.ask(async move { mailboxes.send(session, &name, message).await })
    }

    fn leave<'a>(&'a self, session: SessionId, name: &'a str, message: Bytes) -> Answer<'a, bool> {
        let mailboxes = self.inner.mailboxes.clone();
        let name = name.to_owned();
        self.ask(async move { mailboxes.leave(session, &name, message).await })
    }

    fn send_all(&self, session: SessionId, message: Bytes) -> Answer<'_, ()> {
        let mailboxes = self.inner.mailboxes.clone();
        self.ask(async move { mailboxes.send_all(session, message).await })
    }

    fn any<'a>(&'a self, session: SessionId, beginning: &'a str) -> Answer<'a, bool> {
        let mailboxes = self.inner.mailboxes.clone();
        let beginning = beginning.to_owned();
        self.ask(async move { mailboxes.any(session, &beginning).await })
    }

    fn count(&self) -> usize {
        self.inner.mailboxes.count()
    }
}

impl Marks for Way {
    fn take(&self, mark: Uuid, keep: Duration) -> Answer<'_, bool> {
        let marks = self.inner.marks.clone();
        self.ask(async move { marks.take(mark, keep).await })
    }
}

impl Quotas for Way {
    fn draw(&self, what: Uuid, rate: Rate, draw: Draw) -> Answer<'_, Drawn> {
        let quotas = self.inner.quotas.clone();
        self.ask(async move { quotas.draw(what, rate, draw).await })
    }
}
