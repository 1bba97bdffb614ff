//! The nodes of a cluster: who is there, how far each is, and the log of changes that they follow.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrecy::SecretSlice;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::{SourceError, Subject};

/// What a process of a cluster is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    ControlPlane,
    Gateway,
    Worker,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::ControlPlane, Self::Gateway, Self::Worker];

    /// The role's name on the command line, in certificates and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Gateway => "gateway",
            Self::Worker => "worker",
        }
    }

    /// The role of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// One run of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Another one after each start.
    pub id: String,
    pub role: Role,
    /// Of the program.
    pub version: String,
    /// `host:port` where other roles reach it; of a gateway, where clients do.
    pub address: String,
    /// Calls that it takes at once; of workers.
    pub capacity: u32,
    pub started_at: OffsetDateTime,
}

/// How a node does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeReport {
    /// Every change up to this one is enforced.
    pub enforced: i64,
    /// Calls under way.
    pub load: u32,
    /// It takes no new calls.
    pub draining: bool,
}

/// A node as the cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub info: NodeInfo,
    pub report: NodeReport,
    /// When it last said how it does.
    pub seen_at: OffsetDateTime,
}

/// Where a worker is reached, and whether to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerAddress {
    pub node: String,
    /// `host:port`.
    pub address: String,
    pub capacity: u32,
    pub load: u32,
    pub draining: bool,
}

/// One change of configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub revision: i64,
    pub subject: Subject,
}

/// What changed after a revision, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub changes: Vec<Change>,
    /// `changes` is complete up to this revision.
    pub revision: i64,
    /// The log does not reach back that far: all that is held is to be read anew.
    pub start_over: bool,
}

/// What gateways check and seal with. They get it from the control-plane, which derives it from the
/// root key; the root key cannot be had from it.
#[derive(Clone, Debug)]
pub struct GatewayKeys {
    /// For `crypto::KeyHasher`.
    pub hashing: SecretSlice<u8>,
    /// For `crypto::TokenSealer`.
    pub sealing: SecretSlice<u8>,
}

/// What a control-plane does for the nodes of its cluster. Implemented by the control-plane,
/// served over gRPC.
pub trait Cluster: Send + Sync {
    /// The newest revision that this control-plane has heard of.
    fn latest(&self) -> watch::Receiver<i64>;

    /// What changed after `known`; bounded, so there may be more.
    fn changes_since(&self, known: i64) -> BoxFuture<'_, Result<Changes, SourceError>>;

    /// The workers that are there, whenever that changes.
    fn workers(&self) -> watch::Receiver<Arc<[WorkerAddress]>>;

    /// A node says how it does.
    fn report<'a>(
        &'a self,
        node: &'a NodeInfo,
        report: NodeReport,
    ) -> BoxFuture<'a, Result<(), SourceError>>;

    /// A node's line has ended: it is gone, or will come back by another control-plane.
    fn lost<'a>(&'a self, node: &'a str) -> BoxFuture<'a, ()>;

    fn gateway_keys(&self) -> GatewayKeys;
}
