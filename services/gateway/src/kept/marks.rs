//! What may happen once, also while nobody can be asked whether it has.

use std::sync::Arc;
use std::time::Duration;

use cache::{CacheError, LocalMarks, Marks};
use uuid::Uuid;

/// Marks of all gateways. While those cannot be reached each gateway goes by what it has seen
/// itself: a client's retry goes on, and what was taken elsewhere may be taken once more here.
pub(crate) struct KeptMarks {
    shared: Arc<dyn Marks>,
    here: LocalMarks,
}

impl KeptMarks {
    /// Remembers at most `max` marks of its own.
    pub(crate) fn new(shared: Arc<dyn Marks>, max: usize) -> Self {
        let here = LocalMarks::new(max);
        Self { shared, here }
    }

    /// As [`Marks::take`].
    pub(crate) async fn take(&self, mark: Uuid, keep: Duration) -> Result<bool, CacheError> {
        match self.shared.take(mark, keep).await {
            Ok(true) => {
                // For the time when nobody else can be asked; when there is no room, for nothing.
                self.here.take(mark, keep).await.ok();
                Ok(true)
            }
            Err(error) if error.is_unavailable() => {
                tracing::warn!("whether a state was used is known to this gateway alone: {error}");
                self.here.take(mark, keep).await
            }
            taken => taken,
        }
    }
}
