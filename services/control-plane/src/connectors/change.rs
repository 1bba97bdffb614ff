//! Changes of connectors.

use domain::{Action, Connector, ConnectorKind, Principal, Tenant};

use super::input::{ConfigInput, ConnectorPatch, check_address, rule_for_changes};
use super::view::ConnectorView;
use super::{Changed, names, secrets};
use crate::error::Error;
use crate::fields::Violations;
use crate::operations::Operations;
use crate::tenants::{Expected, TRIES};

/// What is to become of a connector.
#[derive(Clone)]
enum Change {
    Patch(Box<ConnectorPatch>),
    Enabled(bool),
}

impl Operations {
    pub async fn update_connector(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        patch: ConnectorPatch,
        expected: &Expected,
    ) -> Result<ConnectorView, Error> {
        let change = Change::Patch(Box::new(patch));
        self.change_connector(caller, tenant, connector, change, expected)
            .await
    }

    pub async fn enable_connector(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        expected: &Expected,
    ) -> Result<ConnectorView, Error> {
        self.change_connector(caller, tenant, connector, Change::Enabled(true), expected)
            .await
    }

    /// From now on none of its tools is listed or called, and nothing of it runs.
    pub async fn disable_connector(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        expected: &Expected,
    ) -> Result<ConnectorView, Error> {
        self.change_connector(caller, tenant, connector, Change::Enabled(false), expected)
            .await
    }

    async fn change_connector(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        change: Change,
        expected: &Expected,
    ) -> Result<ConnectorView, Error> {
        for _ in 0..TRIES {
            let (tenant, before) = self
                .connector_for(caller, tenant, connector, Action::ManageTenant)
                .await?;
            expected.check(before.version)?;
            let mut changed = self.apply(&before, change.clone()).await?;
            if changed.secrets.is_none() && changed.connector == before {
                return Ok(ConnectorView::from(&before));
            }
            let after = &mut changed.connector;
            if after.enabled && (!before.enabled || after.prefix != before.prefix) {
                self.check_collisions(&tenant, after, &self.known_tools(after).await?)
                    .await?;
            }
            after.version += 1;
            after.updated_at = self.now();
            let this = self.clone();
            let saved = self
                .uninterrupted(async move { this.save_connector(&tenant, &before, changed).await });
            match saved.await {
                Err(Error::VersionMismatch) if !expected.is_given() => {}
                ended => return ended,
            }
        }
        Err(Error::ConcurrentChange)
    }

    async fn apply(&self, before: &Connector, change: Change) -> Result<Changed, Error> {
        let mut changed = Changed {
            connector: before.clone(),
            secrets: None,
        };
        match change {
            Change::Enabled(enabled) => changed.connector.enabled = enabled,
            Change::Patch(patch) => self.patch(&mut changed, *patch).await?,
        }
        Ok(changed)
    }

    async fn patch(&self, changed: &mut Changed, patch: ConnectorPatch) -> Result<(), Error> {
        let connector = &mut changed.connector;
        let mut violations = Violations::default();
        let reaches_anew = patch.config.is_some() || patch.secrets.is_some();
        if let Some(config) = patch.config {
            let config = ConfigInput::of(&connector.kind).patched(config);
            let type_name = connector.kind.type_name().to_owned();
            if let Some(kind) = config.kind(&type_name, self.catalog(), &mut violations) {
                connector.kind = kind;
            }
        }
        if let Some(name) = patch.display_name {
            connector.display_name =
                name.unwrap_or_else(|| self.default_name(&connector.kind, &connector.slug));
            violations.name("display_name", &connector.display_name);
        }
        if let Some(prefix) = patch.prefix {
            let default = || names::default_prefix(&connector.kind, &connector.slug);
            connector.prefix = prefix.unwrap_or_else(default);
            names::check_prefix(&connector.prefix, &mut violations);
        }
        if let Some(rule) = patch.on_change {
            let kind = &connector.kind;
            connector.on_change = rule_for_changes(rule.as_deref(), kind, &mut violations);
        }
        if let Some(change) = patch.secrets {
            let current = self.secrets_of(connector).await?;
            let wanted = secrets::patched(current.clone(), change);
            secrets::check(&wanted, &mut violations);
            connector.credential = wanted.info();
            changed.secrets = (wanted != current).then_some(wanted);
        }
        if let Err(invalid) = connector.kind.validate(&connector.credential) {
            violations.add(invalid.field, invalid.rule);
        }
        if reaches_anew {
            let Connector {
                kind, credential, ..
            } = &*connector;
            check_address(self.catalog(), kind, credential, &mut violations);
        }
        violations.finish()
    }

    /// Writes a change, tells of it, and has done what follows from it.
    async fn save_connector(
        &self,
        tenant: &Tenant,
        before: &Connector,
        changed: Changed,
    ) -> Result<ConnectorView, Error> {
        let Changed {
            connector: after,
            secrets,
        } = changed;
        let rows = self.storage().tenant(tenant.id);
        let revision = rows
            .save_connector(&after, secrets.as_ref(), before.version)
            .await;
        let revision = revision.map_err(Error::storage("save a connector"))?;
        self.tenant_changed(tenant, revision);

        let reaches_anew = secrets.is_some() || after.kind != before.kind;
        if reaches_anew || (before.enabled && !after.enabled) {
            self.release(tenant.id, &[after.id]).await;
        }
        let mut view = ConnectorView::from(&after);
        let switched_on = after.enabled && !before.enabled;
        // Whatever waits for approval goes by the new rule.
        let judged_anew = after.on_change != before.on_change;
        if self.is_readable(&after) && (reaches_anew || switched_on || judged_anew) {
            rows.sync_started(after.id)
                .await
                .map_err(Error::storage("note a reading"))?;
            view.sync.state = domain::SyncState::Pending.as_str().to_owned();
            drop(self.request_sync(tenant.id, after.id));
        } else if switched_on && matches!(after.kind, ConnectorKind::Native { .. }) {
            drop(self.read_tools(tenant.id, after.id).await);
        }
        Ok(view)
    }
}
