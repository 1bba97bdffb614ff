//! The seam for rates: how often something happens, over all nodes.

use std::time::Duration;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::CacheError;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Times within one window; a window slides.
    pub most: u32,
    /// At least a millisecond.
    pub window: Duration,
}

impl Rate {
    pub(crate) fn window_ms(&self) -> u64 {
        u64::try_from(self.window.as_millis()).map_or(u64::MAX, |ms| ms.max(1))
    }

    /// How long until one more may happen, given how often it did in this window, which began
    /// `passed` ago, and in the one before; nothing when it may now. The window before counts by
    /// the part of it that the sliding window still covers.
    pub(crate) fn wait(&self, count: u32, before: u32, passed: u64) -> Option<u64> {
        let window = self.window_ms() as f64;
        let (most, left) = (f64::from(self.most), window - passed as f64);
        let (count, before) = (f64::from(count), f64::from(before));
        if count + before * left / window + 1.0 <= most {
            return None;
        }
        let wait = if count + 1.0 > most || before == 0.0 {
            left
        } else {
            (left - (most - count - 1.0) * window / before).ceil()
        };
        Some(wait.max(1.0) as u64)
    }
}

/// Counts.
pub trait Counters: Send + Sync {
    /// Counts one more of `what` if the rate allows; otherwise says how long to wait. Refused
    /// ones do not count.
    fn hit(&self, what: Uuid, rate: Rate) -> BoxFuture<'_, Result<Option<Duration>, CacheError>>;
}
