//! Waiting for what another process does, never longer than it may take.

use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(20);

/// Asks until `probe` gives something; panics with `what` when `limit` is over.
pub(crate) async fn eventually<T>(
    limit: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(STEP).await;
    }
}

/// The same where nothing is asynchronous.
pub(crate) async fn eventually_blocking<T>(
    limit: Duration,
    what: &str,
    mut probe: impl FnMut() -> Option<T>,
) -> T {
    eventually(limit, what, async || probe()).await
}
