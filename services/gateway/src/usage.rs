//! Tells the control-plane which keys were used: in batches, never on a request's time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::KeyId;
use fabric::ConfigSource;
use runtime::Process;
use tokio::sync::mpsc;

/// Uses waiting to be told; beyond, some are forgotten.
const QUEUE: usize = 4_096;
/// How long uses are gathered.
const GATHER: Duration = Duration::from_secs(2);

/// Takes notes of key uses.
#[derive(Clone)]
pub(crate) struct KeyUsage(mpsc::Sender<KeyId>);

impl KeyUsage {
    pub(crate) fn start(source: Arc<dyn ConfigSource>, process: &Process) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let shutdown = process.shutdown.clone();
        process
            .tasks
            .disposable("key usage", tell(receiver, source, shutdown));
        Self(sender)
    }

    /// Notes a use; forgotten when too many wait.
    pub(crate) fn note(&self, key: KeyId) {
        self.0.try_send(key).ok();
    }
}

async fn tell(
    mut uses: mpsc::Receiver<KeyId>,
    source: Arc<dyn ConfigSource>,
    shutdown: runtime::Shutdown,
) -> anyhow::Result<()> {
    loop {
        let first = tokio::select! {
            () = shutdown.draining() => uses.try_recv().ok(),
            key = uses.recv() => key,
        };
        let Some(first) = first else { return Ok(()) };
        tokio::select! {
            () = shutdown.draining() => {}
            () = tokio::time::sleep(GATHER) => {}
        }
        let mut keys = HashSet::from([first]);
        while let Ok(key) = uses.try_recv() {
            keys.insert(key);
        }
        let keys: Vec<KeyId> = keys.into_iter().collect();
        if let Err(error) = source.keys_used(&keys).await {
            tracing::warn!("could not note when keys were last used: {error}");
        }
    }
}
