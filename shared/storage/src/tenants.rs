//! Tenants themselves; what belongs to them is behind [`Storage::tenant`].

use domain::{Tenant, TenantId};
use uuid::Uuid;

use crate::changes::{self, Kind};
use crate::remembered::Remembered;
use crate::row::{corrupt, micros, time, word};
use crate::tx::{Pool, Scope, Tx, execute, fetch_all, fetch_optional};
use crate::{Storage, StorageError, TenantStorage};

const CREATE_TENANT: &str = "
    INSERT INTO tenants (id, slug, name, description, contact_email, state, created_at,
                         updated_at, version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const LIST_TENANTS: &str = "
    SELECT id, slug, name, description, contact_email, state, created_at, updated_at, version
    FROM tenants
    WHERE id > $1
    ORDER BY id
    LIMIT $2";
const FIND_TENANT: &str = "
    SELECT id, slug, name, description, contact_email, state, created_at, updated_at, version
    FROM tenants
    WHERE slug = $1";
const FIND_TENANT_BY_ID: &str = "
    SELECT id, slug, name, description, contact_email, state, created_at, updated_at, version
    FROM tenants
    WHERE id = $1";
const SAVE_TENANT: &str = "
    UPDATE tenants
    SET name = $3, description = $4, contact_email = $5, state = $6, updated_at = $7, version = $8
    WHERE id = $1 AND version = $2";
/// Touches the row so that it stays as it is until the transaction ends.
const HOLD_TENANT: &str =
    "UPDATE tenants SET version = version WHERE id = $1 RETURNING slug, version";
const DELETE_TENANT: &str = "DELETE FROM tenants WHERE id = $1";

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    slug: String,
    name: String,
    description: String,
    contact_email: String,
    state: String,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

impl TryFrom<Row> for Tenant {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        Ok(Self {
            id: TenantId::new(row.id),
            slug: row
                .slug
                .parse()
                .map_err(|_| corrupt("tenant slug", &row.slug))?,
            name: row.name,
            description: row.description,
            contact_email: row.contact_email,
            state: word("tenant state", &row.state)?,
            created_at: time(row.created_at)?,
            updated_at: time(row.updated_at)?,
            version: row.version,
        })
    }
}

impl Storage {
    /// Adds a tenant and makes its data key.
    ///
    /// # Errors
    /// `Conflict` with `SlugTaken`, `IdTaken` or `IdempotencyKeyTaken`.
    pub async fn create_tenant(
        &self,
        tenant: &Tenant,
        remembered: Option<&Remembered>,
    ) -> Result<i64, StorageError> {
        let mut tx = self.write().await?;
        self.remember(&mut tx, None, remembered).await?;
        execute!(
            &mut tx,
            sqlx::query(CREATE_TENANT)
                .bind(tenant.id.as_uuid())
                .bind(tenant.slug.as_str())
                .bind(tenant.name.as_str())
                .bind(tenant.description.as_str())
                .bind(tenant.contact_email.as_str())
                .bind(tenant.state.as_str())
                .bind(micros(tenant.created_at))
                .bind(micros(tenant.updated_at))
                .bind(tenant.version)
        )?;
        self.create_data_key(&mut tx, tenant.id, micros(tenant.created_at))
            .await?;
        let revision = changes::record(&mut tx, Some(tenant.id), Kind::TenantCreated).await?;
        tx.commit().await?;
        Ok(revision)
    }

