//! The connector-worker: runs calls of connectors and keeps what that takes, and nothing longer
//! than needed: leases with credentials, sessions with upstreams, hosted processes.
//!
//! It holds no database and decides nobody's rights: a call that arrives here was permitted by
//! the gateway. All traffic to the outside passes the egress guard.

mod breaker;
mod challenge;
mod config;
mod credentials;
mod failure;
pub mod hosted;
mod leases;
mod metrics;
pub mod native;
mod recorded;
mod runner;
mod upstream;
mod worker;

pub use breaker::BreakerConfig;
pub use config::Config;
pub use credentials::Missing;
pub use upstream::UpstreamConfig;
pub use worker::{Deps, Worker};
