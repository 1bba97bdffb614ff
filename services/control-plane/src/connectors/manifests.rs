//! Native connectors whose manifests changed while the platform runs.

use std::collections::BTreeSet;

use domain::{Connector, ConnectorKind};
use futures_util::{StreamExt, stream};

use crate::error::Error;
use crate::operations::Operations;
use crate::tenants::CHUNK;

impl Operations {
    /// Reads the tools of every connector of these types anew, in all tenants. Another
    /// control-plane of a cluster that does the same finds nothing left to change.
    pub(crate) async fn manifests_changed(&self, types: &BTreeSet<String>) -> Result<(), Error> {
        let mut after = None;
        loop {
            let tenants = self.storage().list_tenants(after, CHUNK).await;
            let tenants = tenants.map_err(Error::storage("list tenants"))?;
            for tenant in &tenants {
                self.read_changed(tenant.id, types).await?;
            }
            after = tenants.last().map(|tenant| tenant.id);
            if tenants.len() < CHUNK as usize {
                return Ok(());
            }
        }
    }

    async fn read_changed(
        &self,
        tenant: domain::TenantId,
        types: &BTreeSet<String>,
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let rows = self.storage().tenant(tenant);
            let page = rows.list_connectors(after, CHUNK).await;
            let page = page.map_err(Error::storage("list connectors"))?;
            after = page.last().map(|connector| connector.id);
            let ended = page.len() < CHUNK as usize;
            let concerned = page.into_iter().filter(|known| is_of(known, types));
            stream::iter(concerned)
                .for_each_concurrent(self.config().syncs_at_once, |connector| async move {
                    // How it ended, the connector says itself.
                    let _ = self.sync(connector.tenant, connector.id).await;
                })
                .await;
            if ended {
                return Ok(());
            }
        }
    }
}

fn is_of(connector: &Connector, types: &BTreeSet<String>) -> bool {
    match &connector.kind {
        ConnectorKind::Native { catalog, .. } => types.contains(catalog),
        _ => false,
    }
}
