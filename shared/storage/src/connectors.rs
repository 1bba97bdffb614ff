//! A tenant's connectors and their sealed secrets.

use std::collections::HashMap;

use domain::limits::CONNECTORS_PER_TENANT;
use domain::{Connector, ConnectorId, ConnectorSecrets, SyncStatus, TenantId, UpstreamInfo};
use time::OffsetDateTime;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::changes::{self, Kind};
use crate::error::Constraint;
use crate::remembered::Remembered;
use crate::row::{corrupt, from_json, micros, number, optional_time, time, to_json, word};
use crate::sealed::CONNECTOR_SECRETS;
use crate::tx::{Tx, execute, fetch_all, fetch_one, fetch_optional};
use crate::{StorageError, TenantStorage};

const CREATE_CONNECTOR: &str = "
    INSERT INTO connectors (id, tenant_id, slug, display_name, kind, enabled, prefix, credential,
                            on_change, sync_state, sync_at, sync_error, sync_tools, created_at,
                            updated_at, version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, $14, $15)";
const COUNT_CONNECTORS: &str = "SELECT COUNT(*) FROM connectors WHERE tenant_id = $1";
const FIND_CONNECTOR: &str = "
    SELECT id, tenant_id, slug, display_name, kind, enabled, prefix, credential, on_change,
           sync_state, sync_at, sync_error, sync_tools, sync_changed, created_at, updated_at,
           version
    FROM connectors
    WHERE tenant_id = $1 AND slug = $2";
const FIND_CONNECTOR_BY_ID: &str = "
    SELECT id, tenant_id, slug, display_name, kind, enabled, prefix, credential, on_change,
           sync_state, sync_at, sync_error, sync_tools, sync_changed, created_at, updated_at,
           version
    FROM connectors
    WHERE tenant_id = $1 AND id = $2";
const LIST_CONNECTORS: &str = "
    SELECT id, tenant_id, slug, display_name, kind, enabled, prefix, credential, on_change,
           sync_state, sync_at, sync_error, sync_tools, sync_changed, created_at, updated_at,
           version
    FROM connectors
    WHERE tenant_id = $1 AND id > $2
    ORDER BY id
    LIMIT $3";
const LIST_CONNECTORS_BY_SLUG: &str = "
    SELECT id, tenant_id, slug, display_name, kind, enabled, prefix, credential, on_change,
           sync_state, sync_at, sync_error, sync_tools, sync_changed, created_at, updated_at,
           version
    FROM connectors
    WHERE tenant_id = $1
    ORDER BY slug";
const LIST_SERVERS: &str = "
    SELECT id, server_info FROM connectors
    WHERE tenant_id = $1 AND server_info IS NOT NULL";
const LIST_ACCOUNT_CHANGES: &str = "
    SELECT id, accounts FROM connectors
    WHERE tenant_id = $1 AND accounts > 0";
const SAVE_CONNECTOR: &str = "
    UPDATE connectors
    SET display_name = $4, kind = $5, enabled = $6, prefix = $7, on_change = $8,
        updated_at = $9, version = $10
    WHERE tenant_id = $1 AND id = $2 AND version = $3";
const SAVE_CREDENTIAL: &str =
    "UPDATE connectors SET credential = $3 WHERE tenant_id = $1 AND id = $2";
/// Touches the row so that it stays as it is until the transaction ends.
const HOLD_CONNECTOR: &str = "
    UPDATE connectors SET version = version
    WHERE tenant_id = $1 AND id = $2
    RETURNING version";
const DELETE_CONNECTOR: &str = "DELETE FROM connectors WHERE tenant_id = $1 AND id = $2";

const SAVE_SECRETS: &str = "
    INSERT INTO connector_secrets (tenant_id, connector_id, generation, sealed)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (connector_id) DO UPDATE SET
        generation = excluded.generation,
        sealed = excluded.sealed
    WHERE connector_secrets.tenant_id = excluded.tenant_id";
const FIND_SECRETS: &str = "
    SELECT generation, sealed FROM connector_secrets
    WHERE tenant_id = $1 AND connector_id = $2";

const SYNC_STARTED: &str = "
    UPDATE connectors SET sync_state = 'pending', reading = COALESCE($3, reading)
    WHERE tenant_id = $1 AND id = $2";
