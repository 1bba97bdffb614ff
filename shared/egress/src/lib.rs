//! Outbound HTTP, the only way out: one pooled client with deadlines, bounds, and a guard that
//! looks at the address a connection is really made to.
//!
//! The guard sits at connect: a name is resolved once, every address is judged, and the socket is
//! opened to a judged address. No later lookup can change it. Redirects are never followed: they
//! are answers like any other, and following one is a new, guarded request of the caller.

mod client;
mod config;
mod connect;
mod deadline;
mod error;
mod origins;
mod policy;
mod resolve;
mod response;
mod traced;

pub use client::Client;
pub use config::EgressConfig;
pub use deadline::Deadline;
pub use error::{ClientError, EgressError};
pub use origins::Origins;
pub use policy::EgressPolicy;
pub use resolve::{Resolve, SystemResolver};
pub use response::Response;
