//! API keys, of the platform and of tenants. Only keyed hashes of their secrets are stored.

use domain::limits::KEYS_PER_OWNER;
use domain::{ApiKey, KeyId, KeyState, TenantId};
use fabric::StoredKey;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::changes::{self, Kind};
use crate::error::Constraint;
use crate::remembered::Remembered;
use crate::row::{corrupt, digest, micros, optional_time, time};
use crate::tx::{Tx, execute, fetch_all, fetch_one, fetch_optional};
use crate::{Storage, StorageError, TenantStorage};

const CREATE_KEY: &str = "
    INSERT INTO api_keys (id, tenant_id, name, scope, hash, created_at, expires_at, revoked_at,
                          last_used_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const FIND_KEY: &str = "
    SELECT id, tenant_id, name, scope, hash, created_at, expires_at, revoked_at, last_used_at
    FROM api_keys
    WHERE id = $1";
const FIND_TENANT_KEY: &str = "
    SELECT id, tenant_id, name, scope, hash, created_at, expires_at, revoked_at, last_used_at
    FROM api_keys
    WHERE tenant_id = $1 AND id = $2";
const LIST_KEYS: &str = "
    SELECT id, tenant_id, name, scope, hash, created_at, expires_at, revoked_at, last_used_at
    FROM api_keys
    WHERE id > $1
    ORDER BY id
    LIMIT $2";
const LIST_TENANT_KEYS: &str = "
    SELECT id, tenant_id, name, scope, hash, created_at, expires_at, revoked_at, last_used_at
    FROM api_keys
    WHERE tenant_id = $1 AND id > $2
    ORDER BY id
    LIMIT $3";
const LIST_UNREVOKED_PLATFORM_KEYS: &str = "
    SELECT id, tenant_id, name, scope, hash, created_at, expires_at, revoked_at, last_used_at
    FROM api_keys
    WHERE tenant_id IS NULL AND revoked_at IS NULL
    ORDER BY id";
const LIST_UNREVOKED_TENANT_KEYS: &str = "
    SELECT id, tenant_id, name, scope, hash, created_at, expires_at, revoked_at, last_used_at
    FROM api_keys
    WHERE tenant_id = $1 AND revoked_at IS NULL
    ORDER BY id";
const COUNT_LIVE_PLATFORM_KEYS: &str = "
    SELECT COUNT(*) FROM api_keys
    WHERE tenant_id IS NULL AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)";
const COUNT_LIVE_TENANT_KEYS: &str = "
    SELECT COUNT(*) FROM api_keys
    WHERE tenant_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";
const REVOKE_KEY: &str = "
    UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $2)
    WHERE id = $1
    RETURNING tenant_id";
const REVOKE_TENANT_KEY: &str = "
    UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $3)
    WHERE tenant_id = $1 AND id = $2
    RETURNING tenant_id";
const NOTE_USE: &str = "
    UPDATE api_keys SET last_used_at = $2
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    tenant_id: Option<Uuid>,
    name: String,
    scope: String,
    hash: Vec<u8>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl TryFrom<Row> for StoredKey {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let key = ApiKey {
            id: KeyId::new(row.id),
            name: row.name,
            scope: row
                .scope
                .parse()
                .map_err(|_| corrupt("key scope", &row.scope))?,
            tenant: row.tenant_id.map(TenantId::new),
            state: match optional_time(row.revoked_at)? {
                Some(at) => KeyState::Revoked { at },
                None => KeyState::Active,
            },
            created_at: time(row.created_at)?,
            expires_at: optional_time(row.expires_at)?,
            last_used_at: optional_time(row.last_used_at)?,
        };
        Ok(Self {
            key,
            hash: digest("key hash", &row.hash)?,
        })
    }
}

impl Storage {
    /// Adds a key of the platform.
    ///
    /// # Errors
    /// `Conflict` with `KeyOwner` for a tenant's key, `LimitReached`, `IdTaken`,
    /// `IdempotencyKeyTaken`.
    pub async fn create_platform_key(
        &self,
        key: &StoredKey,
        remembered: Option<&Remembered>,
    ) -> Result<i64, StorageError> {
        self.create_key_of(None, key, remembered).await
    }

    /// A key of the platform or of any tenant: for whoever must find out whose it is.
    pub async fn find_key(&self, id: KeyId) -> Result<Option<StoredKey>, StorageError> {
        let mut tx = self.read().await?;
        let row: Option<Row> =
            fetch_optional!(&mut tx, sqlx::query_as(FIND_KEY).bind(id.as_uuid()))?;
        row.map(StoredKey::try_from).transpose()
    }