const SYNC_FAILED: &str = "
    UPDATE connectors SET sync_state = 'failed', sync_error = $3, sync_at = $4
    WHERE tenant_id = $1 AND id = $2";

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    tenant_id: Uuid,
    slug: String,
    display_name: String,
    kind: String,
    enabled: bool,
    prefix: String,
    credential: String,
    on_change: String,
    sync_state: String,
    sync_at: Option<i64>,
    sync_error: Option<String>,
    sync_tools: i64,
    sync_changed: String,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

impl TryFrom<Row> for Connector {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        Ok(Self {
            id: ConnectorId::new(row.id),
            tenant: TenantId::new(row.tenant_id),
            slug: row
                .slug
                .parse()
                .map_err(|_| corrupt("connector slug", &row.slug))?,
            display_name: row.display_name,
            kind: from_json("connector kind", &row.kind)?,
            enabled: row.enabled,
            prefix: row.prefix,
            credential: from_json("credential description", &row.credential)?,
            on_change: word("rule for changes", &row.on_change)?,
            sync: SyncStatus {
                state: word("sync state", &row.sync_state)?,
                at: optional_time(row.sync_at)?,
                error: row.sync_error,
                tools: number("tool count", row.sync_tools)?,
                changed: from_json("list of changed tools", &row.sync_changed)?,
            },
            created_at: time(row.created_at)?,
            updated_at: time(row.updated_at)?,
            version: row.version,
        })
    }
}

