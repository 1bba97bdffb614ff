//! The control-plane: owns tenants, connectors, tools, keys and credentials.
//!
//! [`Operations`] holds all the logic; REST (`api`, and an `api.rs` per feature) and gRPC are thin
//! adapters over it. [`ControlPlane::sources`] is what gateways and workers are served from.

mod accounts;
mod api;
mod auth;
mod body;
mod catalog;
mod cluster;
mod config;
mod connectors;
mod docs;
mod enforcement;
mod error;
mod fabric;
mod fields;
mod grpc;
mod idempotency;
mod keys;
mod nodes;
mod openapi;
mod operations;
mod page;
mod patch;
mod service;
mod tenants;
mod tools;

pub use accounts::{
    AccountPatch, AccountView, ConnectionView, DisconnectedView, NewAccountInput, NewConnection,
    OAuthClientInput, OAuthClientView, OAuthProviderView, SignInInput,
};
pub use auth::Caller;
pub use catalog::{AccountAddress, CatalogView, ConnectorSetting, ConnectorType, NativeType};
pub use cluster::{Behind, ClusterDeps, Nodes};
pub use config::{Config, OAuthConfig};
pub use connectors::{
    ChangedToolsView, ConfigInput, ConfigPatch, ConnectorPatch, ConnectorView, NewConnector,
    ProcessView, SecretsPatch, StderrLineView,
};
pub use error::{Error, Resource, Violation};
pub use fabric::Sources;
pub use idempotency::{Created, Creation};
pub use keys::{CreatedKey, KeyView, NewKey};
pub use nodes::NodeView;
pub use openapi::document as openapi_document;
pub use operations::Operations;
pub use page::{Page, PageRequest};
pub use service::{ControlPlane, Deps};
pub use tenants::{Expected, NewTenant, TenantPatch, TenantView};
pub use tools::{DifferenceView, ToolChange, ToolChangesView, ToolView};
