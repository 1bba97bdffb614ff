//! Waiting until a change holds everywhere.
//!
//! Gateways acknowledge to whichever control-plane they follow, and that one writes it down: so the
//! database is what says who enforces what. Acknowledgements heard here, and hints of those heard
//! elsewhere, say that looking is worth it; what they lose is found by looking now and then. One
//! look serves all who wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::fabric::Role;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::registry::SILENT_FOR;
use crate::error::Error;
use crate::operations::Operations;

/// How often nodes are asked about while somebody waits, if nothing is heard.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Between two looks at least, however much is heard.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// Requests that wait at once. Those beyond are answered by how things are.
const WAITING_MAX: usize = 1_024;
/// A gateway speaks once a second: one that has said nothing for so long may be gone.
const MISSED: Duration = Duration::from_millis(2_500);

/// Gateways that did not enforce a change in time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Ids of nodes.
    pub nodes: Vec<String>,
    /// Those among them that have said nothing for a while: they may be gone, and are waited for
    /// until that is sure.
    pub silent: Vec<String>,
}

/// Who enforces what, for all who wait for it.
#[derive(Debug)]
pub(crate) struct Acknowledgements {
    /// Something was acknowledged, or somebody has begun to wait.
    heard: Notify,
    seen: watch::Sender<Option<Arc<[Gateway]>>>,
    places: Semaphore,
    /// Whether somebody looks: from the first on who waits.
    is_kept: AtomicBool,
}

/// A gateway that is there.
#[derive(Debug)]
struct Gateway {
    id: String,
    enforced: i64,
    is_silent: bool,
}

impl Acknowledgements {
    pub(crate) fn new() -> Self {
        Self {
            heard: Notify::new(),
            seen: watch::Sender::new(None),
            places: Semaphore::new(WAITING_MAX),
            is_kept: AtomicBool::new(false),
        }
    }

    /// Somebody may be further than before.
    pub(super) fn heard(&self) {
        self.heard.notify_one();
    }

    /// What comes to light from now on. Has somebody look.
    fn watch(&self, operations: &Operations) -> watch::Receiver<Option<Arc<[Gateway]>>> {
        if !self.is_kept.swap(true, Ordering::AcqRel) {
            let operations = operations.clone();
            let tasks = &operations.process().tasks.clone();
            tasks.essential("acknowledgements", async move {
                operations.acknowledgements().keep(&operations).await;
                Ok(())
            });
        }
        let seen = self.seen.subscribe();
        self.heard();
        seen
    }

    /// Looks for those who wait, until the process ends.
    async fn keep(&self, operations: &Operations) {
        let look = async {
            loop {
                self.heard.notified().await;
                while self.seen.receiver_count() > 0 {
                    match gateways(operations).await {
                        Ok(gateways) => {
                            self.seen.send_replace(Some(gateways));
                        }
                        Err(error) => tracing::debug!("cannot see who enforces what: {error}"),
                    }
                    sleep(LOOK_PAUSE).await;
                    tokio::select! {
                        () = self.heard.notified() => {}
                        () = sleep(LOOK_EVERY) => {}
                    }
                }
            }
        };
        tokio::select! {
            () = operations.process().shutdown.ending() => {}
            () = look => {}
        }
    }
}

impl Operations {
    /// Waits until every gateway that is there enforces `revision`, for `patience` at most. In one
    /// process a change is enforced before it is acknowledged: there is nothing to wait for.
    ///
    /// # Errors
    /// The nodes cannot be read.
    pub async fn wait_enforced(
        &self,
        revision: i64,
        patience: Duration,
    ) -> Result<Result<(), Behind>, Error> {
        let until = Instant::now() + patience;
        let now = gateways(self)
            .await
            .map_err(Error::storage("read the nodes"))?;
        let Err(mut behind) = all_enforce(&now, revision) else {
            return Ok(Ok(()));
        };
        let acknowledgements = self.acknowledgements();
        let Ok(_place) = acknowledgements.places.try_acquire() else {
            return Ok(Err(behind));
        };
        let mut seen = acknowledgements.watch(self);
        while let Ok(Ok(())) = timeout_at(until, seen.changed()).await {
            let gateways = seen.borrow_and_update().clone();
            match all_enforce(&gateways.unwrap_or_default(), revision) {
                Ok(()) => return Ok(Ok(())),
                Err(still) => behind = still,
            }
        }
        Ok(Err(behind))
    }
}

async fn gateways(operations: &Operations) -> Result<Arc<[Gateway]>, storage::StorageError> {
    let nodes = operations.storage().list_nodes(SILENT_FOR).await?;
    let gateways = nodes
        .into_iter()
        .filter(|seen| seen.node.role == Role::Gateway)
        .map(|seen| Gateway {
            id: seen.node.id.to_string(),
            enforced: seen.node.enforced,
            is_silent: seen.silent_for > MISSED,
        });
    Ok(gateways.collect())
}

fn all_enforce(gateways: &[Gateway], revision: i64) -> Result<(), Behind> {
    let behind: Vec<&Gateway> = gateways
        .iter()
        .filter(|gateway| gateway.enforced < revision)
        .collect();
    if behind.is_empty() {
        return Ok(());
    }
    let silent = behind.iter().filter(|gateway| gateway.is_silent);
    Err(Behind {
        silent: silent.map(|gateway| gateway.id.clone()).collect(),
        nodes: behind.iter().map(|gateway| gateway.id.clone()).collect(),
    })
}
