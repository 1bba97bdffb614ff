//! Connectors: create, list, read, change, enable, disable, delete; and what follows from that:
//! readings of their tools, and workers that let go.

use domain::{
    Action, ChangedTools, Connector, ConnectorId, ConnectorKind, ConnectorSecrets, Principal, Slug,
    SyncState, SyncStatus, Tenant, TenantId,
};
use storage::{Constraint, StorageError};

use crate::error::{Error, Resource};
use crate::fields::Violations;
use crate::idempotency::{Created, Creation};
use crate::operations::Operations;
use crate::page::{Page, PageRequest};
use crate::tenants::Expected;

pub(crate) mod api;
mod change;
mod input;
mod manifests;
mod names;
mod process;
mod reports;
mod secrets;
mod sync;
mod told;
mod view;

pub use input::{ConfigInput, ConfigPatch, ConnectorPatch, NewConnector};
pub(crate) use names::exposed_name;
pub(crate) use reports::Reports;
pub use secrets::SecretsPatch;
pub(crate) use sync::Syncs;
pub use view::{ChangedToolsView, ConnectorView, ProcessView, StderrLineView};

/// Names this list in page tokens.
const LIST: &str = "connectors";

impl Operations {
    /// Creates a connector. Native ones have their tools at once, MCP servers are read in the
    /// background; with `wait`, the answer comes after that first reading ended, either way.
    pub async fn create_connector(
        &self,
        caller: &Principal,
        tenant: &str,
        input: NewConnector,
        creation: &Creation,
        wait: bool,
    ) -> Result<Created<ConnectorView>, Error> {
        let tenant = self
            .tenant_for(caller, tenant, Action::ManageTenant)
            .await?;
        let operation = format!("create-connector/{}", tenant.id);
        let attempt = self.attempt(caller, creation, operation, &input)?;
        if let Some(attempt) = &attempt
            && let Some(kept) = self.recall(attempt).await?
        {
            return Ok(kept);
        }
        let secrets = input.secrets.clone();
        let connector = self.new_connector(&tenant, input)?;
        // Said before that its tools are the same as its namesake's.
        let namesake = self
            .storage()
            .tenant(tenant.id)
            .find_connector(connector.slug.as_str())
            .await;
        if namesake
            .map_err(Error::storage("find a connector"))?
            .is_some()
        {
            return Err(Error::SlugTaken {
                slug: connector.slug.to_string(),
            });
        }
        if connector.enabled {
            let names = self.known_tools(&connector).await?;
            self.check_collisions(&tenant, &connector, &names).await?;
        }
        let mut view = ConnectorView::from(&connector);
        let record = attempt
            .as_ref()
            .map(|a| a.record(&view, connector.created_at))
            .transpose()?;

        let (id, owner, reads) = (connector.id, tenant.id, self.is_readable(&connector));
        let this = self.clone();
        let written = self.uninterrupted(async move {
            let rows = this.storage().tenant(tenant.id);
            match rows
                .create_connector(&connector, &secrets, record.as_ref())
                .await
            {
                Ok(revision) => this.tenant_changed(&tenant, revision),
                Err(StorageError::Conflict(Constraint::IdempotencyKeyTaken)) => return Ok(None),
                Err(error) => return Err(creation_error(&connector, error)),
            }
            let reading = match connector.kind {
                // In memory already: nothing to wait for.
                ConnectorKind::Native { .. } => {
                    drop(this.read_tools(tenant.id, id).await);
                    None
                }
                _ => reads.then(|| this.request_sync(tenant.id, id)),
            };
            Ok(Some(reading))
        });
        let Some(reading) = written.await? else {
            return self.recall_raced(attempt.as_ref()).await;
        };
        if let Some(reading) = reading.filter(|_| wait) {
            // How it ended, the connector says itself.
            let _ = self.synced(reading).await;
            let found = self.storage().tenant(owner).find_connector_by_id(id).await;
            if let Some(now) = found.map_err(Error::storage("find a connector"))? {
                view = ConnectorView::from(&now);
            }
        }
        Ok(Created {
            value: view,
            replayed: false,
        })
    }

