//! The seam for things that may happen once.

use std::time::Duration;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::CacheError;

/// Remembers what has happened.
pub trait Marks: Send + Sync {
    /// True for the first caller with `mark`, false for every other until `keep` is over.
    fn take(&self, mark: Uuid, keep: Duration) -> BoxFuture<'_, Result<bool, CacheError>>;
}
