//! The nodes of the cluster, in the database, and the workers among them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::fabric::{NodeInfo, NodeReport, Role, SourceError, WorkerAddress};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::feed::Feed;
use super::metrics::NodeMetrics;
use crate::operations::Operations;

/// How often the list is read, and this control-plane says how it does itself.
const EVERY: Duration = Duration::from_secs(1);
/// A node that has said nothing for so long is not counted on; it speaks once a second.
pub(crate) const SILENT_FOR: Duration = Duration::from_secs(5);
/// A node whose line broke has come back by then, here or elsewhere, or it is gone. It tries again
/// after a tenth of a second.
const COME_BACK_WITHIN: Duration = Duration::from_secs(1);
/// How long the list keeps a node that is gone.
pub(crate) const FORGET_AFTER: Duration = Duration::from_secs(600);

/// Who is there.
pub(super) struct Registry {
    inner: Arc<Inner>,
    feed: Feed,
}

struct Inner {
    operations: Operations,
    workers: watch::Sender<Arc<[WorkerAddress]>>,
    /// What gateways that follow us enforce.
    enforced: Mutex<HashMap<String, i64>>,
    /// Workers whose line to us has broken, until the list is read again without them.
    lost: Mutex<HashMap<String, Instant>>,
    written: Mutex<Written>,
}

/// Since when nodes can say that they are there.
struct Written {
    /// When this control-plane could last write.
    last: Instant,
    /// When it could again, after it could not.
    again: Instant,
    /// How long it could not before that.
    gap: Duration,
}

impl Written {
    /// At the start nobody knows for how long no control-plane was there.
    fn new() -> Self {
        let now = Instant::now();
        Self {
            last: now,
            again: now,
            gap: FORGET_AFTER,
        }
    }

    fn note(&mut self) {
        let now = Instant::now();
        let gap = now.duration_since(self.last);
        if gap >= SILENT_FOR / 2 {
            (self.again, self.gap) = (now, gap);
        }
        self.last = now;
    }

    /// How old a row may be. Just after an outage all are old, because nobody could write them;
    /// a worker that has gone meanwhile refuses, and its calls go elsewhere.
    fn patience(&self) -> Duration {
        let since = self.again.elapsed();
        match since < SILENT_FOR * 2 {
            true => (SILENT_FOR + self.gap + since).min(FORGET_AFTER),
            false => SILENT_FOR,
        }
    }
}

impl Registry {
    pub(super) fn start(operations: &Operations, feed: Feed, own: NodeInfo) -> Self {
        let inner = Arc::new(Inner {
            operations: operations.clone(),
            workers: watch::Sender::new(Arc::default()),
            enforced: Mutex::default(),
            lost: Mutex::default(),
            written: Mutex::new(Written::new()),
        });
        let (registry, latest) = (inner.clone(), feed.latest());
        operations.process().tasks.essential("nodes", async move {
            registry.keep(own, latest).await;
            Ok(())
        });
        Self { inner, feed }
    }

    pub(super) fn workers(&self) -> watch::Receiver<Arc<[WorkerAddress]>> {
        self.inner.workers.subscribe()
    }

    pub(super) async fn report(
        &self,
        node: &NodeInfo,
        report: NodeReport,
    ) -> Result<(), SourceError> {
        let inner = &self.inner;
        let is_new = inner.lost().remove(&node.id).is_some() || !inner.is_known(node);
        inner.note(node, report).await?;
        if node.role == Role::Worker && (is_new || report.draining) {
            inner.read_workers().await?;
        }
        if node.role == Role::Gateway && inner.is_further(node, report.enforced) {
            inner.operations.acknowledgements().heard();
            self.feed.acknowledged(report.enforced);
        }
        Ok(())
    }

    /// A worker whose line broke gets no new calls until it speaks again, here or elsewhere. A node
    /// that does not come back soon leaves the list, so that nobody waits for it.
    pub(super) async fn lost(&self, node: &str) {
        self.inner.enforced().remove(node);
        self.inner.lost().insert(node.to_owned(), Instant::now());
        if let Err(error) = self.inner.read_workers().await {
            tracing::warn!("cannot read the list of workers: {error}");
        }
        // Lines that we end ourselves say nothing of the nodes.
        let process = self.inner.operations.process();
        if let Ok(id) = node.parse()
            && !process.shutdown.is_draining()
        {
            let registry = self.inner.clone();
            process.tasks.disposable("lost node", async move {
                let shutdown = registry.operations.process().shutdown.clone();
                tokio::select! {
                    () = shutdown.draining() => Ok(()),
                    forgotten = registry.forget_unless_back(id) => forgotten.map_err(Into::into),
                }
            });
        }
    }
}

impl Inner {
    fn lost(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        self.lost.lock().expect("no panic while held")
    }

