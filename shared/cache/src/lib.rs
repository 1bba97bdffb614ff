//! What gateways share about running conversations: today the sessions of legacy clients. The
//! trait is the seam; in one process memory stands behind it.
//!
//! A session's facts travel in its sealed id; what is kept here is only that it lives.

mod local;
mod sessions;

pub use local::{LocalSessions, SessionLimits};
pub use sessions::{CacheError, SessionId, SessionOwner, Sessions};
