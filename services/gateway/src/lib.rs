//! The MCP edge: takes a message of any era, says who sends it, finds what it is for in a compiled
//! snapshot of the tenant, has a worker run it, and streams the answer back in the sender's form.
//!
//! It owns nothing: no database, no provider secret, no way out to the internet. Everything here
//! can be lost with the process but for legacy sessions, which live behind `cache`.

mod access;
mod config;
mod core;
mod http;
mod hub;
mod kept;
mod limits;
mod metrics;
mod service;
mod snapshot;
mod tenants;
mod usage;
mod websocket;

pub use config::Config;
pub use limits::RateLimit;
pub use service::{Deps, Gateway};
