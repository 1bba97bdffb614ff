//! A control-plane among others, and the nodes that follow it.
//!
//! The database is the only truth: every control-plane reads the log of changes and the list of
//! nodes there. A hint over the bus only says that reading is worth it now.

mod feed;
mod leader;
mod metrics;
mod registry;
#[cfg(test)]
mod tests;
mod wait;

use std::sync::Arc;

use ::fabric::{
    BoxFuture, Changes, Cluster, GatewayKeys, NodeInfo, NodeReport, SourceError, WorkerAddress,
};
use bus::Bus;
use crypto::DerivedKey;
use secrecy::SecretSlice;
use tokio::sync::watch;

pub(crate) use leader::Leadership;
pub(crate) use registry::{FORGET_AFTER, SILENT_FOR};
pub(crate) use wait::Acknowledgements;
pub use wait::Behind;

use crate::operations::Operations;
use feed::Feed;
use registry::Registry;

/// Changes that are told at once.
const CHANGES_AT_ONCE: u32 = 1_000;

/// What a control-plane of a cluster is given besides.
pub struct ClusterDeps {
    /// Itself.
    pub node: NodeInfo,
    pub bus: Arc<dyn Bus>,
    /// What gateways check API keys with.
    pub hashing_key: DerivedKey,
    /// What gateways seal with.
    pub sealing_key: DerivedKey,
}

/// Serves the nodes of a cluster. Cheap to clone.
#[derive(Clone)]
pub struct Nodes(Arc<Inner>);

struct Inner {
    operations: Operations,
    latest: watch::Receiver<i64>,
    registry: Registry,
    hashing_key: DerivedKey,
    sealing_key: DerivedKey,
}

impl Nodes {
    /// Begins to follow the log of changes and the list of nodes, and to tell others of changes
    /// that are made here.
    pub(crate) fn start(operations: &Operations, deps: ClusterDeps) -> Self {
        operations.join_cluster(&deps.node.address);
        let feed = Feed::start(operations, deps.bus);
        let latest = feed.latest();
        let registry = Registry::start(operations, feed, deps.node);
        Self(Arc::new(Inner {
            operations: operations.clone(),
            latest,
            registry,
            hashing_key: deps.hashing_key,
            sealing_key: deps.sealing_key,
        }))
    }

    async fn read_changes(&self, known: i64) -> Result<Changes, SourceError> {
        let storage = self.0.operations.storage();
        let read = storage.changes_since(known, CHANGES_AT_ONCE).await;
        let read = read.map_err(|error| SourceError(error.to_string()))?;
        Ok(match read {
            // Who knows nothing holds nothing that could be outdated.
            storage::Changes::Since { last, .. } | storage::Changes::Unknown { last }
                if known == 0 =>
            {
                start_over(last)
            }
            storage::Changes::Unknown { last } => start_over(last),
            storage::Changes::Since { changes, last } => {
                let all = changes.len() < CHANGES_AT_ONCE as usize;
                let reached = changes.last().map_or(known, |change| change.revision);
                Changes {
                    changes,
                    revision: if all { last } else { reached },
                    start_over: false,
                }
            }
        })
    }
}

fn start_over(last: i64) -> Changes {
    Changes {
        changes: Vec::new(),
        revision: last,
        start_over: true,
    }
}

impl Cluster for Nodes {
    fn latest(&self) -> watch::Receiver<i64> {
        self.0.latest.clone()
    }

    fn changes_since(&self, known: i64) -> BoxFuture<'_, Result<Changes, SourceError>> {
        Box::pin(self.read_changes(known))
    }

    fn workers(&self) -> watch::Receiver<Arc<[WorkerAddress]>> {
        self.0.registry.workers()
    }

    fn report<'a>(
        &'a self,
        node: &'a NodeInfo,
        report: NodeReport,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.0.registry.report(node, report))
    }

    fn lost<'a>(&'a self, node: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(self.0.registry.lost(node))
    }

    fn gateway_keys(&self) -> GatewayKeys {
        let secret = |key: &DerivedKey| SecretSlice::from(key.as_bytes().to_vec());
        GatewayKeys {
            hashing: secret(&self.0.hashing_key),
            sealing: secret(&self.0.sealing_key),
        }
    }
}
