//! What gateways serve from: each read in one transaction, so that its parts fit together and
//! its revision is exactly theirs.

use fabric::{ConnectorConfig, PlatformConfig, TenantConfig};

use crate::tx::Scope;
use crate::{Storage, StorageError, changes, keys, tenants};

impl Storage {
    /// The platform's keys that are not revoked.
    pub async fn platform_config(&self) -> Result<PlatformConfig, StorageError> {
        let mut tx = self.read().await?;
        let revision = changes::last(&mut tx).await?;
        let keys = keys::list_unrevoked(&mut tx, None).await?;
        Ok(PlatformConfig { revision, keys })
    }

    /// All of one tenant, with its keys that are not revoked; `None` without such a tenant.
    pub async fn tenant_config(&self, slug: &str) -> Result<Option<TenantConfig>, StorageError> {
        let mut tx = self.read().await?;
        let Some(tenant) = tenants::find_by_slug(&mut tx, slug).await? else {
            return Ok(None);
        };
        tx.enter(Scope::Tenant(tenant.id)).await?;
        let revision = changes::last(&mut tx).await?;
        let keys = keys::list_unrevoked(&mut tx, Some(tenant.id)).await?;
        let own = self.tenant(tenant.id);
        let mut tools = own.tools_by_connector(&mut tx).await?;
        let mut servers = own.servers_by_connector(&mut tx).await?;
        let mut accounts = own.accounts_by_connector(&mut tx).await?;
        let connectors = own
            .connectors_by_slug(&mut tx)
            .await?
            .into_iter()
            .map(|connector| ConnectorConfig {
                accounts: accounts.remove(&connector.id).unwrap_or_default(),
                server: servers.remove(&connector.id),
                tools: tools.remove(&connector.id).unwrap_or_default(),
                connector,
            })
            .collect();
        Ok(Some(TenantConfig {
            revision,
            tenant,
            keys,
            connectors,
        }))
    }
}
