//! The seam for quotas: how often something may happen within a window, over all nodes.
//!
//! Nodes draw from a quota ahead, by the portion, so that what happens once asks nobody.

use std::time::Duration;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::CacheError;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Times within one window.
    pub most: u32,
    /// At least a millisecond. All windows of one length begin at the same moments.
    pub window: Duration,
}

impl Rate {
    pub(crate) fn window_ms(&self) -> u64 {
        u64::try_from(self.window.as_millis()).map_or(u64::MAX, |ms| ms.max(1))
    }
}

/// What a node wants of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// What it has used in this window without asking: counted, whatever the rate says.
    pub spent: u32,
    /// What it would like to use next.
    pub wanted: u32,
}

/// What it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// As much of what was wanted as there was; 0 when all is used up.
    pub granted: u32,
    /// How long it is good: until the window ends.
    pub left: Duration,
}

/// Keeps quotas.
pub trait Quotas: Send + Sync {
    /// Draws on the quota of `what` for the window of now.
    fn draw(&self, what: Uuid, rate: Rate, draw: Draw) -> BoxFuture<'_, Result<Drawn, CacheError>>;
}
