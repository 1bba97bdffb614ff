//! What a reading of an upstream brought, put in the place of what was known.

use std::collections::{BTreeMap, HashMap};

use domain::limits::{CHANGED_NAMES_MAX, GONE_TOOLS_PER_CONNECTOR, TOOLS_PER_CONNECTOR};
use domain::{
    ChangedTools, ConnectorId, KnownTool, OnChange, PendingDefinition, ToolDefinition, UpstreamInfo,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::changes::{self, Kind};
use crate::error::Constraint;
use crate::row::{micros, to_json, word};
use crate::tools::Row;
use crate::tx::{Tx, execute, fetch_all, fetch_optional};
use crate::{StorageError, TenantStorage};

const FIND_KNOWN: &str =
    "SELECT on_change, server_info FROM connectors WHERE tenant_id = $1 AND id = $2";
const FIND_READING: &str = "SELECT reading FROM connectors WHERE tenant_id = $1 AND id = $2";
/// Gone ones too.
const LIST_REMEMBERED: &str = "
    SELECT name, definition, hash, pending, held, enabled, gone_at, position
    FROM tools
    WHERE tenant_id = $1 AND connector_id = $2";
/// A tool that is known, gone or not, keeps whether it is enabled.
const SAVE_TOOL: &str = "
    INSERT INTO tools
        (tenant_id, connector_id, name, definition, hash, pending, held, position, enabled)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, TRUE)
    ON CONFLICT (tenant_id, connector_id, name) DO UPDATE SET
        definition = excluded.definition,
        hash = excluded.hash,
        pending = excluded.pending,
        held = excluded.held,
        position = excluded.position,
        gone_at = NULL";
const MOVE_TOOL: &str = "
    UPDATE tools SET position = $4
    WHERE tenant_id = $1 AND connector_id = $2 AND name = $3";
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

/// A reading that has begun.
pub struct Reading<'a> {
    rows: TenantStorage<'a>,
    connector: ConnectorId,
    reading: Uuid,
}

impl Reading<'_> {
    /// As [`TenantStorage::replace_tools`].
    ///
    /// # Errors
    /// `VersionMismatch` when another reading has begun since.
    pub async fn succeeded(
        &self,
        definitions: &[ToolDefinition],
        server: Option<&UpstreamInfo>,
        at: OffsetDateTime,
    ) -> Result<Replaced, StorageError> {
        let (rows, reading) = (self.rows, Some(self.reading));
        rows.replace(self.connector, definitions, server, at, reading)
            .await
    }

    /// As [`TenantStorage::sync_failed`].
    ///
    /// # Errors
    /// As [`Self::succeeded`].
    pub async fn failed(&self, error: &str, at: OffsetDateTime) -> Result<i64, StorageError> {
        let reading = Some(self.reading);
        self.rows
            .fail_sync(self.connector, error, at, reading)
            .await
    }
}

/// What a reading did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// The number of the change; none when nothing is served otherwise than before.
    pub revision: Option<i64>,
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
    position: i64,
}

/// What a connector was before a reading.
struct Known {
    on_change: OnChange,
    /// What its upstream said of itself, as stored.
    server: Option<String>,
}

