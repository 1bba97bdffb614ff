//! The contracts of `fabric` across a network: gRPC over connections that each side trusts.
//!
//! ```text
//! gateway       WorkerPool ──▶ WorkerServer  worker
//! control-plane WorkerPool ──▶ WorkerServer  worker
//! worker       LeaseClient ──▶ LeaseServer   control-plane
//! ```
//!
//! A [`Trust`] says who this process is and whom it believes; every [`Channel`] and every router
//! here is made with one.

mod channel;
pub mod config;
pub mod convert;
mod lease;
mod pool;
mod refusal;
pub mod trust;
mod worker;

pub use channel::Channel;
pub use fabric::WorkerAddress;
pub use lease::{LeaseClient, LeaseServer};
pub use pool::{PoolConfig, WorkerPool};
pub use refusal::nothing_happened;
pub use trust::{Peer, Role, Trust, TrustConfig, certs_dev, peer};
pub use worker::{Load, WorkerServer};

/// Bytes of a call: its JSON parts all come from one message of a client, and the rest is small.
pub const CALL_MAX_BYTES: usize = domain::limits::BODY_MAX_BYTES + 1024 * 1024;
/// Bytes of an event or an outcome. An error of an upstream goes as it was written and in its
/// parts, so twice.
pub const OUTCOME_MAX_BYTES: usize = 2 * domain::limits::RESULT_MAX_BYTES + 1024 * 1024;
/// Bytes of an upstream's whole tool list.
pub const LISTING_MAX_BYTES: usize = 64 * 1024 * 1024;