    fn enforced(&self) -> std::sync::MutexGuard<'_, HashMap<String, i64>> {
        self.enforced.lock().expect("no panic while held")
    }

    /// Whether it enforces something else than when it spoke last.
    fn is_further(&self, node: &NodeInfo, enforced: i64) -> bool {
        self.enforced().insert(node.id.clone(), enforced) != Some(enforced)
    }

    fn is_known(&self, node: &NodeInfo) -> bool {
        let workers = self.workers.borrow();
        workers.iter().any(|worker| worker.node == node.id)
    }

    async fn note(&self, node: &NodeInfo, report: NodeReport) -> Result<(), SourceError> {
        let row = storage::Node {
            id: node
                .id
                .parse()
                .map_err(|_| SourceError("a node's id is an UUID".to_owned()))?,
            role: node.role,
            version: node.version.clone(),
            address: node.address.clone(),
            started_at: node.started_at,
            enforced: report.enforced,
            load: i64::from(report.load),
            capacity: i64::from(node.capacity),
            draining: report.draining,
        };
        let storage = self.operations.storage();
        storage.save_nodes(&[row]).await.map_err(unreadable)?;
        self.written().note();
        Ok(())
    }

    fn written(&self) -> std::sync::MutexGuard<'_, Written> {
        self.written.lock().expect("no panic while held")
    }

    /// Whether it has come back shows in when it was heard of last: it may have another
    /// control-plane now.
    async fn forget_unless_back(&self, id: Uuid) -> Result<(), storage::StorageError> {
        let storage = self.operations.storage();
        let known = storage.list_nodes(FORGET_AFTER).await?;
        let Some(known) = known.into_iter().find(|known| known.node.id == id) else {
            return Ok(());
        };
        tokio::time::sleep(COME_BACK_WITHIN).await;
        if storage.forget_node_since(id, known.last_seen).await? {
            tracing::info!(node = %id, role = known.node.role.as_str(), "a node is gone");
        }
        Ok(())
    }

    async fn read_workers(&self) -> Result<(), SourceError> {
        let patience = self.written().patience();
        let nodes = self.operations.storage().list_nodes(patience).await;
        let nodes = nodes.map_err(unreadable)?;
        {
            // Long enough for a row that was written before the line broke to be too old.
            let mut lost = self.lost();
            lost.retain(|_, since| since.elapsed() < SILENT_FOR * 2);
        }
        let lost = self.lost().clone();
        let small = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        let mut workers: Vec<WorkerAddress> = nodes
            .into_iter()
            .filter(|seen| seen.node.role == Role::Worker)
            .map(|seen| WorkerAddress {
                node: seen.node.id.to_string(),
                address: seen.node.address,
                capacity: small(seen.node.capacity),
                load: small(seen.node.load),
                draining: seen.node.draining,
            })
            .filter(|worker| !lost.contains_key(&worker.node))
            .collect();
        workers.sort_by(|a, b| a.node.cmp(&b.node));
        self.workers.send_if_modified(|current| {
            let changed = **current != *workers;
            if changed {
                *current = workers.into();
            }
            changed
        });
        Ok(())
    }

    async fn keep(&self, own: NodeInfo, latest: watch::Receiver<i64>) {
        let shutdown = self.operations.process().shutdown.clone();
        let mut measured = NodeMetrics::register(&self.operations.process().metrics);
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut round = 0_u32;
        loop {
            tokio::select! {
                () = shutdown.ending() => break,
                _ = every.tick() => {}
            }
            let report = NodeReport {
                // It reads the database itself: what it has heard of holds.
                enforced: *latest.borrow(),
                load: 0,
                draining: shutdown.is_draining(),
            };
            let kept = async {
                self.note(&own, report).await?;
                self.read_workers().await
            };
            if let Err(error) = kept.await {
                tracing::debug!("the list of nodes cannot be kept: {error}");
            }
            // In the first round too, and then as often as anybody reads it.
            if round.is_multiple_of(5)
                && let Ok(nodes) = self.operations.storage().list_nodes(FORGET_AFTER).await
            {
                measured.set(&nodes, *latest.borrow());
            }
            round = round.wrapping_add(1);
            if round.is_multiple_of(60)
                && let Err(error) = self.operations.storage().prune_nodes(FORGET_AFTER).await
            {
                tracing::debug!("the list of nodes cannot be tidied: {error}");
            }
        }
    }
}

fn unreadable(error: storage::StorageError) -> SourceError {
    SourceError(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rows_are_not_held_too_old_that_nobody_could_write() {
        let mut written = Written::new();
        assert_eq!(written.patience(), FORGET_AFTER, "just started");
        for _ in 0..20 {
            tokio::time::advance(EVERY).await;
            written.note();
        }
        assert_eq!(written.patience(), SILENT_FOR);

        let outage = Duration::from_secs(30);
        tokio::time::advance(outage).await;
        written.note();
        assert_eq!(written.patience(), SILENT_FOR + outage);
        tokio::time::advance(EVERY).await;
        written.note();
        assert_eq!(written.patience(), SILENT_FOR + outage + EVERY);

        for _ in 0..10 {
            tokio::time::advance(EVERY).await;
            written.note();
        }
        assert_eq!(written.patience(), SILENT_FOR);
    }
}
