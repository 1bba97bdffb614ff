//! What gateways share about running conversations: sessions of legacy clients, streams that can
//! be taken up again, mail between nodes, marks of what may happen once, and quotas. The traits are the
//! seam; behind them stands the memory of one process, or Redis.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

mod error;
mod local;
mod mailboxes;
mod marks;
mod quotas;
mod redis;
mod sessions;
mod streams;

pub use error::CacheError;
pub use local::{
    LocalLimits, LocalMailboxes, LocalMarks, LocalQuotas, LocalSessions, LocalStreams,
    SessionLimits, StreamLimits,
};
pub use mailboxes::{MAILBOX_MAX, Mailbox, Mailboxes};
pub use marks::Marks;
pub use quotas::{Draw, Drawn, Quotas, Rate};
pub use redis::{RedisConfig, RedisConfigError, RedisExamination, RedisUrl};
pub use sessions::{CALLED_MAX, Changed, SessionId, SessionOwner, SessionRecord, Sessions};
pub use streams::{EventStreams, Read, Reader, StreamId};

/// How often [`Cache::reached`] asks.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// All of it, as a gateway is given it.
#[derive(Clone)]
pub struct Cache {
    pub sessions: Arc<dyn Sessions>,
    pub streams: Arc<dyn EventStreams>,
    pub mailboxes: Arc<dyn Mailboxes>,
    pub marks: Arc<dyn Marks>,
    pub quotas: Arc<dyn Quotas>,
}

impl Cache {
    /// Waits until what keeps all this can be reached, for `limit` at most; whether it can. That of
    /// one process always can.
    pub async fn reached(&self, limit: Duration) -> bool {
        let asked = async {
            while matches!(self.sessions.touch(SessionId::nil()).await, Err(error) if error.is_unavailable())
            {
                sleep(ASK_AGAIN).await;
            }
        };
        timeout(limit, asked).await.is_ok()
    }
}
