//! Servers that say themselves where to sign in: remote MCP servers and the authorization servers
//! that they name (MCP authorization; RFC 9728, RFC 8414, RFC 7591, RFC 9207).
//!
//! Nothing that a server says is believed further than it must be: a document names who it is
//! about and is refused where that is another, addresses go through the guard of `egress`, and a
//! server that is met over TLS cannot lead to one that is not.

mod challenge;
mod discover;
mod document;
mod issuer;
mod metadata;
mod register;

pub use challenge::Challenge;
pub use discover::{Discovered, DiscoveryError};
pub use document::client_document;
pub use issuer::{IssuerMismatch, check_issuer};
pub use metadata::ServerMetadata;
pub use register::{Management, Registered, Registration, registration};
