//! Definitions that changed: what differs, and approving it.

use domain::{Action, Difference, KnownTool, Principal, ToolHash, differences};
use serde::Serialize;
use serde_json::value::RawValue;
use storage::StorageError;
use utoipa::ToSchema;

use super::ToolView;
use crate::error::{Error, Resource};
use crate::operations::Operations;

/// How a tool's definition differs from the one that was approved.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ToolChangesView {
    /// The upstream's own name.
    pub name: String,
    #[schema(schema_with = super::states)]
    pub state: String,
    /// Of the approved definition.
    pub hash: String,
    /// Of the pending one; what an approval may name.
    pub pending_hash: Option<String>,
    /// The definition that was approved, as it came.
    #[schema(value_type = Object)]
    pub approved: Box<RawValue>,
    /// What the upstream says now, as it came; null when that is the same.
    #[schema(value_type = Option<Object>)]
    pub pending: Option<Box<RawValue>>,
    /// Where the two differ, 500 places at most.
    pub diff: Vec<DifferenceView>,
    /// Whether there are no more places than these.
    pub diff_complete: bool,
}

/// One place where two definitions differ.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DifferenceView {
    /// JSON pointer (RFC 6901).
    pub path: String,
    /// What stood there; absent where something was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub before: Option<Box<RawValue>>,
    /// What stands there now; absent where something was taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub after: Option<Box<RawValue>>,
}

impl From<Difference> for DifferenceView {
    fn from(difference: Difference) -> Self {
        Self {
            path: difference.path,
            before: difference.before,
            after: difference.after,
        }
    }
}

impl From<KnownTool> for ToolChangesView {
    fn from(tool: KnownTool) -> Self {
        let state = tool.state().as_str().to_owned();
        let (pending, pending_hash) = match tool.pending {
            Some(pending) => (
                Some(pending.definition.json),
                Some(pending.hash.to_string()),
            ),
            None => (None, None),
        };
        let found = pending
            .as_ref()
            .map(|pending| differences(&tool.approved.json, pending));
        Self {
            name: tool.approved.name,
            state,
            hash: tool.hash.to_string(),
            pending_hash,
            approved: tool.approved.json,
            pending,
            diff_complete: found.as_ref().is_none_or(|found| found.complete),
            diff: found
                .map(|found| found.items.into_iter().map(DifferenceView::from).collect())
                .unwrap_or_default(),
        }
    }
}

impl Operations {
    /// How the tool's definition differs from the approved one; nothing when it does not.
    pub async fn get_tool_changes(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        tool: &str,
    ) -> Result<ToolChangesView, Error> {
        let (_, connector) = self
            .connector_for(caller, tenant, connector, Action::ReadTenant)
            .await?;
        self.known_tool(&connector, tool).await.map(Into::into)
    }

    /// Approves the definition that the tool has now; with `hash`, only if it is that one. One
    /// that is approved already stays so.
    ///
    /// # Errors
    /// `DefinitionChanged` when the definition is another than `hash`.
    pub async fn approve_tool(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        tool: &str,
        hash: Option<&str>,
    ) -> Result<ToolView, Error> {
        let (tenant, connector) = self
            .connector_for(caller, tenant, connector, Action::ManageTenant)
            .await?;
        let expected = hash.map(str::parse::<ToolHash>).transpose();
        let expected = expected.map_err(|rule| Error::invalid("hash", rule.to_string()))?;
        let (this, at, name) = (self.clone(), connector.clone(), tool.to_owned());
        self.uninterrupted(async move {
            let rows = this.storage().tenant(tenant.id);
            match rows.approve_tool(at.id, &name, expected).await {
                Ok(revision) => {
                    if let Some(revision) = revision {
                        this.tenant_changed(&tenant, revision);
                    }
                    Ok(())
                }
                Err(StorageError::NotFound) => Err(Error::NotFound(Resource::Connector)),
                Err(StorageError::UnknownTools(_)) => Err(Error::NotFound(Resource::Tool)),
                Err(StorageError::VersionMismatch) => Err(Error::DefinitionChanged),
                Err(error) => Err(Error::storage("approve a tool")(error)),
            }
        })
        .await?;
        self.tool_view(&connector, tool).await
    }

    /// Approves the definitions that all tools of the connector have now; answers with those that
    /// were not approved before.
    pub async fn approve_all_tools(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
    ) -> Result<Vec<ToolView>, Error> {
        let (tenant, connector) = self
            .connector_for(caller, tenant, connector, Action::ManageTenant)
            .await?;
        let (this, id) = (self.clone(), connector.id);
        let approved = self
            .uninterrupted(async move {
                let rows = this.storage().tenant(tenant.id);
                let (revision, names) = match rows.approve_all_tools(id).await {
                    Ok(done) => done,
                    Err(StorageError::NotFound) => {
                        return Err(Error::NotFound(Resource::Connector));
                    }
                    Err(error) => return Err(Error::storage("approve tools")(error)),
                };
                if let Some(revision) = revision {
                    this.tenant_changed(&tenant, revision);
                }
                Ok(names)
            })
            .await?;
        let mut all = self.all_tools(&connector).await?;
        all.retain(|tool| approved.contains(&tool.name));
        Ok(all)
    }
}
