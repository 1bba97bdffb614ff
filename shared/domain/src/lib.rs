//! What Turnbuckle is about, as plain data and pure rules: tenants, their connectors, the tools
//! of those, the keys that open them, and the one function that says who may do what.
//!
//! No I/O, no async, no clock: whoever needs the time passes it in. Every other crate may use
//! this one, so it stays light.

mod access;
mod account;
mod canonical;
mod connector;
mod depth;
mod difference;
mod ids;
mod key;
pub mod limits;
mod slug;
mod tenant;
mod tool;
mod tool_state;
mod upstream;

pub use access::{Action, Denied, Principal, authorize};
pub use account::{
    Account, AccountMethod, AccountOwner, AccountSecrets, AccountState, InvalidAccountWord,
    TokenKind,
};
pub use canonical::canonical_json;
pub use connector::{
    ChangedTools, Connector, ConnectorKind, ConnectorSecrets, CredentialInfo, InvalidConnector,
    InvalidOnChange, OnChange, SyncState, SyncStatus,
};
pub use depth::nests_within;
pub use difference::{Difference, Differences, differences};
pub use ids::{AccountId, ConnectorId, KeyId, TenantId};
pub use key::{ApiKey, KeyState, Scope, ScopeError};
pub use slug::{InvalidSlug, Slug};
pub use tenant::{Tenant, TenantState};
pub use tool::{InvalidTool, Tool, ToolDefinition};
pub use tool_state::{InvalidToolHash, KnownTool, PendingDefinition, ToolHash, ToolState};
pub use upstream::UpstreamInfo;
