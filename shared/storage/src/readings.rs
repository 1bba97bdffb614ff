//! What a reading of an upstream brought, put in the place of what was known.

use std::collections::{BTreeMap, HashMap};

use domain::limits::{CHANGED_NAMES_MAX, GONE_TOOLS_PER_CONNECTOR, TOOLS_PER_CONNECTOR};
use domain::{
    ChangedTools, ConnectorId, KnownTool, OnChange, PendingDefinition, ToolDefinition, UpstreamInfo,
};
use time::OffsetDateTime;

use crate::changes::{self, Kind};
use crate::error::Constraint;
use crate::row::{micros, to_json, word};
use crate::tools::Row;
use crate::tx::{Tx, execute, fetch_all, fetch_optional};
use crate::{StorageError, TenantStorage};

const FIND_ON_CHANGE: &str = "SELECT on_change FROM connectors WHERE tenant_id = $1 AND id = $2";
/// Gone ones too.
const LIST_REMEMBERED: &str = "
    SELECT name, definition, hash, pending, held, enabled, gone_at
    FROM tools
    WHERE tenant_id = $1 AND connector_id = $2";
/// A tool that is known, gone or not, keeps whether it is enabled.
const SAVE_TOOL: &str = "
    INSERT INTO tools (tenant_id, connector_id, name, definition, hash, pending, held, enabled)
    VALUES ($1, $2, $3, $4, $5, $6, $7, TRUE)
    ON CONFLICT (tenant_id, connector_id, name) DO UPDATE SET
        definition = excluded.definition,
        hash = excluded.hash,
        pending = excluded.pending,
        held = excluded.held,
        gone_at = NULL";
const TOOL_IS_GONE: &str = "
    UPDATE tools SET gone_at = $4, pending = NULL, held = FALSE
    WHERE tenant_id = $1 AND connector_id = $2 AND name = $3";
const FORGET_OLDEST: &str = "
    DELETE FROM tools
    WHERE tenant_id = $1 AND connector_id = $2 AND gone_at IS NOT NULL AND name NOT IN (
        SELECT name FROM tools
        WHERE tenant_id = $1 AND connector_id = $2 AND gone_at IS NOT NULL
        ORDER BY gone_at DESC, name
        LIMIT $3)";
const SYNC_SUCCEEDED: &str = "
    UPDATE connectors
    SET sync_state = 'ok', sync_error = NULL, sync_at = $3, sync_tools = $4, server_info = $5
    WHERE tenant_id = $1 AND id = $2";
const LIST_CHANGED: &str = "
    SELECT name FROM tools
    WHERE tenant_id = $1 AND connector_id = $2 AND pending IS NOT NULL AND gone_at IS NULL
    ORDER BY name";
const NOTE_CHANGED: &str =
    "UPDATE connectors SET sync_changed = $3 WHERE tenant_id = $1 AND id = $2";

/// What a reading did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// The number of the change.
    pub revision: i64,
    /// Tools that are served with a definition nobody has approved, newly so, by name.
    pub changed: Vec<String>,
    /// Tools that are held back, newly so, by name.
    pub held: Vec<String>,
}

/// A row of a tool that is listed, or was once.
#[derive(sqlx::FromRow)]
struct Remembered {
    #[sqlx(flatten)]
    tool: Row,
    gone_at: Option<i64>,
}

