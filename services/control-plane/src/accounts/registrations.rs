//! Registrations that were made at servers by themselves are ended there when nothing needs them
//! any more. Here they are gone first; the server is told afterwards, once, as far as it listens.

use std::collections::BTreeSet;

use domain::{ConnectorKind, Tenant};
use futures_util::{StreamExt, stream};
use oauth::{Deadline, Management};
use storage::{OAuthClientRow, StorageError};

use super::clients::settings;
use super::servers::{filed_under, is_of_server};
use crate::error::Error;
use crate::operations::Operations;

/// Servers that are told at once.
const AT_ONCE: usize = 4;

/// How a registration is ended at its server; none for one that somebody made by hand, and where
/// the server keeps registrations to itself.
pub(super) fn management(registration: &OAuthClientRow) -> Option<Management> {
    let at = settings(registration).ok()?.registration?;
    let token = registration.registration.clone()?;
    Some(Management { at, token })
}

impl Operations {
    /// How the registrations of a tenant are ended that is going to be deleted with them. What
    /// cannot be read is left out.
    pub(crate) async fn registrations_of(&self, tenant: &Tenant) -> Vec<Management> {
        let rows = self.storage().tenant(tenant.id);
        let most = u32::try_from(domain::limits::OAUTH_CLIENTS_PER_OWNER).unwrap_or(u32::MAX);
        match rows.list_oauth_clients(None, most).await {
            Ok(all) => all.iter().filter_map(management).collect(),
            Err(error) => {
                tracing::warn!(tenant.id = %tenant.id, "cannot end its registrations: {error}");
                Vec::new()
            }
        }
    }

    /// Gives up a tenant's registrations at servers that no connector leads to and no account was
    /// connected with: how each is ended there. What cannot be given up now is so at the next time.
    pub(crate) async fn give_up_registrations(&self, tenant: &Tenant) -> Vec<Management> {
        match self.given_up(tenant).await {
            Ok(given_up) => given_up,
            Err(error) => {
                tracing::warn!(tenant.id = %tenant.id, "cannot give up registrations: {error}");
                Vec::new()
            }
        }
    }

    async fn given_up(&self, tenant: &Tenant) -> Result<Vec<Management>, Error> {
        let rows = self.storage().tenant(tenant.id);
        let unused = rows.list_unused_oauth_clients().await;
        let mut unused = unused.map_err(Error::storage("list OAuth clients"))?;
        unused.retain(|registration| is_of_server(&registration.provider));
        if unused.is_empty() {
            return Ok(Vec::new());
        }
        let most = u32::try_from(domain::limits::CONNECTORS_PER_TENANT).unwrap_or(u32::MAX);
        let connectors = rows.list_connectors(None, most).await;
        let connectors = connectors.map_err(Error::storage("list connectors"))?;
        let led_to: BTreeSet<String> = connectors
            .iter()
            .filter_map(|connector| match &connector.kind {
                ConnectorKind::RemoteMcp { url } => Some(filed_under(url)),
                _ => None,
            })
            .collect();
        let mut given_up = Vec::new();
        for registration in unused {
            if led_to.contains(&registration.provider) {
                continue;
            }
            let only = Some(registration.version);
            match rows.delete_oauth_client(&registration.provider, only).await {
                Ok(revision) => self.tenant_changed(tenant, revision),
                // Somebody has just begun to use it, or was faster.
                Err(StorageError::VersionMismatch | StorageError::NotFound) => continue,
                Err(error) => return Err(Error::storage("give up an OAuth client")(error)),
            }
            given_up.extend(management(&registration));
        }
        Ok(given_up)
    }

    /// Tells servers that registrations are not needed any more, each within
    /// `oauth.revocation_deadline`.
    pub(super) async fn end_registrations(&self, all: Vec<Management>) {
        let told = stream::iter(all).map(|one| async move {
            let limit = self.config().oauth.revocation_deadline;
            let ended = self.tokens().unregister(&one, Deadline::after(limit)).await;
            if let Err(error) = ended {
                let server = one.at.origin().ascii_serialization();
                tracing::warn!(server, "a server did not end our registration: {error}");
            }
        });
        told.buffer_unordered(AT_ONCE).collect::<()>().await;
    }
}
