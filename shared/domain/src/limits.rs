//! The bounds that hold everywhere, with their defaults. Those that an operator may change are
//! fields of a service's configuration and start from these.

use std::time::Duration;

/// Characters of a slug.
pub const SLUG_MAX_LENGTH: usize = 63;
/// Characters of a display name.
pub const NAME_MAX_LENGTH: usize = 100;
/// Characters of a description.
pub const DESCRIPTION_MAX_LENGTH: usize = 1_000;
/// Characters of a tool's name (MCP 2025-11-25, "Tool Names").
pub const TOOL_NAME_MAX_LENGTH: usize = 128;
/// Bytes of one tool's definition.
pub const TOOL_DEFINITION_MAX_BYTES: usize = 256 * 1024;
/// Tools of one connector.
pub const TOOLS_PER_CONNECTOR: usize = 2_000;
/// Tools of one connector that its upstream no longer lists and that are remembered all the same.
pub const GONE_TOOLS_PER_CONNECTOR: usize = 2_000;
/// Bytes of what an upstream says of itself, as stored.
pub const UPSTREAM_INFO_MAX_BYTES: usize = 64 * 1024;
/// Names of changed tools that a connector shows.
pub const CHANGED_NAMES_MAX: usize = 20;
/// Places where two tool definitions differ that are shown.
pub const DIFFERENCES_MAX: usize = 500;
/// Bytes of a JSON pointer to such a place.
pub const POINTER_MAX_BYTES: usize = 1_024;
/// Connectors of one tenant.
pub const CONNECTORS_PER_TENANT: usize = 200;
/// Accounts of one owner for one connector.
pub const ACCOUNTS_PER_OWNER: usize = 20;
/// Attempts to connect an account that are under way at once, of one owner for one connector.
pub const CONNECT_FLOWS_PER_OWNER: usize = 50;
/// OAuth clients of one tenant, or of the operator.
pub const OAUTH_CLIENTS_PER_OWNER: usize = 500;
/// Living keys of one tenant, or of the platform.
pub const KEYS_PER_OWNER: usize = 1_000;

/// Bytes of one inbound request body.
pub const BODY_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of one tool result.
pub const RESULT_MAX_BYTES: usize = 10 * 1024 * 1024;
/// Nesting of one inbound JSON document.
pub const JSON_MAX_DEPTH: usize = 64;

/// How long one tool call may take.
pub const CALL_DEADLINE: Duration = Duration::from_secs(120);
/// How long reading an upstream's tools may take, its start included.
pub const SYNC_DEADLINE: Duration = Duration::from_secs(120);
/// Calls that one connector runs at once; more are refused.
pub const CALLS_PER_CONNECTOR: usize = 1_024;

/// Items of a page when the caller does not say.
pub const PAGE_SIZE_DEFAULT: u32 = 50;
/// Items of a page at most; a larger wish is cut to this.
pub const PAGE_SIZE_MAX: u32 = 500;
