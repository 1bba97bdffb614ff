//! Bounds of the MCP client.

use std::time::Duration;

use domain::limits;
use serde::{Deserialize, Serialize};

/// The section `upstream` of the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Bytes of one answer, or of one event of a stream.
    pub result_max_bytes: usize,
    /// How long a server has to say whether it speaks the modern era, before the legacy handshake
    /// is tried.
    #[serde(with = "runtime::seconds")]
    pub probe_timeout: Duration,
    /// To read a whole tool list, connecting and starting included.
    #[serde(with = "runtime::seconds")]
    pub list_timeout: Duration,
    /// Pages of a tool list.
    pub list_max_pages: usize,
    /// Bytes of a whole tool list.
    pub list_max_bytes: usize,
    /// Tools of a whole tool list.
    pub list_max_tools: usize,
    /// Sessions (processes, where hosted) with one legacy server besides the one that is shared:
    /// they are kept for clients that the server may ask back, each for one caller.
    pub lanes_per_connector: usize,
    /// The same with one remote server: there each session of a legacy client has one of its own.
    pub remote_lanes_per_connector: usize,
    /// How long a call waits for such a session while all are in use.
    #[serde(with = "runtime::seconds")]
    pub lane_wait: Duration,
    /// A session that nobody used for so long is ended.
    #[serde(with = "runtime::seconds")]
    pub lane_idle: Duration,
    /// How long a call waits for what its server asked, before it is cancelled.
    #[serde(with = "runtime::seconds")]
    pub parked_ttl: Duration,
    /// Calls of one tenant that wait so at once.
    pub parked_per_tenant: usize,
    /// Calls of all tenants that wait so at once.
    pub parked_max: usize,
    /// Bytes of what a server says to one call meanwhile; the oldest events are dropped.
    pub parked_max_bytes: usize,
    /// Times that one call may ask back.
    pub rounds_per_call: u32,
    /// How often the lists or resources of one server, in one session or process, are watched at
    /// once.
    pub watches_per_peer: usize,
    /// Resources of one server that are watched at once, likewise.
    pub watched_resources_per_peer: usize,
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            result_max_bytes: limits::RESULT_MAX_BYTES,
            probe_timeout: Duration::from_secs(5),
            list_timeout: limits::SYNC_DEADLINE,
            list_max_pages: 200,
            list_max_bytes: 32 * 1024 * 1024,
            list_max_tools: limits::TOOLS_PER_CONNECTOR,
            lanes_per_connector: 8,
            remote_lanes_per_connector: 256,
            lane_wait: Duration::from_secs(5),
            lane_idle: Duration::from_secs(60),
            parked_ttl: Duration::from_secs(5 * 60),
            parked_per_tenant: 1_000,
            parked_max: 10_000,
            parked_max_bytes: 256 * 1024,
            rounds_per_call: 16,
            watches_per_peer: 4_096,
            watched_resources_per_peer: 1_024,
        }
    }
}
