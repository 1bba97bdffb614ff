//! What a server's capabilities mean for its client.

use std::collections::HashMap;

use domain::UpstreamInfo;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The capabilities of a server, as far as its client acts on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    /// It sends log messages, and takes a level for them.
    pub(super) logging: bool,
    /// It says when its tools change.
    pub(super) tools_changes: bool,
    /// It runs tools as tasks (2025-11-25, `tasks.requests.tools.call`).
    pub(super) tool_tasks: bool,
    /// It runs tools as tasks by its own choice (the 2026-07-28 extension).
    pub(super) task_extension: bool,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    logging: Option<IgnoredAny>,
    #[serde(default)]
    tools: Option<Tools>,
    #[serde(default)]
    tasks: Option<Tasks>,
    #[serde(default)]
    extensions: HashMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
struct Tools {
    #[serde(default, rename = "listChanged")]
    list_changed: bool,
}

#[derive(Deserialize)]
struct Tasks {
    #[serde(default)]
    requests: Option<Requests>,
}

#[derive(Deserialize)]
struct Requests {
    #[serde(default)]
    tools: Option<ToolRequests>,
}

#[derive(Deserialize)]
struct ToolRequests {
    #[serde(default)]
    call: Option<IgnoredAny>,
}

impl Offers {
    /// Capabilities that cannot be read offer nothing.
    pub(super) fn of(info: &UpstreamInfo) -> Self {
        let Ok(wire) = serde_json::from_str::<Wire>(info.capabilities.get()) else {
            return Self::default();
        };
        let requests = wire.tasks.and_then(|tasks| tasks.requests);
        Self {
            logging: wire.logging.is_some(),
            tools_changes: wire.tools.is_some_and(|tools| tools.list_changed),
            tool_tasks: requests
                .and_then(|requests| requests.tools)
                .is_some_and(|tools| tools.call.is_some()),
            task_extension: wire.extensions.contains_key(mcp::TASKS_EXTENSION),
        }
    }
}
