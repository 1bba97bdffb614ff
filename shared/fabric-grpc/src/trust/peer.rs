//! Who is at the other end.

use std::sync::Arc;

use fabric::Role;

/// An authenticated process at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub role: Role,
    /// For logs: the name in its certificate, or its node.
    pub name: Arc<str>,
}
