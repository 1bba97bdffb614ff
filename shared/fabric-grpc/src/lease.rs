//! Leases: what control-planes serve to workers, and how workers ask for them.

mod client;
mod server;

pub use client::LeaseClient;
pub use server::LeaseServer;
