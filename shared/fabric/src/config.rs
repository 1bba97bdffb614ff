//! What a gateway must know of a tenant to serve it, and how it hears of changes.

use std::sync::Arc;

use domain::{ApiKey, Connector, KeyId, Tenant, Tool, UpstreamInfo};
use futures_util::future::BoxFuture;

/// An API key as a gateway needs it: the rules of the key and what its secret is checked against.
#[derive(Clone, Debug)]
pub struct StoredKey {
    pub key: ApiKey,
    /// `crypto::KeyHash` bytes of the secret; useless without the platform's hashing key.
    pub hash: [u8; 32],
}

/// Keys that open every tenant.
#[derive(Clone, Debug)]
pub struct PlatformConfig {
    /// The change this reflects; larger is newer.
    pub revision: i64,
    pub keys: Vec<StoredKey>,
}

/// All of one tenant: what its endpoints serve, and to whom. Holds no provider credential.
#[derive(Clone, Debug)]
pub struct TenantConfig {
    /// The change this reflects; larger is newer.
    pub revision: i64,
    pub tenant: Tenant,
    pub keys: Vec<StoredKey>,
    /// Enabled and disabled ones, ordered by slug.
    pub connectors: Vec<ConnectorConfig>,
}

/// A connector and its tools in its upstream's own order, enabled and disabled ones. A tool whose changed
/// definition is held back stands here as it was approved.
#[derive(Clone, Debug)]
pub struct ConnectorConfig {
    pub connector: Connector,
    /// What an MCP upstream said of itself when its tools were last read; none before that, and
    /// for native connectors.
    pub server: Option<UpstreamInfo>,
    pub tools: Vec<Tool>,
    /// Grows by one with each account of the connector that is connected, ended or preferred; see
    /// [`crate::Call::accounts`]. A refresh does not change it.
    pub accounts: i64,
}

/// What a change is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The platform's own keys.
    Platform,
    /// A tenant, by slug.
    Tenant(String),
}

/// The configuration cannot be had now.
#[derive(Debug, thiserror::Error)]
#[error("configuration is unavailable: {0}")]
pub struct SourceError(pub String);

/// Where a gateway takes configuration from. Implemented by the control-plane.
pub trait ConfigSource: Send + Sync {
    fn platform(&self) -> BoxFuture<'_, Result<PlatformConfig, SourceError>>;

    /// `None` when there is no such tenant.
    fn tenant<'a>(
        &'a self,
        slug: &'a str,
    ) -> BoxFuture<'a, Result<Option<TenantConfig>, SourceError>>;

    /// From now on tells `listener` of each change, after it is committed and before the change
    /// is acknowledged to whoever made it.
    fn subscribe(&self, listener: Arc<dyn ConfigListener>);

    /// Notes that keys were used; told in batches, may be lost in a crash.
    fn keys_used<'a>(&'a self, keys: &'a [KeyId]) -> BoxFuture<'a, Result<(), SourceError>>;
}

/// Hears of changes. Must return at once.
pub trait ConfigListener: Send + Sync {
    /// `revision` is that of the change: configuration older than it is out of force.
    fn changed(&self, subject: &Subject, revision: i64);
}
