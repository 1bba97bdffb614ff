//! What an operator decides about the way out.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The section `egress`. Durations are written as seconds, fractions allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EgressConfig {
    /// Networks that may be called although they are not public, e.g. `["127.0.0.0/8"]`.
    pub allow: Vec<IpNet>,
    /// Whether every address may be called. For development; a tenant can then reach whatever
    /// this machine can reach.
    pub allow_private: bool,
    /// A PEM file of certificate authorities to trust beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// To resolve, connect and shake hands.
    #[serde(with = "runtime::seconds")]
    pub connect_timeout: Duration,
    /// Until an answer begins.
    #[serde(with = "runtime::seconds")]
    pub header_timeout: Duration,
    /// How long an unused connection is kept. The default is below the five seconds after which
    /// Node's HTTP server, which most MCP servers run on, closes its end: a request that meets
    /// that moment is lost, and nobody may send it again.
    #[serde(with = "runtime::seconds")]
    pub idle_timeout: Duration,
    /// Unused connections kept for one host.
    pub idle_connections_per_host: usize,
    /// Bytes of an answer's header; at least 8192.
    pub header_max_bytes: usize,
    /// What we call ourselves where the request does not say.
    pub user_agent: String,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            allow_private: false,
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(120),
            idle_timeout: Duration::from_secs(4),
            idle_connections_per_host: 256,
            header_max_bytes: 64 * 1024,
            user_agent: concat!("turnbuckle/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
