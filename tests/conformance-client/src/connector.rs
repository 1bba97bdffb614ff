//! The one connector there is: a remote MCP server.

use domain::{
    ChangedTools, Connector, ConnectorId, ConnectorKind, ConnectorSecrets, OnChange, SyncState,
    SyncStatus, TenantId,
};
use fabric::{
    BoxFuture, Credential, CredentialError, CredentialRequest, Lease, LeaseError, LeasedSecrets,
    Leases,
};
use secrecy::SecretBox;
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use crate::sign_in::SignIn;

pub(crate) const TENANT: TenantId = TenantId::new(Uuid::from_u128(1));
pub(crate) const CONNECTOR: ConnectorId = ConnectorId::new(Uuid::from_u128(2));

/// Gives out the connector to whoever asks, with an account where the scenario is about one.
pub(crate) struct OneConnector(Connector, Option<SignIn>);

impl OneConnector {
    pub(crate) fn new(url: Url, sign_in: Option<SignIn>) -> anyhow::Result<Self> {
        let connector = Connector {
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
        };
        Ok(Self(connector, sign_in))
    }
}

impl Leases for OneConnector {
    fn lease(&self, _: TenantId, _: ConnectorId) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        let secrets = SecretBox::new(Box::new(LeasedSecrets(ConnectorSecrets::default())));
        let connector = self.0.clone();
        Box::pin(std::future::ready(Ok(Lease {
            connector,
            secrets,
            takes_accounts: self.1.is_some(),
        })))
    }

    fn credential(
        &self,
        request: CredentialRequest,
    ) -> BoxFuture<'_, Result<Credential, CredentialError>> {
        match &self.1 {
            Some(sign_in) => Box::pin(sign_in.credential(request)),
            None => Box::pin(std::future::ready(Ok(Credential::Own))),
        }
    }
}
