//! The line between nodes and control-planes: configuration one way, how the node does the other.
//!
//! ```text
//! gateway, worker ── Line ──Watch──▶ ConfigServer ── fabric::Cluster ──▶ control-plane
//!                     │
//!                     └▶ Follower: GatewayConfig (fetches what changed, keeps it on disk), or a worker's
//! ```

mod convert;
mod disk;
mod gateway;
mod line;
mod peers;
mod reach;
mod server;

pub use disk::LastGood;
pub use gateway::{GatewayConfig, GatewayConfigLimits, Keys};
pub use line::{Follower, Line, LineConfig};
pub use peers::ControlPlanes;
pub use reach::reach;
pub use server::ConfigServer;
