//! All of it in this process' memory: gone with the process, as is everything it could refer to.
//! Times are those of `tokio::time`, which tests pause. Locks are held for single steps only,
//! never while anything waits.

use std::sync::Arc;
use std::time::Duration;

use crate::Cache;

mod mailboxes;
mod marks;
mod quotas;
mod sessions;
mod streams;

pub use mailboxes::LocalMailboxes;
pub use marks::LocalMarks;
pub use quotas::LocalQuotas;
pub use sessions::LocalSessions;
pub use streams::LocalStreams;

/// Bounds of sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// How long an unused session lives.
    pub idle: Duration,
    /// How long any session lives.
    pub age: Duration,
    /// Living sessions of one owner; the next one ends the one it began first.
    pub per_owner: usize,
    /// Living sessions of one tenant, likewise.
    pub per_tenant: usize,
    /// Living sessions in all; beyond, the least lately used ones end.
    pub total: usize,
    /// Subscriptions of one session.
    pub subscriptions: usize,
    /// Bytes of a session's subscribed URIs together.
    pub subscription_bytes: usize,
}

/// Bounds of streams.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Events that are kept of one stream.
    pub events: usize,
    /// Bytes that are kept of one stream. Its newest event is kept even when it alone is larger.
    pub bytes: usize,
    /// How long an event is kept, and a stream after its end.
    pub age: Duration,
    /// How long a stream stays open without a reader.
    pub unread: Duration,
    /// Streams of one session. Those that are open and being read are never dropped for it.
    pub per_session: usize,
    /// Bytes that are kept in all, with what keeping them costs. Beyond, streams that ended go
    /// first, then those that nobody reads, the oldest first, then events of the stream that
    /// grows.
    pub total_bytes: u64,
}

/// Bounds of what one process keeps.
#[derive(Clone, Copy, Debug)]
pub struct LocalLimits {
    pub sessions: SessionLimits,
    pub streams: StreamLimits,
    /// Marks in force at once.
    pub marks: usize,
    /// Quotas in use at once.
    pub quotas: usize,
}

impl Cache {
    /// Everything in this process' memory.
    pub fn local(limits: &LocalLimits) -> Self {
        Self {
            sessions: Arc::new(LocalSessions::new(limits.sessions)),
            streams: Arc::new(LocalStreams::new(limits.streams)),
            mailboxes: Arc::new(LocalMailboxes::default()),
            marks: Arc::new(LocalMarks::new(limits.marks)),
            quotas: Arc::new(LocalQuotas::new(limits.quotas)),
        }
    }
}
