//! Approvals of tool definitions that changed.

use domain::{ConnectorId, KnownTool, PendingDefinition, ToolHash};

use crate::changes::{self, Kind};
use crate::tools::{FIND_TOOL, Row};
use crate::tx::{Tx, execute, fetch_all, fetch_optional};
use crate::{StorageError, TenantStorage};

const LIST_PENDING: &str = "
    SELECT name, definition, hash, pending, held, enabled
    FROM tools
    WHERE tenant_id = $1 AND connector_id = $2 AND pending IS NOT NULL AND gone_at IS NULL
    ORDER BY name";
const APPROVE: &str = "
    UPDATE tools SET definition = pending, hash = $4, pending = NULL, held = FALSE
    WHERE tenant_id = $1 AND connector_id = $2 AND name = $3 AND pending IS NOT NULL";

impl TenantStorage<'_> {
    /// Approves the definition that a tool has now. With `expected`, only if it is that one.
    /// Returns the number of the change; none when it was approved already.
    ///
    /// # Errors
    /// `NotFound` without such a connector, `UnknownTools` without such a tool; `VersionMismatch`
    /// when its definition is another than `expected`.
    pub async fn approve_tool(
        &self,
        connector: ConnectorId,
        name: &str,
        expected: Option<ToolHash>,
    ) -> Result<Option<i64>, StorageError> {
        let mut tx = self.write().await?;
        self.hold_connector(&mut tx, connector).await?;
        let row: Option<Row> = fetch_optional!(
            &mut tx,
            sqlx::query_as(FIND_TOOL)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(name)
        )?;
        let row = row.ok_or_else(|| StorageError::UnknownTools(vec![name.to_owned()]))?;
        let tool = KnownTool::try_from(row)?;
        let current = tool.pending.as_ref().map_or(tool.hash, |now| now.hash);
        if expected.is_some_and(|expected| expected != current) {
            return Err(StorageError::VersionMismatch);
        }
        let Some(pending) = tool.pending else {
            return Ok(None);
        };
        self.approve(&mut tx, connector, &pending).await?;
        self.approved(tx, connector).await.map(Some)
    }

    /// Approves the definitions that all tools of a connector have now. Returns the number of the
    /// change, none when there was nothing to approve, and the names of those that were approved.
    ///
    /// # Errors
    /// `NotFound` without such a connector.
    pub async fn approve_all_tools(
        &self,
        connector: ConnectorId,
    ) -> Result<(Option<i64>, Vec<String>), StorageError> {
        let mut tx = self.write().await?;
        self.hold_connector(&mut tx, connector).await?;
        let rows: Vec<Row> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_PENDING)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
        )?;
        let mut names = Vec::with_capacity(rows.len());
        for row in rows {
            let tool = KnownTool::try_from(row)?;
            if let Some(pending) = tool.pending {
                self.approve(&mut tx, connector, &pending).await?;
                names.push(pending.definition.name);
            }
        }
        if names.is_empty() {
            return Ok((None, names));
        }
        let revision = self.approved(tx, connector).await?;
        Ok((Some(revision), names))
    }

    async fn approve(
        &self,
        tx: &mut Tx,
        connector: ConnectorId,
        pending: &PendingDefinition,
    ) -> Result<(), StorageError> {
        execute!(
            tx,
            sqlx::query(APPROVE)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(pending.definition.name.as_str())
                .bind(pending.hash.as_bytes().as_slice())
        )?;
        Ok(())
    }

    async fn approved(&self, mut tx: Tx, connector: ConnectorId) -> Result<i64, StorageError> {
        self.note_changed(&mut tx, connector).await?;
        let revision = changes::record(&mut tx, Some(self.tenant), Kind::ToolsApproved).await?;
        tx.commit().await?;
        Ok(revision)
    }
}
