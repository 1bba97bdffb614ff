//! A connector's tools: list, read, enable, disable.

use std::collections::HashSet;

use domain::{Action, Connector, KnownTool, Principal, Tenant};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use storage::StorageError;
use utoipa::ToSchema;

use crate::connectors::exposed_name;
use crate::error::{Error, Resource};
use crate::operations::Operations;
use crate::page::{Page, PageRequest};

pub(crate) mod api;
mod approval;

pub use approval::{DifferenceView, ToolChangesView};

/// A tool, as its upstream describes it and its tenant decided about it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ToolView {
    /// The upstream's own name, unique in the connector.
    pub name: String,
    /// What it is called in the tenant's aggregate endpoint.
    pub exposed_name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    /// Neither listed nor callable when false.
    pub enabled: bool,
    /// `approved`: its definition is the one that was approved. `changed`: it is served with
    /// another. `held`: it is neither listed nor callable until another is approved.
    #[schema(schema_with = states)]
    pub state: String,
    /// Identity of the approved definition: SHA-256 of its canonical JSON, in hexadecimal.
    pub hash: String,
    /// That of the definition which waits for approval; null when there is none.
    pub pending_hash: Option<String>,
    /// MCP tool annotations, as they came.
    #[schema(value_type = Option<Object>)]
    pub annotations: Option<Box<RawValue>>,
    /// JSON Schema of the arguments, as it came.
    #[schema(value_type = Option<Object>)]
    pub input_schema: Option<Box<RawValue>>,
    /// JSON Schema of the structured result, as it came.
    #[schema(value_type = Option<Object>)]
    pub output_schema: Option<Box<RawValue>>,
}

/// What a tool is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolChange {
    /// The upstream's own name.
    pub name: String,
    pub enabled: bool,
}

/// The members of a definition that are shown by themselves. A member of another type than the
/// protocol says is shown as absent, so each is read as it is.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Definition {
    title: Option<serde_json::Value>,
    description: Option<serde_json::Value>,
    annotations: Option<Box<RawValue>>,
    #[serde(rename = "inputSchema")]
    input_schema: Option<Box<RawValue>>,
    #[serde(rename = "outputSchema")]
    output_schema: Option<Box<RawValue>>,
}

fn states() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&["approved", "changed", "held"])
}

impl ToolView {
    /// Shows the definition that is in force.
    fn new(connector: &Connector, tool: KnownTool) -> Self {
        let definition: Definition =
            serde_json::from_str(tool.definition().json.get()).unwrap_or_default();
        let text = |value: Option<serde_json::Value>| match value {
            Some(serde_json::Value::String(text)) => Some(text),
            _ => None,
        };
        Self {
            exposed_name: exposed_name(&connector.prefix, tool.name()),
            state: tool.state().as_str().to_owned(),
            hash: tool.hash.to_string(),
            pending_hash: tool.pending.map(|pending| pending.hash.to_string()),
            name: tool.approved.name,
            title: text(definition.title),
            description: text(definition.description),
            enabled: tool.enabled,
            annotations: definition.annotations,
            input_schema: definition.input_schema,
            output_schema: definition.output_schema,
        }
    }
}

impl Operations {
    /// The connector's tools, by name.
    pub async fn list_tools(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        request: &PageRequest,
    ) -> Result<Page<ToolView>, Error> {
        let (tenant, connector) = self
            .connector_for(caller, tenant, connector, Action::ReadTenant)
            .await?;
        let list = format!("tools/{}", connector.id);
        let after = request.after(&list)?;
        let rows = self.storage().tenant(tenant.id);
        let tools = rows
            .list_tools(connector.id, after.as_deref(), request.limit()?)
            .await;
        let tools = tools.map_err(Error::storage("list tools"))?;
        let page = request.page(&list, tools, |tool| tool.name().to_owned())?;
        Ok(page.map(|tool| ToolView::new(&connector, tool)))
    }

    pub async fn get_tool(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        tool: &str,
    ) -> Result<ToolView, Error> {
        let (_, connector) = self
            .connector_for(caller, tenant, connector, Action::ReadTenant)
            .await?;
        self.tool_view(&connector, tool).await
    }

