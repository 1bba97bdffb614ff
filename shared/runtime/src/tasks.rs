//! Background work: named, supervised, stoppable. Nothing else in the workspace spawns.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::Shutdown;

/// Spawns tasks and waits for them at the end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: Shutdown,
    failed: Arc<AtomicBool>,
}

impl Tasks {
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            tracker: TaskTracker::new(),
            shutdown,
            failed: Arc::default(),
        }
    }

    /// Spawns work the process cannot live without: if it fails, everything stops.
    pub fn essential<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (shutdown, failed) = (self.shutdown.clone(), self.failed.clone());
        self.tracker.spawn(async move {
            if let Err(error) = work.await {
                tracing::error!(task = name, "stopping: essential task failed: {error:#}");
                failed.store(true, Ordering::Relaxed);
                shutdown.fail();
            }
        });
    }

    /// Spawns work whose failure concerns only itself: it is logged.
    pub fn disposable<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.tracker.spawn(async move {
            if let Err(error) = work.await {
                tracing::warn!(task = name, "task failed: {error:#}");
            }
        });
    }

    /// Spawns work whose result somebody waits for.
    pub fn joinable<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(work)
    }

    /// Resolves when every task has ended. Call after shutdown began.
    pub async fn finished(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Whether an essential task has failed.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}
