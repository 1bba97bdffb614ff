//! The one connector there is: a remote MCP server.

use domain::{
    ChangedTools, Connector, ConnectorId, ConnectorKind, ConnectorSecrets, OnChange, SyncState,
    SyncStatus, TenantId,
};
use fabric::{BoxFuture, Lease, LeaseError, LeasedSecrets, Leases};
use secrecy::SecretBox;
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

pub(crate) const TENANT: TenantId = TenantId::new(Uuid::from_u128(1));
pub(crate) const CONNECTOR: ConnectorId = ConnectorId::new(Uuid::from_u128(2));

/// Gives out the connector to whoever asks.
pub(crate) struct OneConnector(Connector);

impl OneConnector {
    pub(crate) fn new(url: Url) -> anyhow::Result<Self> {
        Ok(Self(Connector {
            id: CONNECTOR,
            tenant: TENANT,
            slug: "server".parse()?,
            display_name: "The scenario's server".to_owned(),
            kind: ConnectorKind::RemoteMcp { url },
            enabled: true,
            prefix: String::new(),
            credential: ConnectorSecrets::default().info(),
            on_change: OnChange::Accept,
            sync: SyncStatus {
                state: SyncState::Pending,
                at: None,
                error: None,
                tools: 0,
                changed: ChangedTools::default(),
            },
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
            version: 1,
        }))
    }
}

impl Leases for OneConnector {
    fn lease(&self, _: TenantId, _: ConnectorId) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        let secrets = SecretBox::new(Box::new(LeasedSecrets(ConnectorSecrets::default())));
        let connector = self.0.clone();
        Box::pin(std::future::ready(Ok(Lease { connector, secrets })))
    }
}
