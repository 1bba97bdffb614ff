//! What gateways and workers are served from.

use std::sync::Arc;

use ::fabric::{
    BoxFuture, ConfigListener, ConfigSource, Credential, CredentialError, CredentialRequest, Lease,
    LeaseError, LeasedSecrets, Leases, PlatformConfig, SourceError, TenantConfig, UpstreamListener,
};
use domain::{ConnectorId, KeyId, TenantId, TenantState};
use secrecy::SecretBox;
use storage::StorageError;

use crate::operations::Operations;

/// Serves configuration to gateways and leases to workers of the same process, and hears from these
/// which upstreams changed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sources(Operations);

impl Sources {
    pub(crate) fn new(operations: Operations) -> Self {
        Self(operations)
    }

    async fn give(&self, tenant: TenantId, connector: ConnectorId) -> Result<Lease, LeaseError> {
        let storage = self.0.storage();
        let owner = storage
            .find_tenant_by_id(tenant)
            .await
            .map_err(unavailable)?;
        if owner.is_none_or(|owner| owner.state != TenantState::Active) {
            return Err(LeaseError::Gone);
        }
        let rows = storage.tenant(tenant);
        // The secrets are read after the connector: they may be newer than the version says, and
        // then the next change of version replaces them, but never older.
        let connector = rows
            .find_connector_by_id(connector)
            .await
            .map_err(unavailable)?;
        let connector = connector.filter(|c| c.enabled).ok_or(LeaseError::Gone)?;
        let secrets = rows.secrets(connector.id).await.map_err(unavailable)?;
        let secrets = LeasedSecrets(secrets.ok_or(LeaseError::Gone)?);
        let takes_accounts = self.0.takes_accounts(&connector).await;
        Ok(Lease {
            connector,
            secrets: SecretBox::new(Box::new(secrets)),
            takes_accounts: takes_accounts.map_err(unavailable)?,
        })
    }
}

impl Leases for Sources {
    fn lease(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
    ) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        Box::pin(self.give(tenant, connector))
    }

    fn credential(
        &self,
        request: CredentialRequest,
    ) -> BoxFuture<'_, Result<Credential, CredentialError>> {
        Box::pin(async move { self.0.credential(&request).await })
    }
}

impl UpstreamListener for Sources {
    fn tools_changed(&self, tenant: TenantId, connector: ConnectorId) {
        self.0.upstream_changed(tenant, connector);
    }
}

/// The worker passes on what a lease error says, so it says nothing of the inside.
fn unavailable(error: StorageError) -> LeaseError {
    tracing::error!("cannot give a lease: {error}");
    match error {
        StorageError::Crypto(_) => LeaseError::Sealed,
        _ => LeaseError::Unavailable("its storage does not answer".to_owned()),
    }
}

impl ConfigSource for Sources {
    fn platform(&self) -> BoxFuture<'_, Result<PlatformConfig, SourceError>> {
        Box::pin(async {
            self.0
                .storage()
                .platform_config()
                .await
                .map_err(source_error)
        })
    }

    fn tenant<'a>(
        &'a self,
        slug: &'a str,
    ) -> BoxFuture<'a, Result<Option<TenantConfig>, SourceError>> {
        Box::pin(async move {
            self.0
                .storage()
                .tenant_config(slug)
                .await
                .map_err(source_error)
        })
    }

    fn subscribe(&self, listener: Arc<dyn ConfigListener>) {
        self.0.subscribe(listener);
    }

    fn keys_used<'a>(&'a self, keys: &'a [KeyId]) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            for key in keys {
                self.0.uses().note(*key);
            }
            Ok(())
        })
    }
}

fn source_error(error: StorageError) -> SourceError {
    SourceError(error.to_string())
}
