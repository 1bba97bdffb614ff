//! The tools of a tenant's connectors: what their upstreams said last, and what the tenant
//! switched off.

use std::collections::HashMap;

use domain::{ConnectorId, KnownTool, PendingDefinition, Tool, ToolDefinition, ToolHash};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::changes::{self, Kind};
use crate::row::{corrupt, digest};
use crate::tx::{Tx, execute, fetch_all, fetch_optional};
use crate::{StorageError, TenantStorage};

const LIST_TOOLS: &str = "
    SELECT name, definition, hash, pending, held, enabled
    FROM tools
    WHERE tenant_id = $1 AND connector_id = $2 AND name > $3 AND gone_at IS NULL
    ORDER BY name
    LIMIT $4";
pub(crate) const FIND_TOOL: &str = "
    SELECT name, definition, hash, pending, held, enabled
    FROM tools
    WHERE tenant_id = $1 AND connector_id = $2 AND name = $3 AND gone_at IS NULL";
const LIST_TENANT_TOOLS: &str = "
    SELECT connector_id, name, definition, hash, pending, held, enabled
    FROM tools
    WHERE tenant_id = $1 AND gone_at IS NULL
    ORDER BY connector_id, position, name";
const SWITCH_TOOL: &str = "
    UPDATE tools SET enabled = $4
    WHERE tenant_id = $1 AND connector_id = $2 AND name = $3 AND gone_at IS NULL";
const SWITCH_ALL_TOOLS: &str = "
    UPDATE tools SET enabled = $3
    WHERE tenant_id = $1 AND connector_id = $2 AND gone_at IS NULL";

#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) definition: String,
    /// Of `definition`; none in rows that were written before there were hashes.
    pub(crate) hash: Option<Vec<u8>>,
    pub(crate) pending: Option<String>,
    held: bool,
    enabled: bool,
}

#[derive(sqlx::FromRow)]
struct ConnectorRow {
    connector_id: Uuid,
    #[sqlx(flatten)]
    tool: Row,
}

impl TryFrom<Row> for KnownTool {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let name = row.name;
        let read = |json: String| {
            let json =
                RawValue::from_string(json).map_err(|_| corrupt("tool definition", &name))?;
            let name = name.clone();
            Ok::<_, StorageError>(ToolDefinition { name, json })
        };
        let approved = read(row.definition)?;
        let hash = match row.hash {
            Some(stored) => ToolHash::from_bytes(digest("hash of a tool", &stored)?),
            None => approved.hash(),
        };
        let pending = row.pending.map(read).transpose()?;
        Ok(Self {
            approved,
            hash,
            pending: pending.map(|definition| PendingDefinition {
                hash: definition.hash(),
                definition,
                held: row.held,
            }),
            enabled: row.enabled,
        })
    }
}

impl TenantStorage<'_> {
    /// A connector's tools in the byte order of their names, from the one after `after_name` on.
    /// Empty too when there is no such connector.
    pub async fn list_tools(
        &self,
        connector: ConnectorId,
        after_name: Option<&str>,
        limit: u32,
    ) -> Result<Vec<KnownTool>, StorageError> {
        let mut tx = self.read().await?;
        let rows: Vec<Row> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_TOOLS)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(after_name.unwrap_or_default())
                .bind(i64::from(limit))
        )?;
        rows.into_iter().map(KnownTool::try_from).collect()
    }

    pub async fn find_tool(
        &self,
        connector: ConnectorId,
        name: &str,
    ) -> Result<Option<KnownTool>, StorageError> {
        let mut tx = self.read().await?;
        let row: Option<Row> = fetch_optional!(
            &mut tx,
            sqlx::query_as(FIND_TOOL)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(name)
        )?;
        row.map(KnownTool::try_from).transpose()
    }

    /// Enables and disables tools, all of them or, when one is unknown, none.
    ///
    /// # Errors
    /// `NotFound` without such a connector; `UnknownTools` with each name that is none of its.
    pub async fn set_tools_enabled(
        &self,
        connector: ConnectorId,
        states: &[(String, bool)],
    ) -> Result<i64, StorageError> {
        let mut tx = self.write().await?;
        self.hold_connector(&mut tx, connector).await?;
        let mut unknown = Vec::new();
        for (name, enabled) in states {
            let touched = execute!(
                &mut tx,
                sqlx::query(SWITCH_TOOL)
                    .bind(self.tenant.as_uuid())
                    .bind(connector.as_uuid())
                    .bind(name.as_str())
                    .bind(*enabled)
            )?;
            if touched == 0 {
                unknown.push(name.clone());
            }
        }
        if !unknown.is_empty() {
            return Err(StorageError::UnknownTools(unknown));
        }
        self.tools_switched(tx).await
    }

    /// Enables or disables all tools that a connector has now.
    ///
    /// # Errors
    /// `NotFound` without such a connector.
    pub async fn set_all_tools_enabled(
        &self,
        connector: ConnectorId,
        enabled: bool,
    ) -> Result<i64, StorageError> {
        let mut tx = self.write().await?;
        self.hold_connector(&mut tx, connector).await?;
        execute!(
            &mut tx,
            sqlx::query(SWITCH_ALL_TOOLS)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(enabled)
        )?;
        self.tools_switched(tx).await
    }

    /// All tools of all connectors as they are served, by connector, each connector's in its
    /// upstream's own order.
    pub(crate) async fn tools_by_connector(
        &self,
        tx: &mut Tx,
    ) -> Result<HashMap<ConnectorId, Vec<Tool>>, StorageError> {
        let rows: Vec<ConnectorRow> = fetch_all!(
            tx,
            sqlx::query_as(LIST_TENANT_TOOLS).bind(self.tenant.as_uuid())
        )?;
        let mut tools: HashMap<ConnectorId, Vec<Tool>> = HashMap::new();
        for row in rows {
            let connector = ConnectorId::new(row.connector_id);
            tools
                .entry(connector)
                .or_default()
                .push(KnownTool::try_from(row.tool)?.into_served());
        }
        Ok(tools)
    }

    async fn tools_switched(&self, mut tx: Tx) -> Result<i64, StorageError> {
        let revision = changes::record(&mut tx, Some(self.tenant), Kind::ToolsSwitched).await?;
        tx.commit().await?;
        Ok(revision)
    }
}