    /// Tenants in the order of their creation, from the one after `after` on.
    pub async fn list_tenants(
        &self,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<Vec<Tenant>, StorageError> {
        let mut tx = self.read().await?;
        let after = after.map_or(Uuid::nil(), |id| id.as_uuid());
        let rows: Vec<Row> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_TENANTS)
                .bind(after)
                .bind(i64::from(limit))
        )?;
        rows.into_iter().map(Tenant::try_from).collect()
    }

    pub async fn find_tenant(&self, slug: &str) -> Result<Option<Tenant>, StorageError> {
        find_by_slug(&mut self.read().await?, slug).await
    }

    pub async fn find_tenant_by_id(&self, id: TenantId) -> Result<Option<Tenant>, StorageError> {
        let mut tx = self.read().await?;
        let row: Option<Row> = fetch_optional!(
            &mut tx,
            sqlx::query_as(FIND_TENANT_BY_ID).bind(id.as_uuid())
        )?;
        row.map(Tenant::try_from).transpose()
    }

    /// Stores a changed tenant, with the version that it says, if the stored one is still
    /// `expected_version`. Slug and creation time stay.
    ///
    /// # Errors
    /// `NotFound`, `VersionMismatch`.
    pub async fn save_tenant(
        &self,
        tenant: &Tenant,
        expected_version: i64,
    ) -> Result<i64, StorageError> {
        let mut tx = self.write().await?;
        let saved = execute!(
            &mut tx,
            sqlx::query(SAVE_TENANT)
                .bind(tenant.id.as_uuid())
                .bind(expected_version)
                .bind(tenant.name.as_str())
                .bind(tenant.description.as_str())
                .bind(tenant.contact_email.as_str())
                .bind(tenant.state.as_str())
                .bind(micros(tenant.updated_at))
                .bind(tenant.version)
        )?;
        if saved == 0 {
            hold(&mut tx, tenant.id).await?;
            return Err(StorageError::VersionMismatch);
        }
        let revision = changes::record(&mut tx, Some(tenant.id), Kind::TenantSaved).await?;
        tx.commit().await?;
        Ok(revision)
    }

    /// Deletes a tenant with everything that is its own, its data key too, so that what is left
    /// of it in backups of single tables stays closed.
    ///
    /// # Errors
    /// `NotFound`; `VersionMismatch` when `expected` is given and is not the stored version.
    pub async fn delete_tenant(
        &self,
        id: TenantId,
        expected: Option<i64>,
    ) -> Result<i64, StorageError> {
        let mut tx = self.write().await?;
        let (slug, version) = hold(&mut tx, id).await?;
        if expected.is_some_and(|expected| expected != version) {
            return Err(StorageError::VersionMismatch);
        }
        execute!(&mut tx, sqlx::query(DELETE_TENANT).bind(id.as_uuid()))?;
        let revision = changes::record_tenant_deleted(&mut tx, id, &slug).await?;
        tx.commit().await?;
        self.forget_deleted().await;
        Ok(revision)
    }

    /// Takes what was deleted out of SQLite's log too. Where readers are in the way, the next
    /// checkpoint does it.
    async fn forget_deleted(&self) {
        if let Pool::Sqlite { writer, .. } = self.pool()
            && let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                .execute(writer)
                .await
        {
            tracing::debug!("could not checkpoint after a deletion: {error}");
        }
    }
}

impl TenantStorage<'_> {
    /// Reads with the eyes of this tenant.
    pub(crate) async fn read(&self) -> Result<Tx, StorageError> {
        self.storage.pool().read(Scope::Tenant(self.tenant)).await
    }

    /// Starts a change of something of this tenant, which must be there. Such changes happen one
    /// after the other: they all begin with the same row, so none waits for another in a circle,
    /// and what they count stays true until they commit.
    pub(crate) async fn write(&self) -> Result<Tx, StorageError> {
        let scope = Scope::Tenant(self.tenant);
        let mut tx = self.storage.pool().write(scope).await?;
        hold(&mut tx, self.tenant).await?;
        Ok(tx)
    }
}

pub(crate) async fn find_by_slug(tx: &mut Tx, slug: &str) -> Result<Option<Tenant>, StorageError> {
    let row: Option<Row> = fetch_optional!(tx, sqlx::query_as(FIND_TENANT).bind(slug))?;
    row.map(Tenant::try_from).transpose()
}

async fn hold(tx: &mut Tx, id: TenantId) -> Result<(String, i64), StorageError> {
    let row: Option<(String, i64)> =
        fetch_optional!(tx, sqlx::query_as(HOLD_TENANT).bind(id.as_uuid()))?;
    row.ok_or(StorageError::NotFound)
}