impl TenantStorage<'_> {
    /// Adds a connector of this tenant, without tools. What may be said of its secrets is taken
    /// from them, not from `connector.credential`.
    ///
    /// # Errors
    /// `NotFound` without such a tenant, or when the connector says another; `Conflict` with
    /// `SlugTaken`, `LimitReached`, `IdTaken` or `IdempotencyKeyTaken`.
    pub async fn create_connector(
        &self,
        connector: &Connector,
        secrets: &ConnectorSecrets,
        remembered: Option<&Remembered>,
    ) -> Result<i64, StorageError> {
        self.check_owner(connector)?;
        let mut tx = self.write().await?;
        self.storage
            .remember(&mut tx, Some(self.tenant), remembered)
            .await?;
        self.check_limit(&mut tx).await?;
        execute!(
            &mut tx,
            sqlx::query(CREATE_CONNECTOR)
                .bind(connector.id.as_uuid())
                .bind(self.tenant.as_uuid())
                .bind(connector.slug.as_str())
                .bind(connector.display_name.as_str())
                .bind(to_json(&connector.kind))
                .bind(connector.enabled)
                .bind(connector.prefix.as_str())
                .bind(to_json(&secrets.info()))
                .bind(connector.on_change.as_str())
                .bind(connector.sync.state.as_str())
                .bind(connector.sync.at.map(micros))
                .bind(connector.sync.error.as_deref())
                .bind(micros(connector.created_at))
                .bind(micros(connector.updated_at))
                .bind(connector.version)
        )?;
        self.save_secrets(&mut tx, connector.id, secrets).await?;
        let revision = changes::record(&mut tx, Some(self.tenant), Kind::ConnectorCreated).await?;
        tx.commit().await?;
        Ok(revision)
    }

    pub async fn find_connector(&self, slug: &str) -> Result<Option<Connector>, StorageError> {
        let mut tx = self.read().await?;
        let row: Option<Row> = fetch_optional!(
            &mut tx,
            sqlx::query_as(FIND_CONNECTOR)
                .bind(self.tenant.as_uuid())
                .bind(slug)
        )?;
        row.map(Connector::try_from).transpose()
    }

    pub async fn find_connector_by_id(
        &self,
        id: ConnectorId,
    ) -> Result<Option<Connector>, StorageError> {
        let mut tx = self.read().await?;
        let row: Option<Row> = fetch_optional!(
            &mut tx,
            sqlx::query_as(FIND_CONNECTOR_BY_ID)
                .bind(self.tenant.as_uuid())
                .bind(id.as_uuid())
        )?;
        row.map(Connector::try_from).transpose()
    }

    /// This tenant's connectors in the order of their creation, from the one after `after` on.
    pub async fn list_connectors(
        &self,
        after: Option<ConnectorId>,
        limit: u32,
    ) -> Result<Vec<Connector>, StorageError> {
        let mut tx = self.read().await?;
        let after = after.map_or(Uuid::nil(), |id| id.as_uuid());
        let rows: Vec<Row> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_CONNECTORS)
                .bind(self.tenant.as_uuid())
                .bind(after)
                .bind(i64::from(limit))
        )?;
        rows.into_iter().map(Connector::try_from).collect()
    }

    /// Stores a changed connector, with the version that it says, if the stored one is still
    /// `expected_version`. Slug, creation time and sync status stay; secrets and what is said of
    /// them change only when given.
    ///
    /// # Errors
    /// `NotFound`, `VersionMismatch`.
    pub async fn save_connector(
        &self,
        connector: &Connector,
        secrets: Option<&ConnectorSecrets>,
        expected_version: i64,
    ) -> Result<i64, StorageError> {
        self.check_owner(connector)?;
        let mut tx = self.write().await?;
        let saved = execute!(
            &mut tx,
            sqlx::query(SAVE_CONNECTOR)
                .bind(self.tenant.as_uuid())
                .bind(connector.id.as_uuid())
                .bind(expected_version)
                .bind(connector.display_name.as_str())
                .bind(to_json(&connector.kind))
                .bind(connector.enabled)
                .bind(connector.prefix.as_str())
                .bind(connector.on_change.as_str())
                .bind(micros(connector.updated_at))
                .bind(connector.version)
        )?;
        if saved == 0 {
            self.hold_connector(&mut tx, connector.id).await?;
            return Err(StorageError::VersionMismatch);
        }
        if let Some(secrets) = secrets {
            execute!(
                &mut tx,
                sqlx::query(SAVE_CREDENTIAL)
                    .bind(self.tenant.as_uuid())
                    .bind(connector.id.as_uuid())
                    .bind(to_json(&secrets.info()))
            )?;
            self.save_secrets(&mut tx, connector.id, secrets).await?;
        }
        let revision = changes::record(&mut tx, Some(self.tenant), Kind::ConnectorSaved).await?;
        tx.commit().await?;
        Ok(revision)
    }

    /// Deletes a connector with its tools and secrets.
    ///
    /// # Errors
    /// `NotFound`; `VersionMismatch` when `expected` is given and is not the stored version.
    pub async fn delete_connector(
        &self,
        id: ConnectorId,
        expected: Option<i64>,
    ) -> Result<i64, StorageError> {
        let mut tx = self.write().await?;
        let version = self.hold_connector(&mut tx, id).await?;
        if expected.is_some_and(|expected| expected != version) {
            return Err(StorageError::VersionMismatch);
        }
        execute!(
            &mut tx,
            sqlx::query(DELETE_CONNECTOR)
                .bind(self.tenant.as_uuid())
                .bind(id.as_uuid())
        )?;
        let revision = changes::record(&mut tx, Some(self.tenant), Kind::ConnectorDeleted).await?;
        tx.commit().await?;
        Ok(revision)
    }

    /// A connector's secrets in clear; `None` when there is no such connector.
    pub async fn secrets(&self, id: ConnectorId) -> Result<Option<ConnectorSecrets>, StorageError> {
        let mut tx = self.read().await?;
        let row: Option<(i64, Vec<u8>)> = fetch_optional!(
            &mut tx,
            sqlx::query_as(FIND_SECRETS)
                .bind(self.tenant.as_uuid())
                .bind(id.as_uuid())
        )?;
        let Some((generation, sealed)) = row else {
            return Ok(None);
        };
        let owner = self
            .storage
            .opening_key(&mut tx, Some(self.tenant), generation)
            .await?;
        let plain = owner.open(&CONNECTOR_SECRETS, &id.to_string(), &sealed)?;
        // The parser's message could quote what it read.
        let secrets = serde_json::from_slice(&plain)
            .map_err(|_| corrupt("connector's secrets", "no such JSON document"))?;
        Ok(Some(secrets))
    }

    /// Notes that a connector's tools are being read. No change of configuration.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn sync_started(&self, id: ConnectorId) -> Result<(), StorageError> {
        self.start_sync(id, None).await
    }

    pub(crate) async fn start_sync(
        &self,
        id: ConnectorId,
        reading: Option<Uuid>,
    ) -> Result<(), StorageError> {
        let mut tx = self.write().await?;
        let touched = execute!(
            &mut tx,
            sqlx::query(SYNC_STARTED)
                .bind(self.tenant.as_uuid())
                .bind(id.as_uuid())
                .bind(reading)
        )?;
        if touched == 0 {
            return Err(StorageError::NotFound);
        }
        tx.commit().await
    }

    /// Notes that a connector's tools could not be read; those known before stay.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn sync_failed(
        &self,
        id: ConnectorId,
        error: &str,
        at: OffsetDateTime,
    ) -> Result<i64, StorageError> {
        self.fail_sync(id, error, at, None).await
    }

    pub(crate) async fn fail_sync(
        &self,
        id: ConnectorId,
        error: &str,
        at: OffsetDateTime,
        reading: Option<Uuid>,
    ) -> Result<i64, StorageError> {
        let mut tx = self.write().await?;
        if let Some(reading) = reading {
            self.hold_reading(&mut tx, id, reading).await?;
        }
        let touched = execute!(
            &mut tx,
            sqlx::query(SYNC_FAILED)
                .bind(self.tenant.as_uuid())
                .bind(id.as_uuid())
                .bind(error)
                .bind(micros(at))
        )?;
        if touched == 0 {
            return Err(StorageError::NotFound);
        }
        let revision = changes::record(&mut tx, Some(self.tenant), Kind::SyncFailed).await?;
        tx.commit().await?;
        Ok(revision)
    }

    pub(crate) async fn hold_connector(
        &self,
        tx: &mut Tx,
        id: ConnectorId,
    ) -> Result<i64, StorageError> {
        let row: Option<(i64,)> = fetch_optional!(
            tx,
            sqlx::query_as(HOLD_CONNECTOR)
                .bind(self.tenant.as_uuid())
                .bind(id.as_uuid())
        )?;
        Ok(row.ok_or(StorageError::NotFound)?.0)
    }

    /// This tenant's connectors in the order of their slugs.
    pub(crate) async fn connectors_by_slug(
        &self,
        tx: &mut Tx,
    ) -> Result<Vec<Connector>, StorageError> {
        let rows: Vec<Row> = fetch_all!(
            tx,
            sqlx::query_as(LIST_CONNECTORS_BY_SLUG).bind(self.tenant.as_uuid())
        )?;
        rows.into_iter().map(Connector::try_from).collect()
    }

    /// What the upstreams of this tenant's connectors said of themselves, as far as they did.
    pub(crate) async fn servers_by_connector(
        &self,
        tx: &mut Tx,
    ) -> Result<HashMap<ConnectorId, UpstreamInfo>, StorageError> {
        let rows: Vec<(Uuid, String)> =
            fetch_all!(tx, sqlx::query_as(LIST_SERVERS).bind(self.tenant.as_uuid()))?;
        let read = |(id, info): (Uuid, String)| {
            Ok((
                ConnectorId::new(id),
                from_json("description of an upstream", &info)?,
            ))
        };
        rows.into_iter().map(read).collect()
    }

    /// How often the credentials of this tenant's connectors changed; none said of those where they
    /// never did.
    pub(crate) async fn accounts_by_connector(
        &self,
        tx: &mut Tx,
    ) -> Result<HashMap<ConnectorId, i64>, StorageError> {
        let rows: Vec<(Uuid, i64)> = fetch_all!(
            tx,
            sqlx::query_as(LIST_ACCOUNT_CHANGES).bind(self.tenant.as_uuid())
        )?;
        let read = |(id, changes)| (ConnectorId::new(id), changes);
        Ok(rows.into_iter().map(read).collect())
    }

    async fn save_secrets(
        &self,
        tx: &mut Tx,
        id: ConnectorId,
        secrets: &ConnectorSecrets,
    ) -> Result<(), StorageError> {
        let owner = self
            .storage
            .sealing_key(&mut *tx, Some(self.tenant))
            .await?;
        let plain = Zeroizing::new(to_json(secrets));
        let sealed = owner.seal(&CONNECTOR_SECRETS, &id.to_string(), plain.as_bytes());
        execute!(
            &mut *tx,
            sqlx::query(SAVE_SECRETS)
                .bind(self.tenant.as_uuid())
                .bind(id.as_uuid())
                .bind(i64::from(owner.generation))
                .bind(sealed.as_slice())
        )?;
        Ok(())
    }

    async fn check_limit(&self, tx: &mut Tx) -> Result<(), StorageError> {
        let (count,): (i64,) = fetch_one!(
            tx,
            sqlx::query_as(COUNT_CONNECTORS).bind(self.tenant.as_uuid())
        )?;
        if usize::try_from(count).is_ok_and(|count| count < CONNECTORS_PER_TENANT) {
            return Ok(());
        }
        Err(StorageError::Conflict(Constraint::LimitReached))
    }

    fn check_owner(&self, connector: &Connector) -> Result<(), StorageError> {
        if connector.tenant == self.tenant {
            Ok(())
        } else {
            Err(StorageError::NotFound)
        }
    }
}