    /// Keys of the platform and of all tenants in the order of their creation, revoked and
    /// expired ones too.
    pub async fn list_keys(
        &self,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>, StorageError> {
        let mut tx = self.read().await?;
        let after = after.map_or(Uuid::nil(), |id| id.as_uuid());
        let rows: Vec<Row> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_KEYS).bind(after).bind(i64::from(limit))
        )?;
        without_hashes(rows)
    }

    /// Revokes any key for good. A key that is revoked already keeps its time.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn revoke_key(&self, id: KeyId, at: OffsetDateTime) -> Result<i64, StorageError> {
        let mut tx = self.write().await?;
        let row: Option<(Option<Uuid>,)> = fetch_optional!(
            &mut tx,
            sqlx::query_as(REVOKE_KEY)
                .bind(id.as_uuid())
                .bind(micros(at))
        )?;
        let (tenant,) = row.ok_or(StorageError::NotFound)?;
        let revision =
            changes::record(&mut tx, tenant.map(TenantId::new), Kind::KeyRevoked).await?;
        tx.commit().await?;
        Ok(revision)
    }

    /// Notes when keys were last used. No change of configuration; unknown keys are passed over.
    pub async fn keys_used(&self, keys: &[KeyId], at: OffsetDateTime) -> Result<(), StorageError> {
        let mut keys = keys.to_vec();
        // Everybody takes the rows in one order, so nobody waits in a circle.
        keys.sort_unstable();
        keys.dedup();
        let mut tx = self.write().await?;
        for id in keys {
            execute!(
                &mut tx,
                sqlx::query(NOTE_USE).bind(id.as_uuid()).bind(micros(at))
            )?;
        }
        tx.commit().await
    }

    async fn create_key_of(
        &self,
        tenant: Option<TenantId>,
        stored: &StoredKey,
        remembered: Option<&Remembered>,
    ) -> Result<i64, StorageError> {
        let key = &stored.key;
        if key.tenant != tenant {
            return Err(StorageError::Conflict(Constraint::KeyOwner));
        }
        let mut tx = match tenant {
            Some(tenant) => self.tenant(tenant).write().await?,
            None => self.write().await?,
        };
        self.remember(&mut tx, tenant, remembered).await?;
        if count_live(&mut tx, tenant, key.created_at).await? >= KEYS_PER_OWNER {
            return Err(StorageError::Conflict(Constraint::LimitReached));
        }
        let revoked_at = match key.state {
            KeyState::Active => None,
            KeyState::Revoked { at } => Some(micros(at)),
        };
        execute!(
            &mut tx,
            sqlx::query(CREATE_KEY)
                .bind(key.id.as_uuid())
                .bind(tenant.map(|id| id.as_uuid()))
                .bind(key.name.as_str())
                .bind(key.scope.as_str())
                .bind(stored.hash.as_slice())
                .bind(micros(key.created_at))
                .bind(key.expires_at.map(micros))
                .bind(revoked_at)
                .bind(key.last_used_at.map(micros))
        )?;
        let revision = changes::record(&mut tx, tenant, Kind::KeyCreated).await?;
        tx.commit().await?;
        Ok(revision)
    }
}

impl TenantStorage<'_> {
    /// Adds a key of this tenant.
    ///
    /// # Errors
    /// `NotFound` without such a tenant; `Conflict` with `KeyOwner` for a key that is not this
    /// tenant's, `LimitReached`, `IdTaken`, `IdempotencyKeyTaken`.
    pub async fn create_key(
        &self,
        key: &StoredKey,
        remembered: Option<&Remembered>,
    ) -> Result<i64, StorageError> {
        self.storage
            .create_key_of(Some(self.tenant), key, remembered)
            .await
    }

    pub async fn find_key(&self, id: KeyId) -> Result<Option<StoredKey>, StorageError> {
        let mut tx = self.read().await?;
        let row: Option<Row> = fetch_optional!(
            &mut tx,
            sqlx::query_as(FIND_TENANT_KEY)
                .bind(self.tenant.as_uuid())
                .bind(id.as_uuid())
        )?;
        row.map(StoredKey::try_from).transpose()
    }

    /// This tenant's keys in the order of their creation, revoked and expired ones too.
    pub async fn list_keys(
        &self,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>, StorageError> {
        let mut tx = self.read().await?;
        let after = after.map_or(Uuid::nil(), |id| id.as_uuid());
        let rows: Vec<Row> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_TENANT_KEYS)
                .bind(self.tenant.as_uuid())
                .bind(after)
                .bind(i64::from(limit))
        )?;
        without_hashes(rows)
    }

    /// Revokes a key for good. A key that is revoked already keeps its time.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn revoke_key(&self, id: KeyId, at: OffsetDateTime) -> Result<i64, StorageError> {
        let mut tx = self.write().await?;
        let row: Option<(Option<Uuid>,)> = fetch_optional!(
            &mut tx,
            sqlx::query_as(REVOKE_TENANT_KEY)
                .bind(self.tenant.as_uuid())
                .bind(id.as_uuid())
                .bind(micros(at))
        )?;
        row.ok_or(StorageError::NotFound)?;
        let revision = changes::record(&mut tx, Some(self.tenant), Kind::KeyRevoked).await?;
        tx.commit().await?;
        Ok(revision)
    }
}

/// Keys of the platform (`None`) or of a tenant that are not revoked; expired ones too, since
/// only whoever has the time can tell.
pub(crate) async fn list_unrevoked(
    tx: &mut Tx,
    tenant: Option<TenantId>,
) -> Result<Vec<StoredKey>, StorageError> {
    let rows: Vec<Row> = match tenant {
        None => fetch_all!(tx, sqlx::query_as(LIST_UNREVOKED_PLATFORM_KEYS))?,
        Some(tenant) => fetch_all!(
            tx,
            sqlx::query_as(LIST_UNREVOKED_TENANT_KEYS).bind(tenant.as_uuid())
        )?,
    };
    rows.into_iter().map(StoredKey::try_from).collect()
}

async fn count_live(
    tx: &mut Tx,
    tenant: Option<TenantId>,
    now: OffsetDateTime,
) -> Result<usize, StorageError> {
    let (count,): (i64,) = match tenant {
        None => fetch_one!(
            tx,
            sqlx::query_as(COUNT_LIVE_PLATFORM_KEYS).bind(micros(now))
        )?,
        Some(tenant) => fetch_one!(
            tx,
            sqlx::query_as(COUNT_LIVE_TENANT_KEYS)
                .bind(tenant.as_uuid())
                .bind(micros(now))
        )?,
    };
    Ok(usize::try_from(count).unwrap_or_default())
}

fn without_hashes(rows: Vec<Row>) -> Result<Vec<ApiKey>, StorageError> {
    rows.into_iter()
        .map(|row| StoredKey::try_from(row).map(|stored| stored.key))
        .collect()
}
