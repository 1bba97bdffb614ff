//! The backends, and how a story is told on each of them.

use std::time::Duration;

use cache::{Cache, LocalLimits, SessionLimits, StreamLimits};
use futures_util::future::BoxFuture;

/// Bounds that stories change one by one. Times are short, because some backends wait them out.
pub(crate) const LIMITS: LocalLimits = LocalLimits {
    sessions: SessionLimits {
        idle: Duration::from_millis(400),
        age: Duration::from_millis(1_000),
        per_owner: 100,
        per_tenant: 100,
        total: 100,
        subscriptions: 100,
        subscription_bytes: 10_000,
    },
    streams: StreamLimits {
        events: 100,
        bytes: 100_000,
        age: Duration::from_millis(1_000),
        unread: Duration::from_millis(400),
        per_session: 100,
        total_bytes: 1_000_000,
    },
    marks: 100,
};

/// Something that keeps what a gateway gives it.
pub(crate) trait Backend: Sync {
    /// A new and empty cache.
    fn cache(&self, limits: &LocalLimits) -> Cache;

    /// Lets time pass.
    fn pass(&self, time: Duration) -> BoxFuture<'_, ()>;
}

/// Memory, in a runtime whose time is paused.
pub(crate) struct Local;

impl Backend for Local {
    fn cache(&self, limits: &LocalLimits) -> Cache {
        Cache::local(limits)
    }

    fn pass(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::advance(time))
    }
}

/// Makes each story a test of each backend.
macro_rules! on_each_backend {
    ($($story:ident),* $(,)?) => {
        mod local {
            $(
                #[tokio::test(start_paused = true)]
                async fn $story() {
                    super::$story(&crate::backend::Local).await;
                }
            )*
        }
    };
}
pub(crate) use on_each_backend;
