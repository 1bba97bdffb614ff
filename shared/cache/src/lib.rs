//! What gateways share about running conversations: sessions of legacy clients, streams that can
//! be taken up again, mail between nodes, and marks of what may happen once. The traits are the
//! seam; behind them stands the memory of one process, or Redis.

use std::sync::Arc;

mod counters;
mod error;
mod local;
mod mailboxes;
mod marks;
mod redis;
mod sessions;
mod streams;

pub use counters::{Counters, Rate};
pub use error::CacheError;
pub use local::{
    LocalCounters, LocalLimits, LocalMailboxes, LocalMarks, LocalSessions, LocalStreams,
    SessionLimits, StreamLimits,
};
pub use mailboxes::{MAILBOX_MAX, Mailbox, Mailboxes};
pub use marks::Marks;
pub use redis::{RedisConfig, RedisConfigError, RedisExamination, RedisUrl};
pub use sessions::{CALLED_MAX, Changed, SessionId, SessionOwner, SessionRecord, Sessions};
pub use streams::{EventStreams, Read, Reader, StreamId};

/// All of it, as a gateway is given it.
#[derive(Clone)]
pub struct Cache {
    pub sessions: Arc<dyn Sessions>,
    pub streams: Arc<dyn EventStreams>,
    pub mailboxes: Arc<dyn Mailboxes>,
    pub marks: Arc<dyn Marks>,
    pub counters: Arc<dyn Counters>,
}
