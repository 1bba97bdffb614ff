//! Streams of events in this process' memory. Who waits for an event holds a future, not a task.

use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

use self::shelf::Shelf;
use super::StreamLimits;
use crate::{CacheError, EventStreams, Read, Reader, SessionId, StreamId};

mod shelf;

/// Streams in memory.
pub struct LocalStreams {
    shelf: Mutex<Shelf>,
}

impl LocalStreams {
    pub fn new(limits: StreamLimits) -> Self {
        Self {
            shelf: Mutex::new(Shelf::new(limits)),
        }
    }

    /// The streams without those whose time is over.
    fn shelf(&self, now: Instant) -> MutexGuard<'_, Shelf> {
        let mut shelf = self.shelf.lock().expect("no panic while held");
        shelf.expire(now);
        shelf
    }

    /// What there is to read, or what to wait for.
    fn look(&self, reader: Reader, after: u64) -> Result<Read, OwnedNotified> {
        let now = Instant::now();
        let mut shelf = self.shelf(now);
        let Some(stream) = shelf.of(reader.session, reader.stream) else {
            return Ok(Read::Unknown);
        };
        if stream.turn != reader.turn {
            return Ok(Read::TakenOver);
        }
        match stream.behind(after) {
            None => Ok(Read::Lost),
            Some(events) if !events.is_empty() => Ok(Read::Events(events)),
            Some(_) if stream.ended => Ok(Read::End),
            // Made while the lock is held, and so told of each change from now on.
            Some(_) => Err(stream.changed.clone().notified_owned()),
        }
    }
}

fn done<T: Send + 'static>(value: T) -> BoxFuture<'static, Result<T, CacheError>> {
    Box::pin(ready(Ok(value)))
}

impl EventStreams for LocalStreams {
    fn open(&self, session: SessionId, stream: StreamId) -> BoxFuture<'_, Result<(), CacheError>> {
        let now = Instant::now();
        self.shelf(now).open(session, stream, now);
        done(())
    }

    fn append(
        &self,
        session: SessionId,
        stream: StreamId,
        message: Bytes,
    ) -> BoxFuture<'_, Result<Option<u64>, CacheError>> {
        let now = Instant::now();
        done(self.shelf(now).append(session, stream, message, now))
    }

    fn close(&self, session: SessionId, stream: StreamId) -> BoxFuture<'_, Result<(), CacheError>> {
        let now = Instant::now();
        self.shelf(now).close(session, stream, now);
        done(())
    }

    fn attach(
        &self,
        session: SessionId,
        stream: StreamId,
        after: u64,
    ) -> BoxFuture<'_, Result<Option<Reader>, CacheError>> {
        done(self.shelf(Instant::now()).attach(session, stream, after))
    }

    fn read(&self, reader: Reader, after: u64) -> BoxFuture<'_, Result<Read, CacheError>> {
        Box::pin(async move {
            loop {
                match self.look(reader, after) {
                    Ok(read) => return Ok(read),
                    Err(changed) => changed.await,
                }
            }
        })
    }

    fn detach(&self, reader: Reader) {
        let now = Instant::now();
        self.shelf(now).detach(reader, now);
    }

    fn make_standalone(
        &self,
        session: SessionId,
        stream: StreamId,
    ) -> BoxFuture<'_, Result<(), CacheError>> {
        let now = Instant::now();
        self.shelf(now).make_standalone(session, stream, now);
        done(())
    }

    fn forget(&self, session: SessionId) -> BoxFuture<'_, Result<(), CacheError>> {
        self.shelf(Instant::now()).forget(session);
        done(())
    }

    fn bytes(&self) -> u64 {
        self.shelf(Instant::now()).bytes()
    }
}
