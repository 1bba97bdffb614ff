//! What the roles ask of each other, as traits. In one process they are called directly, in a
//! cluster over gRPC; who calls cannot tell which, and no service links another.
//!
//! ```text
//! gateway ── Execute ──▶ worker ── Leases ──▶ control-plane ── Workers ──▶ worker
//!    └────────── ConfigSource ──────────────────▲
//! ```

mod config;
mod execute;
mod lease;
mod nodes;
mod workers;

pub use config::{
    ConfigListener, ConfigSource, ConnectorConfig, PlatformConfig, SourceError, StoredKey, Subject,
    TenantConfig,
};
pub use execute::{
    Affinity, Call, CallEvent, Effect, Events, Execute, Failure, FailureKind, InputRequired,
    Inputs, List, Method, Outcome, Request, RpcError,
};
pub use futures_util::future::BoxFuture;
pub use lease::{
    AccountLease, Credential, CredentialError, CredentialRequest, Lease, LeaseError, LeasedSecrets,
    Leases,
};
pub use nodes::{
    Change, Changes, Cluster, GatewayKeys, Node, NodeInfo, NodeReport, Role, WorkerAddress,
};
pub use workers::{Listing, ProcessState, ProcessStatus, StderrLine, UpstreamListener, Workers};
