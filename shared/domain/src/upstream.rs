//! What an MCP upstream says of itself.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What an upstream answered to `initialize` or `server/discover`, as far as its clients need it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UpstreamInfo {
    /// The protocol version agreed on, e.g. `2025-11-25`.
    pub version: String,
    /// Its `capabilities`, a JSON object as it came.
    pub capabilities: Box<RawValue>,
    /// What it wants models to know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The first page of its `tools/list` result as it came, but with an empty `tools` and without
    /// `nextCursor`; absent where there is nothing besides those, or too much. Further members of
    /// results so reach clients too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_list: Option<Box<RawValue>>,
}

impl PartialEq for UpstreamInfo {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version
            && self.capabilities.get() == other.capabilities.get()
            && self.instructions == other.instructions
            && self.tool_list.as_ref().map(|raw| raw.get())
                == other.tool_list.as_ref().map(|raw| raw.get())
    }
}
