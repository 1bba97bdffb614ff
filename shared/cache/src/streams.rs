//! The seam for streams of events that a client may take up again (2025-03-26 to 2025-11-25,
//! "Resumability and Redelivery"). A stream belongs to one session; its events are numbered from
//! 1 and kept within bounds of count, bytes and age. Who produces does not know who reads: any
//! node replays what is kept, then tails what the producing node still adds.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::{CacheError, SessionId};

/// Names one stream. Random.
pub type StreamId = Uuid;

/// A reader of a stream. A stream has one reader: each new one takes over from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    pub session: SessionId,
    pub stream: StreamId,
    /// Larger is newer.
    pub turn: u64,
    /// Whether the session's messages without a request went to this stream when it was attached.
    pub standalone: bool,
}

/// What a reader finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The next events with their numbers, at least one.
    Events(Vec<(u64, Bytes)>),
    /// Everything has been read, and no more will come.
    End,
    /// Another reader has taken over.
    TakenOver,
    /// Events behind the reader's place are not kept any more: to go on would lose some without a
    /// word.
    Lost,
    /// The stream is not known, or of another session: who keeps it has dropped or lost it.
    Unknown,
}

/// Keeps streams.
pub trait EventStreams: Send + Sync {
    /// Opens a stream. A session beyond its cap of streams loses those that ended, or that nobody
    /// reads, the oldest first.
    fn open(&self, session: SessionId, stream: StreamId) -> BoxFuture<'_, Result<(), CacheError>>;

    /// Leaves last words: should this node be gone before it closes the stream, readers elsewhere
    /// are told them as one more event, unless they are empty, and the stream ends. Left before
    /// there is a reader: one that found nothing yet does not learn of them. Where streams end with
    /// the node there is nobody to tell.
    fn bequeath(
        &self,
        _session: SessionId,
        _stream: StreamId,
        _last_words: Bytes,
    ) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Adds a message; returns its number. Beyond the bounds of one stream the oldest events are
    /// dropped, the newest never. A stream that is not open any more takes none: `None`; nor does
    /// a standalone one from another node than the one that it was attached at last. When the
    /// store is unavailable the same message may be appended again: it is taken once.
    fn append(
        &self,
        session: SessionId,
        stream: StreamId,
        message: Bytes,
    ) -> BoxFuture<'_, Result<Option<u64>, CacheError>>;

    /// No more will come. What is kept stays until it is too old.
    fn close(&self, session: SessionId, stream: StreamId) -> BoxFuture<'_, Result<(), CacheError>>;

    /// Becomes the stream's reader, to read on behind number `after`. `None` when the stream is
    /// unknown or of another session, or what is behind that number is not all kept: then the
    /// reader before stays.
    fn attach(
        &self,
        session: SessionId,
        stream: StreamId,
        after: u64,
    ) -> BoxFuture<'_, Result<Option<Reader>, CacheError>>;

    /// The events behind number `after`, waited for where there are none yet, and while the store
    /// is unavailable.
    fn read(&self, reader: Reader, after: u64) -> BoxFuture<'_, Result<Read, CacheError>>;

    /// The reader is gone. The stream stays for the next one, for as long as an unread stream may.
    fn detach(&self, reader: Reader);

    /// Makes a stream the one that a session's messages without a request go to; the one before
    /// is closed.
    fn make_standalone(
        &self,
        session: SessionId,
        stream: StreamId,
    ) -> BoxFuture<'_, Result<(), CacheError>>;

    /// Forgets all streams of a session that has ended.
    fn forget(&self, session: SessionId) -> BoxFuture<'_, Result<(), CacheError>>;

    /// Bytes kept, about.
    fn bytes(&self) -> u64;
}
