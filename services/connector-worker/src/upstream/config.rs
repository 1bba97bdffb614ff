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
        }
    }
}
