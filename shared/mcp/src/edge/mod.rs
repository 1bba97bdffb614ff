//! What results and tool definitions gain or lose at the edge, by the revision of the client.
//! Whatever the client's revision knows stays byte for byte.

mod content;
mod error;
mod legacy;
mod list;
mod modern;
mod tool;

pub use error::error_with;
pub use legacy::{for_legacy, strip_for_legacy};
pub use list::{around_tools, with_tools};
pub use modern::{CacheHints, ServerInfo, complete_for_modern, for_modern, split_for_modern};
pub use tool::{tool_for_legacy, tool_for_modern};

/// Which method a result answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    CallTool,
    GetPrompt,
    ReadResource,
    ListTools,
    ListPrompts,
    ListResources,
    ListResourceTemplates,
    Complete,
    Other,
}

impl Kind {
    /// Whether a modern result must say how long it may be kept (2026-07-28, "Caching").
    /// `server/discover` must too; its result is the gateway's own.
    pub const fn is_cacheable(self) -> bool {
        matches!(
            self,
            Self::ReadResource
                | Self::ListTools
                | Self::ListPrompts
                | Self::ListResources
                | Self::ListResourceTemplates
        )
    }
}

#[cfg(test)]
mod tests;