    /// Checks all that can be wrong with a new connector by itself.
    fn new_connector(&self, tenant: &Tenant, input: NewConnector) -> Result<Connector, Error> {
        let mut violations = Violations::default();
        let slug = violations.keep("slug", input.slug.parse::<Slug>());
        let kind = input
            .config
            .kind(&input.r#type, self.catalog(), &mut violations);
        secrets::check(&input.secrets, &mut violations);
        if let Some(name) = &input.display_name {
            violations.name("display_name", name);
        }
        if let Some(prefix) = &input.prefix {
            names::check_prefix(prefix, &mut violations);
        }
        let credential = input.secrets.info();
        if let Some(Err(invalid)) = kind.as_ref().map(|kind| kind.validate(&credential)) {
            violations.add(invalid.field, invalid.rule);
        }
        if let Some(kind) = &kind {
            input::check_address(self.catalog(), kind, &credential, &mut violations);
        }
        let given = input.on_change.as_deref();
        let on_change = kind
            .as_ref()
            .map(|kind| input::rule_for_changes(given, kind, &mut violations));
        violations.finish()?;
        let (Some(slug), Some(kind), Some(on_change)) = (slug, kind, on_change) else {
            return Err(Error::invalid("type", "is missing"));
        };
        let now = self.now();
        Ok(Connector {
            id: ConnectorId::new(self.ids().next()),
            tenant: tenant.id,
            display_name: input
                .display_name
                .unwrap_or_else(|| self.default_name(&kind, &slug)),
            prefix: input
                .prefix
                .unwrap_or_else(|| names::default_prefix(&kind, &slug)),
            enabled: input.enabled,
            credential,
            on_change,
            sync: self.first_sync(&kind, now),
            slug,
            kind,
            created_at: now,
            updated_at: now,
            version: 1,
        })
    }

    /// What a native connector is called is known, an MCP server is called by its slug.
    fn default_name(&self, kind: &ConnectorKind, slug: &Slug) -> String {
        let native = match kind {
            ConnectorKind::Native { catalog, .. } => self
                .catalog()
                .types()
                .into_iter()
                .find(|known| known.name == *catalog),
            _ => None,
        };
        native.map_or_else(|| slug.to_string(), |native| native.display_name)
    }

    /// The sync status of a connector that is created now. That of a native one foretells what is
    /// written right after; should that not happen, the next start makes up for it.
    fn first_sync(&self, kind: &ConnectorKind, now: time::OffsetDateTime) -> SyncStatus {
        let tools = match kind {
            ConnectorKind::Native { catalog, .. } => self.catalog().tools(catalog),
            _ => None,
        };
        match tools {
            Some(tools) => SyncStatus {
                state: SyncState::Ok,
                at: Some(now),
                error: None,
                tools: u32::try_from(tools.len()).unwrap_or(u32::MAX),
                changed: ChangedTools::default(),
            },
            None => SyncStatus {
                state: SyncState::Pending,
                at: None,
                error: None,
                tools: 0,
                changed: ChangedTools::default(),
            },
        }
    }

    /// Names of the connector's tools, as far as they are known.
    pub(super) async fn known_tools(&self, connector: &Connector) -> Result<Vec<String>, Error> {
        if let ConnectorKind::Native { catalog, .. } = &connector.kind {
            let tools = self.catalog().tools(catalog).unwrap_or_default();
            return Ok(tools.into_iter().map(|tool| tool.name).collect());
        }
        let tools = self.stored_tools(connector).await?;
        Ok(tools.into_iter().map(|tool| tool.approved.name).collect())
    }

    pub async fn list_connectors(
        &self,
        caller: &Principal,
        tenant: &str,
        request: &PageRequest,
    ) -> Result<Page<ConnectorView>, Error> {
        let tenant = self.tenant_for(caller, tenant, Action::ReadTenant).await?;
        let after = request.after_id(LIST)?;
        let rows = self.storage().tenant(tenant.id);
        let connectors = rows.list_connectors(after, request.limit()?).await;
        let connectors = connectors.map_err(Error::storage("list connectors"))?;
        let page = request.page(LIST, connectors, |connector| connector.id.to_string())?;
        Ok(page.map(|connector| ConnectorView::from(&connector)))
    }

    pub async fn get_connector(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
    ) -> Result<ConnectorView, Error> {
        let found = self
            .connector_for(caller, tenant, connector, Action::ReadTenant)
            .await?;
        Ok(ConnectorView::from(&found.1))
    }

    /// Deletes the connector with its tools and secrets, and ends what runs for it.
    pub async fn delete_connector(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        expected: &Expected,
    ) -> Result<(), Error> {
        let (tenant, connector) = self
            .connector_for(caller, tenant, connector, Action::ManageTenant)
            .await?;
        expected.check(connector.version)?;
        let only = expected.is_given().then_some(connector.version);
        let this = self.clone();
        self.uninterrupted(async move {
            let rows = this.storage().tenant(tenant.id);
            let accounts = this.to_give_back(&tenant, Some(connector.id)).await;
            let revision = match rows.delete_connector(connector.id, only).await {
                Ok(revision) => revision,
                Err(StorageError::NotFound) => return Err(Error::NotFound(Resource::Connector)),
                Err(error) => return Err(Error::storage("delete a connector")(error)),
            };
            this.tenant_changed(&tenant, revision);
            let registrations = this.give_up_registrations(&tenant).await;
            this.revoke_later(accounts, registrations);
            this.forget(tenant.id, &[connector.id]).await;
            Ok(())
        })
        .await
    }

    /// The connector, and its tenant, if `caller` may do `action` to that.
    pub(crate) async fn connector_for(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        action: fn(TenantId) -> Action,
    ) -> Result<(Tenant, Connector), Error> {
        let tenant = self.tenant_for(caller, tenant, action).await?;
        let found = self
            .storage()
            .tenant(tenant.id)
            .find_connector(connector)
            .await;
        let found = found.map_err(Error::storage("find a connector"))?;
        Ok((tenant, found.ok_or(Error::NotFound(Resource::Connector))?))
    }

    /// Whether a worker can read the connector's tools: it would get no lease of a disabled one.
    pub(super) fn is_readable(&self, connector: &Connector) -> bool {
        connector.enabled && !matches!(connector.kind, ConnectorKind::Native { .. })
    }
}

fn creation_error(connector: &Connector, error: StorageError) -> Error {
    match error {
        StorageError::Conflict(Constraint::SlugTaken) => Error::SlugTaken {
            slug: connector.slug.to_string(),
        },
        StorageError::Conflict(Constraint::LimitReached) => {
            let most = domain::limits::CONNECTORS_PER_TENANT;
            Error::LimitReached(format!("a tenant may have {most} connectors at most"))
        }
        // It was deleted meanwhile.
        StorageError::NotFound => Error::NotFound(Resource::Tenant),
        error => Error::storage("create a connector")(error),
    }
}

/// What a change does to a connector, before it is written.
struct Changed {
    connector: Connector,
    /// When they change.
    secrets: Option<ConnectorSecrets>,
}

#[cfg(test)]
mod tests {
    use domain::{CredentialInfo, OnChange};

    use super::*;

    /// A remote MCP server's.
    pub(super) fn connector() -> Connector {
        let kind = ConnectorKind::RemoteMcp {
            url: "https://mcp.example.com/".parse().unwrap(),
        };
        Connector {
            id: ConnectorId::new(uuid::Uuid::from_u128(1)),
            tenant: TenantId::new(uuid::Uuid::from_u128(2)),
            slug: "up".parse().unwrap(),
            display_name: "up".to_owned(),
            enabled: true,
            prefix: String::new(),
            credential: CredentialInfo::default(),
            on_change: OnChange::default_of(&kind),
            kind,
            sync: SyncStatus {
                state: SyncState::Ok,
                at: None,
                error: None,
                tools: 0,
                changed: ChangedTools::default(),
            },
            created_at: time::OffsetDateTime::UNIX_EPOCH,
            updated_at: time::OffsetDateTime::UNIX_EPOCH,
            version: 1,
        }
    }
}