    /// Enables or disables one tool.
    pub async fn set_tool_enabled(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        tool: &str,
        enabled: bool,
    ) -> Result<ToolView, Error> {
        let (tenant, connector) = self
            .connector_for(caller, tenant, connector, Action::ManageTenant)
            .await?;
        let change = ToolChange {
            name: tool.to_owned(),
            enabled,
        };
        match self
            .switch(tenant, connector.clone(), Switch::Some(vec![change]))
            .await
        {
            Err(Error::UnknownTools(_)) => Err(Error::NotFound(Resource::Tool)),
            Err(error) => Err(error),
            Ok(()) => self.tool_view(&connector, tool).await,
        }
    }

    /// Enables and disables many tools: all of them or, when one is unknown, none. Answers with
    /// those that were named.
    pub async fn set_tools_enabled(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        changes: Vec<ToolChange>,
    ) -> Result<Vec<ToolView>, Error> {
        let (tenant, connector) = self
            .connector_for(caller, tenant, connector, Action::ManageTenant)
            .await?;
        let most = domain::limits::TOOLS_PER_CONNECTOR;
        if changes.is_empty() || changes.len() > most {
            return Err(Error::invalid(
                "updates",
                format!("must have 1 to {most} entries"),
            ));
        }
        let names: HashSet<String> = changes.iter().map(|change| change.name.clone()).collect();
        if names.len() < changes.len() {
            return Err(Error::invalid("updates", "may name each tool once only"));
        }
        self.switch(tenant, connector.clone(), Switch::Some(changes))
            .await?;
        let mut all = self.all_tools(&connector).await?;
        all.retain(|tool| names.contains(&tool.name));
        Ok(all)
    }

    /// Enables or disables all tools that the connector has now; answers with all of them.
    pub async fn set_all_tools_enabled(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        enabled: bool,
    ) -> Result<Vec<ToolView>, Error> {
        let (tenant, connector) = self
            .connector_for(caller, tenant, connector, Action::ManageTenant)
            .await?;
        self.switch(tenant, connector.clone(), Switch::All(enabled))
            .await?;
        self.all_tools(&connector).await
    }

    async fn switch(
        &self,
        tenant: Tenant,
        connector: Connector,
        switch: Switch,
    ) -> Result<(), Error> {
        let this = self.clone();
        self.uninterrupted(async move {
            let rows = this.storage().tenant(tenant.id);
            let revision = match switch {
                Switch::All(enabled) => rows.set_all_tools_enabled(connector.id, enabled).await,
                Switch::Some(changes) => {
                    let changes: Vec<(String, bool)> = changes
                        .into_iter()
                        .map(|change| (change.name, change.enabled))
                        .collect();
                    rows.set_tools_enabled(connector.id, &changes).await
                }
            };
            let revision = match revision {
                Ok(revision) => revision,
                Err(StorageError::NotFound) => return Err(Error::NotFound(Resource::Connector)),
                Err(error) => return Err(Error::storage("switch tools")(error)),
            };
            this.tenant_changed(&tenant, revision);
            Ok(())
        })
        .await
    }

    async fn tool_view(&self, connector: &Connector, name: &str) -> Result<ToolView, Error> {
        let tool = self.known_tool(connector, name).await?;
        Ok(ToolView::new(connector, tool))
    }

    async fn known_tool(&self, connector: &Connector, name: &str) -> Result<KnownTool, Error> {
        let found = self
            .storage()
            .tenant(connector.tenant)
            .find_tool(connector.id, name)
            .await;
        let tool = found.map_err(Error::storage("find a tool"))?;
        tool.ok_or(Error::NotFound(Resource::Tool))
    }

    async fn all_tools(&self, connector: &Connector) -> Result<Vec<ToolView>, Error> {
        let tools = self.stored_tools(connector).await?;
        Ok(tools
            .into_iter()
            .map(|tool| ToolView::new(connector, tool))
            .collect())
    }

    /// All of the connector's tools that are known, by name.
    pub(crate) async fn stored_tools(
        &self,
        connector: &Connector,
    ) -> Result<Vec<KnownTool>, Error> {
        let all = u32::try_from(domain::limits::TOOLS_PER_CONNECTOR).unwrap_or(u32::MAX);
        let rows = self.storage().tenant(connector.tenant);
        rows.list_tools(connector.id, None, all)
            .await
            .map_err(Error::storage("list tools"))
    }
}

/// Which tools are to be what.
enum Switch {
    All(bool),
    Some(Vec<ToolChange>),
}