impl TenantStorage<'_> {
    /// Puts what a reading found in the place of what was known.
    ///
    /// A tool that is new is approved as it is. One that is known keeps whether it is enabled, and
    /// one whose definition is not the approved one becomes what the connector's `on_change` says.
    /// Those that are gone are listed no more, but what was approved of them is remembered, should
    /// they come back. Of two with one name the first counts.
    ///
    /// # Errors
    /// `NotFound` without such a connector; `Conflict` with `LimitReached` for more tools than a
    /// connector may have.
    pub async fn replace_tools(
        &self,
        connector: ConnectorId,
        definitions: &[ToolDefinition],
        server: Option<&UpstreamInfo>,
        at: OffsetDateTime,
    ) -> Result<Replaced, StorageError> {
        let mut wanted = BTreeMap::new();
        for definition in definitions {
            wanted.entry(definition.name.as_str()).or_insert(definition);
        }
        if wanted.len() > TOOLS_PER_CONNECTOR {
            return Err(StorageError::Conflict(Constraint::LimitReached));
        }
        let mut tx = self.write().await?;
        self.hold_connector(&mut tx, connector).await?;
        let mut replaced = self
            .write_differences(&mut tx, connector, &wanted, at)
            .await?;
        execute!(
            &mut tx,
            sqlx::query(SYNC_SUCCEEDED)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(micros(at))
                .bind(i64::try_from(wanted.len()).unwrap_or(i64::MAX))
                .bind(server.map(to_json))
        )?;
        self.note_changed(&mut tx, connector).await?;
        replaced.revision =
            changes::record(&mut tx, Some(self.tenant), Kind::ToolsReplaced).await?;
        tx.commit().await?;
        Ok(replaced)
    }

    /// Writes only what differs: most readings find what is known already.
    async fn write_differences(
        &self,
        tx: &mut Tx,
        connector: ConnectorId,
        wanted: &BTreeMap<&str, &ToolDefinition>,
        at: OffsetDateTime,
    ) -> Result<Replaced, StorageError> {
        let on_change = self.on_change(tx, connector).await?;
        let rows: Vec<Remembered> = fetch_all!(
            &mut *tx,
            sqlx::query_as(LIST_REMEMBERED)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
        )?;
        let mut known: HashMap<String, Remembered> = rows
            .into_iter()
            .map(|row| (row.tool.name.clone(), row))
            .collect();

        let mut replaced = Replaced::default();
        for (name, definition) in wanted {
            let before = known.remove(*name);
            if before.as_ref().is_some_and(|row| row.is(definition)) {
                continue;
            }
            let before = before.map(|row| row.tool.try_into()).transpose()?;
            let after = judged(before.as_ref(), definition, on_change);
            if let Some(pending) = &after.pending
                && before.and_then(|tool| tool.pending).as_ref() != Some(pending)
            {
                let told = if pending.held {
                    &mut replaced.held
                } else {
                    &mut replaced.changed
                };
                told.push((*name).to_owned());
            }
            self.save_tool(tx, connector, &after).await?;
        }
        let gone = known.into_values().filter(|row| row.gone_at.is_none());
        for row in gone {
            execute!(
                &mut *tx,
                sqlx::query(TOOL_IS_GONE)
                    .bind(self.tenant.as_uuid())
                    .bind(connector.as_uuid())
                    .bind(row.tool.name.as_str())
                    .bind(micros(at))
            )?;
        }
        execute!(
            &mut *tx,
            sqlx::query(FORGET_OLDEST)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(i64::try_from(GONE_TOOLS_PER_CONNECTOR).unwrap_or(i64::MAX))
        )?;
        Ok(replaced)
    }

    async fn on_change(
        &self,
        tx: &mut Tx,
        connector: ConnectorId,
    ) -> Result<OnChange, StorageError> {
        let row: Option<(String,)> = fetch_optional!(
            tx,
            sqlx::query_as(FIND_ON_CHANGE)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
        )?;
        word("rule for changes", &row.ok_or(StorageError::NotFound)?.0)
    }

    async fn save_tool(
        &self,
        tx: &mut Tx,
        connector: ConnectorId,
        tool: &KnownTool,
    ) -> Result<(), StorageError> {
        let pending = tool.pending.as_ref();
        execute!(
            tx,
            sqlx::query(SAVE_TOOL)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(tool.name())
                .bind(tool.approved.json.get())
                .bind(tool.hash.as_bytes().as_slice())
                .bind(pending.map(|pending| pending.definition.json.get()))
                .bind(pending.is_some_and(|pending| pending.held))
        )?;
        Ok(())
    }

    /// Has the connector say which of its tools wait for approval.
    pub(crate) async fn note_changed(
        &self,
        tx: &mut Tx,
        connector: ConnectorId,
    ) -> Result<(), StorageError> {
        let names: Vec<(String,)> = fetch_all!(
            &mut *tx,
            sqlx::query_as(LIST_CHANGED)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
        )?;
        let changed = ChangedTools {
            count: u32::try_from(names.len()).unwrap_or(u32::MAX),
            names: names
                .into_iter()
                .take(CHANGED_NAMES_MAX)
                .map(|(name,)| name)
                .collect(),
        };
        execute!(
            &mut *tx,
            sqlx::query(NOTE_CHANGED)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(to_json(&changed))
        )?;
        Ok(())
    }
}

impl Remembered {
    /// Whether the row says all there is to say of this definition already.
    fn is(&self, definition: &ToolDefinition) -> bool {
        let tool = &self.tool;
        self.gone_at.is_none()
            && tool.hash.is_some()
            && tool.pending.is_none()
            && tool.definition == definition.json.get()
    }
}

/// What a definition makes of a tool.
fn judged(
    before: Option<&KnownTool>,
    definition: &ToolDefinition,
    on_change: OnChange,
) -> KnownTool {
    let hash = definition.hash();
    let approved = KnownTool {
        approved: definition.clone(),
        hash,
        pending: None,
        enabled: before.is_none_or(|tool| tool.enabled),
    };
    let held = match on_change {
        OnChange::Accept => return approved,
        OnChange::Warn => false,
        OnChange::Hold => true,
    };
    match before {
        Some(before) if before.hash != hash => KnownTool {
            pending: Some(PendingDefinition {
                definition: definition.clone(),
                hash,
                held,
            }),
            ..before.clone()
        },
        _ => approved,
    }
}
