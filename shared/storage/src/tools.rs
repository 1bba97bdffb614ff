//! The tools of a tenant's connectors: what their upstreams said last, and what the tenant
//! switched off.

use std::collections::{BTreeMap, HashMap};

use domain::limits::TOOLS_PER_CONNECTOR;
use domain::{ConnectorId, Tool, ToolDefinition};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::changes::{self, Kind};
use crate::error::Constraint;
use crate::row::{corrupt, micros};
use crate::tx::{Tx, execute, fetch_all, fetch_optional};
use crate::{StorageError, TenantStorage};

const LIST_TOOLS: &str = "
    SELECT name, definition, enabled
    FROM tools
    WHERE tenant_id = $1 AND connector_id = $2 AND name > $3
    ORDER BY name
    LIMIT $4";
const FIND_TOOL: &str = "
    SELECT name, definition, enabled
    FROM tools
    WHERE tenant_id = $1 AND connector_id = $2 AND name = $3";
const LIST_TENANT_TOOLS: &str = "
    SELECT connector_id, name, definition, enabled
    FROM tools
    WHERE tenant_id = $1
    ORDER BY connector_id, name";
const LIST_DEFINITIONS: &str = "
    SELECT name, definition FROM tools
    WHERE tenant_id = $1 AND connector_id = $2";
const DELETE_TOOL: &str =
    "DELETE FROM tools WHERE tenant_id = $1 AND connector_id = $2 AND name = $3";
/// A tool that is known keeps its state.
const SAVE_TOOL: &str = "
    INSERT INTO tools (tenant_id, connector_id, name, definition, enabled)
    VALUES ($1, $2, $3, $4, TRUE)
    ON CONFLICT (tenant_id, connector_id, name) DO UPDATE SET definition = excluded.definition";
const SYNC_SUCCEEDED: &str = "
    UPDATE connectors
    SET sync_state = 'ok', sync_error = NULL, sync_at = $3, sync_tools = $4
    WHERE tenant_id = $1 AND id = $2";
const SWITCH_TOOL: &str = "
    UPDATE tools SET enabled = $4
    WHERE tenant_id = $1 AND connector_id = $2 AND name = $3";
const SWITCH_ALL_TOOLS: &str =
    "UPDATE tools SET enabled = $3 WHERE tenant_id = $1 AND connector_id = $2";

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    definition: String,
    enabled: bool,
}

#[derive(sqlx::FromRow)]
struct ConnectorRow {
    connector_id: Uuid,
    #[sqlx(flatten)]
    tool: Row,
}

impl TryFrom<Row> for Tool {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let json = RawValue::from_string(row.definition)
            .map_err(|_| corrupt("tool definition", &row.name))?;
        Ok(Self {
            definition: ToolDefinition {
                name: row.name,
                json,
            },
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
    ) -> Result<Vec<Tool>, StorageError> {
        let mut tx = self.storage.read().await?;
        let rows: Vec<Row> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_TOOLS)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(after_name.unwrap_or_default())
                .bind(i64::from(limit))
        )?;
        rows.into_iter().map(Tool::try_from).collect()
    }

    pub async fn find_tool(
        &self,
        connector: ConnectorId,
        name: &str,
    ) -> Result<Option<Tool>, StorageError> {
        let mut tx = self.storage.read().await?;
        let row: Option<Row> = fetch_optional!(
            &mut tx,
            sqlx::query_as(FIND_TOOL)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(name)
        )?;
        row.map(Tool::try_from).transpose()
    }

    /// Puts what a reading found in the place of what was known: tools that are gone go, known
    /// ones keep whether they are enabled, new ones are. Of two with one name the first counts.
    ///
    /// # Errors
    /// `NotFound` without such a connector; `Conflict` with `LimitReached` for more tools than a
    /// connector may have.
    pub async fn replace_tools(
        &self,
        connector: ConnectorId,
        definitions: &[ToolDefinition],
        at: OffsetDateTime,
    ) -> Result<i64, StorageError> {
        let mut wanted = BTreeMap::new();
        for definition in definitions {
            wanted
                .entry(definition.name.as_str())
                .or_insert(definition.json.get());
        }
        if wanted.len() > TOOLS_PER_CONNECTOR {
            return Err(StorageError::Conflict(Constraint::LimitReached));
        }
        let mut tx = self.write().await?;
        self.hold_connector(&mut tx, connector).await?;
        self.write_differences(&mut tx, connector, &wanted).await?;
        execute!(
            &mut tx,
            sqlx::query(SYNC_SUCCEEDED)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(micros(at))
                .bind(i64::try_from(wanted.len()).unwrap_or(i64::MAX))
        )?;
        let revision = changes::record(&mut tx, Some(self.tenant), Kind::ToolsReplaced).await?;
        tx.commit().await?;
        Ok(revision)
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

    /// All tools of all connectors, by connector, each connector's in the order of their names.
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
                .push(row.tool.try_into()?);
        }
        Ok(tools)
    }

    async fn tools_switched(&self, mut tx: Tx) -> Result<i64, StorageError> {
        let revision = changes::record(&mut tx, Some(self.tenant), Kind::ToolsSwitched).await?;
        tx.commit().await?;
        Ok(revision)
    }

    /// Writes only what differs: most readings find what is known already.
    async fn write_differences(
        &self,
        tx: &mut Tx,
        connector: ConnectorId,
        wanted: &BTreeMap<&str, &str>,
    ) -> Result<(), StorageError> {
        let (tenant, connector) = (self.tenant.as_uuid(), connector.as_uuid());
        let known: Vec<(String, String)> = fetch_all!(
            &mut *tx,
            sqlx::query_as(LIST_DEFINITIONS)
                .bind(tenant)
                .bind(connector)
        )?;
        let known: HashMap<String, String> = known.into_iter().collect();

        for name in known
            .keys()
            .filter(|name| !wanted.contains_key(name.as_str()))
        {
            execute!(
                &mut *tx,
                sqlx::query(DELETE_TOOL)
                    .bind(tenant)
                    .bind(connector)
                    .bind(name.as_str())
            )?;
        }
        for (name, json) in wanted {
            if known.get(*name).is_some_and(|stored| stored == json) {
                continue;
            }
            execute!(
                &mut *tx,
                sqlx::query(SAVE_TOOL)
                    .bind(tenant)
                    .bind(connector)
                    .bind(*name)
                    .bind(*json)
            )?;
        }
        Ok(())
    }
}