impl<'a> TenantStorage<'a> {
    /// Puts what a reading found in the place of what was known.
    ///
    /// A tool that is new is approved as it is. One that is known keeps whether it is enabled, and
    /// one whose definition is not the approved one becomes what the connector's `on_change` says.
    /// Those that are gone are listed no more, but what was approved of them is remembered, should
    /// they come back. Of two with one name the first counts. Where each stands in the list is
    /// remembered too, and is no part of what is approved.
    ///
    /// A reading that finds what is known is noted with its time, and is no change.
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
        self.replace(connector, definitions, server, at, None).await
    }

    /// Begins a reading, here or at another process: what those bring that began before does not
    /// count any more. `reading` is new for each.
    ///
    /// # Errors
    /// `NotFound` without such a connector.
    pub async fn begin_reading(
        &self,
        connector: ConnectorId,
        reading: Uuid,
    ) -> Result<Reading<'a>, StorageError> {
        self.start_sync(connector, Some(reading)).await?;
        Ok(Reading {
            rows: *self,
            connector,
            reading,
        })
    }

    async fn replace(
        &self,
        connector: ConnectorId,
        definitions: &[ToolDefinition],
        server: Option<&UpstreamInfo>,
        at: OffsetDateTime,
        reading: Option<Uuid>,
    ) -> Result<Replaced, StorageError> {
        let mut wanted = BTreeMap::new();
        for (position, definition) in (0_i64..).zip(definitions) {
            let name = definition.name.as_str();
            wanted.entry(name).or_insert((position, definition));
        }
        if wanted.len() > TOOLS_PER_CONNECTOR {
            return Err(StorageError::Conflict(Constraint::LimitReached));
        }
        let mut tx = self.write().await?;
        match reading {
            Some(reading) => self.hold_reading(&mut tx, connector, reading).await?,
            None => self.hold_connector(&mut tx, connector).await.map(drop)?,
        }
        let known = self.known(&mut tx, connector).await?;
        let server = server.map(to_json);
        let (mut replaced, differs) = self
            .write_differences(&mut tx, connector, &wanted, known.on_change, at)
            .await?;
        execute!(
            &mut tx,
            sqlx::query(SYNC_SUCCEEDED)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(micros(at))
                .bind(i64::try_from(wanted.len()).unwrap_or(i64::MAX))
                .bind(server.as_deref())
        )?;
        if differs || known.server != server {
            self.note_changed(&mut tx, connector).await?;
            let revision = changes::record(&mut tx, Some(self.tenant), Kind::ToolsReplaced).await?;
            replaced.revision = Some(revision);
        }
        tx.commit().await?;
        Ok(replaced)
    }

    /// Takes the connector's row, if no other reading has begun since.
    pub(crate) async fn hold_reading(
        &self,
        tx: &mut Tx,
        connector: ConnectorId,
        reading: Uuid,
    ) -> Result<(), StorageError> {
        self.hold_connector(tx, connector).await?;
        let row: Option<(Option<Uuid>,)> = fetch_optional!(
            tx,
            sqlx::query_as(FIND_READING)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
        )?;
        match row {
            Some((Some(latest),)) if latest == reading => Ok(()),
            Some(_) => Err(StorageError::VersionMismatch),
            None => Err(StorageError::NotFound),
        }
    }

    /// Writes only what differs, and says whether anything does: most readings find what is known
    /// already.
    async fn write_differences(
        &self,
        tx: &mut Tx,
        connector: ConnectorId,
        wanted: &BTreeMap<&str, (i64, &ToolDefinition)>,
        on_change: OnChange,
        at: OffsetDateTime,
    ) -> Result<(Replaced, bool), StorageError> {
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

        let (mut replaced, mut differs) = (Replaced::default(), false);
        for (name, (position, definition)) in wanted {
            let before = known.remove(*name);
            if before.as_ref().is_some_and(|row| row.is(definition)) {
                if before.is_some_and(|row| row.position != *position) {
                    self.move_tool(tx, connector, name, *position).await?;
                    differs = true;
                }
                continue;
            }
            let stands = before.as_ref().is_some_and(|row| row.stands_at(*position));
            let before: Option<KnownTool> = before.map(|row| row.tool.try_into()).transpose()?;
            let after = judged(before.as_ref(), definition, on_change);
            // One that waits for approval as it did is no news.
            if stands && before.as_ref() == Some(&after) {
                continue;
            }
            differs = true;
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
            self.save_tool(tx, connector, &after, *position).await?;
        }
        let gone = known.into_values().filter(|row| row.gone_at.is_none());
        for row in gone {
            differs = true;
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
        Ok((replaced, differs))
    }

    async fn known(&self, tx: &mut Tx, connector: ConnectorId) -> Result<Known, StorageError> {
        let row: Option<(String, Option<String>)> = fetch_optional!(
            tx,
            sqlx::query_as(FIND_KNOWN)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
        )?;
        let (on_change, server) = row.ok_or(StorageError::NotFound)?;
        Ok(Known {
            on_change: word("rule for changes", &on_change)?,
            server,
        })
    }

    async fn move_tool(
        &self,
        tx: &mut Tx,
        connector: ConnectorId,
        name: &str,
        position: i64,
    ) -> Result<(), StorageError> {
        execute!(
            tx,
            sqlx::query(MOVE_TOOL)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(name)
                .bind(position)
        )?;
        Ok(())
    }

    async fn save_tool(
        &self,
        tx: &mut Tx,
        connector: ConnectorId,
        tool: &KnownTool,
        position: i64,
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
                .bind(position)
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
    /// Whether the tool is listed at that place, and all is stored that there is to say of it.
    fn stands_at(&self, position: i64) -> bool {
        self.gone_at.is_none() && self.position == position && self.tool.hash.is_some()
    }

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
