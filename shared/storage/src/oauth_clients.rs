//! What tenants, and the operator for all of them, registered at providers.

use domain::TenantId;
use domain::limits::OAUTH_CLIENTS_PER_OWNER;
use fabric::Change;
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accounts::connectors_changed;
use crate::changes::{self, Kind};
use crate::error::Constraint;
use crate::row::{corrupt, from_json, micros, time, to_json};
use crate::sealed::{OAUTH_CLIENT_REGISTRATION, OAUTH_CLIENT_SECRET, SealedColumn};
use crate::served::record_served;
use crate::tx::{Tx, execute, fetch_all, fetch_one, fetch_optional};
use crate::{Storage, StorageError, TenantStorage};

/// In these statements `$1` is whose it is: a tenant, or NULL for the operator.
const CREATE_CLIENT: &str = "
    INSERT INTO oauth_clients (tenant_id, id, provider, client_id, settings, generation, sealed,
                               registration, created_at, updated_at, version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const COUNT_CLIENTS: &str = "
    SELECT COUNT(*) FROM oauth_clients
    WHERE tenant_id IS NOT DISTINCT FROM $1";
const FIND_CLIENT: &str = "
    SELECT id, tenant_id, provider, client_id, settings, generation, sealed, registration,
           created_at, updated_at, version
    FROM oauth_clients
    WHERE tenant_id IS NOT DISTINCT FROM $1 AND provider = $2";
const LIST_CLIENTS: &str = "
    SELECT id, tenant_id, provider, client_id, settings, generation, sealed, registration,
           created_at, updated_at, version
    FROM oauth_clients
    WHERE tenant_id IS NOT DISTINCT FROM $1 AND id > $2
    ORDER BY id
    LIMIT $3";
/// The tenant's own, or the operator's.
const FIND_CLIENT_BY_ID: &str = "
    SELECT id, tenant_id, provider, client_id, settings, generation, sealed, registration,
           created_at, updated_at, version
    FROM oauth_clients
    WHERE id = $1 AND (tenant_id = $2 OR tenant_id IS NULL)";
const SAVE_CLIENT: &str = "
    UPDATE oauth_clients
    SET client_id = $3, settings = $4, generation = $5, sealed = $6, registration = $7,
        updated_at = $8, version = $9
    WHERE tenant_id IS NOT DISTINCT FROM $1 AND id = $2";
/// Touches the row so that it stays as it is until the transaction ends.
const HOLD_CLIENT: &str = "
    UPDATE oauth_clients SET version = version
    WHERE tenant_id IS NOT DISTINCT FROM $1 AND provider = $2
    RETURNING id, client_id, version, created_at";
/// Those that no account was connected with.
const LIST_UNUSED_CLIENTS: &str = "
    SELECT id, tenant_id, provider, client_id, settings, generation, sealed, registration,
           created_at, updated_at, version
    FROM oauth_clients
    WHERE tenant_id = $1
      AND NOT EXISTS (SELECT 1 FROM accounts WHERE accounts.oauth_client_id = oauth_clients.id)
    ORDER BY id";
const DELETE_CLIENT: &str = "
    DELETE FROM oauth_clients
    WHERE tenant_id IS NOT DISTINCT FROM $1 AND id = $2";

type HeldRow = (Uuid, String, i64, i64);

/// A registration at a provider, its secret in clear.
#[derive(Clone, Debug)]
pub struct OAuthClientRow {
    pub id: Uuid,
    /// Whose it is; none for the operator's, which serves tenants that have none of their own.
    pub tenant: Option<TenantId>,
    /// The type of a connector, or an issuer and the connector that was registered there. Each
    /// owner has one at most for each.
    pub provider: String,
    pub client_id: String,
    /// None for a public client.
    pub secret: Option<SecretString>,
    /// What ends a registration that was made by itself, where its server gave something for that.
    pub registration: Option<SecretString>,
    /// Whatever else must be known of it, and is no secret. Storage does not look into it.
    pub settings: serde_json::Value,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub version: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    tenant_id: Option<Uuid>,
    provider: String,
    client_id: String,
    settings: String,
    generation: i64,
    sealed: Option<Vec<u8>>,
    registration: Option<Vec<u8>>,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

impl Storage {
    /// Stores a registration of the operator's, in the place of the one for its provider if there
    /// is one, and returns it as it is stored, with the changes that this is to the tenants that it
    /// serves.
    ///
    /// One with another `client_id` is another registration: it gets the new id, and accounts that
    /// were connected with the one before can be refreshed no more. Else id and creation time stay.
    /// The version is the storage's to say.
    ///
    /// # Errors
    /// `NotFound` when it says a tenant, or when `expected` is given and there is none;
    /// `VersionMismatch` when `expected` is not the stored version; `Conflict` with `LimitReached`.
    pub async fn put_oauth_client(
        &self,
        client: &OAuthClientRow,
        expected: Option<i64>,
    ) -> Result<(Vec<Change>, OAuthClientRow), StorageError> {
        let mut tx = self.write().await?;
        let stored = self.put_client(&mut tx, None, client, expected).await?;
        let changes = record_served(&mut tx, &client.provider).await?;
        tx.commit().await?;
        Ok((changes, stored))
    }

    /// The operator's registration at a provider.
    pub async fn find_oauth_client(
        &self,
        provider: &str,
    ) -> Result<Option<OAuthClientRow>, StorageError> {
        let mut tx = self.read().await?;
        self.client_of(&mut tx, None, provider).await
    }

    /// The operator's registrations in the order of their creation, from the one after `after` on.
    pub async fn list_oauth_clients(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<OAuthClientRow>, StorageError> {
        let mut tx = self.read().await?;
        self.clients_of(&mut tx, None, after, limit).await
    }

    /// Deletes a registration of the operator's, and returns the changes that this is to the
    /// tenants that it served. Accounts that were connected with it stay, and can be refreshed no
    /// more.
    ///
    /// # Errors
    /// `NotFound`; `VersionMismatch` when `expected` is given and is not the stored version.
    pub async fn delete_oauth_client(
        &self,
        provider: &str,
        expected: Option<i64>,
    ) -> Result<Vec<Change>, StorageError> {
        let mut tx = self.write().await?;
        remove_client(&mut tx, None, provider, expected).await?;
        let changes = record_served(&mut tx, provider).await?;
        tx.commit().await?;
        Ok(changes)
    }

    async fn put_client(
        &self,
        tx: &mut Tx,
        tenant: Option<TenantId>,
        client: &OAuthClientRow,
        expected: Option<i64>,
    ) -> Result<OAuthClientRow, StorageError> {
        if client.tenant != tenant {
            return Err(StorageError::NotFound);
        }
        let known = hold_client(tx, tenant, &client.provider).await?;
        let mut stored = client.clone();
        stored.version = 1;
        match known {
            None if expected.is_some() => return Err(StorageError::NotFound),
            None => self.add_client(tx, &stored).await?,
            Some((_, _, version, _)) if expected.is_some_and(|expected| expected != version) => {
                return Err(StorageError::VersionMismatch);
            }
            Some((id, client_id, version, created_at)) => {
                stored.version = version + 1;
                if client_id == client.client_id {
                    stored.id = id;
                    stored.created_at = time(created_at)?;
                    self.change_client(tx, &stored).await?;
                } else {
                    delete_row(tx, tenant, id).await?;
                    self.add_client(tx, &stored).await?;
                }
            }
        }
        Ok(stored)
    }

    async fn add_client(&self, tx: &mut Tx, client: &OAuthClientRow) -> Result<(), StorageError> {
        let whose = client.tenant.map(|id| id.as_uuid());
        let (count,): (i64,) = fetch_one!(&mut *tx, sqlx::query_as(COUNT_CLIENTS).bind(whose))?;
        if usize::try_from(count).is_ok_and(|count| count >= OAUTH_CLIENTS_PER_OWNER) {
            return Err(StorageError::Conflict(Constraint::LimitReached));
        }
        let (generation, [sealed, registration]) = self.seal_client(tx, client).await?;
        execute!(
            &mut *tx,
            sqlx::query(CREATE_CLIENT)
                .bind(whose)
                .bind(client.id)
                .bind(client.provider.as_str())
                .bind(client.client_id.as_str())
                .bind(to_json(&client.settings))
                .bind(generation)
                .bind(sealed)
                .bind(registration)
                .bind(micros(client.created_at))
                .bind(micros(client.updated_at))
                .bind(client.version)
        )?;
        Ok(())
    }

    async fn change_client(
        &self,
        tx: &mut Tx,
        client: &OAuthClientRow,
    ) -> Result<(), StorageError> {
        let (generation, [sealed, registration]) = self.seal_client(tx, client).await?;
        execute!(
            &mut *tx,
            sqlx::query(SAVE_CLIENT)
                .bind(client.tenant.map(|id| id.as_uuid()))
                .bind(client.id)
                .bind(client.client_id.as_str())
                .bind(to_json(&client.settings))
                .bind(generation)
                .bind(sealed)
                .bind(registration)
                .bind(micros(client.updated_at))
                .bind(client.version)
        )?;
        Ok(())
    }

    async fn client_of(
        &self,
        tx: &mut Tx,
        tenant: Option<TenantId>,
        provider: &str,
    ) -> Result<Option<OAuthClientRow>, StorageError> {
        let row: Option<Row> = fetch_optional!(
            &mut *tx,
            sqlx::query_as(FIND_CLIENT)
                .bind(tenant.map(|id| id.as_uuid()))
                .bind(provider)
        )?;
        match row {
            Some(row) => self.open_client(tx, row).await.map(Some),
            None => Ok(None),
        }
    }

    async fn clients_of(
        &self,
        tx: &mut Tx,
        tenant: Option<TenantId>,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<OAuthClientRow>, StorageError> {
        let rows: Vec<Row> = fetch_all!(
            &mut *tx,
            sqlx::query_as(LIST_CLIENTS)
                .bind(tenant.map(|id| id.as_uuid()))
                .bind(after.unwrap_or_default())
                .bind(i64::from(limit))
        )?;
        let mut clients = Vec::with_capacity(rows.len());
        for row in rows {
            clients.push(self.open_client(tx, row).await?);
        }
        Ok(clients)
    }

    async fn seal_client(
        &self,
        tx: &mut Tx,
        client: &OAuthClientRow,
    ) -> Result<(i64, [Option<Vec<u8>>; 2]), StorageError> {
        let owner = self.sealing_key(tx, client.tenant).await?;
        let sealed = |column, secret: &Option<SecretString>| {
            let plain = secret.as_ref()?.expose_secret().as_bytes();
            Some(owner.seal(column, &client.id.to_string(), plain))
        };
        let both = [
            sealed(&OAUTH_CLIENT_SECRET, &client.secret),
            sealed(&OAUTH_CLIENT_REGISTRATION, &client.registration),
        ];
        Ok((i64::from(owner.generation), both))
    }

    async fn open_client(&self, tx: &mut Tx, row: Row) -> Result<OAuthClientRow, StorageError> {
        let tenant = row.tenant_id.map(TenantId::new);
        let (mut secret, mut registration) = (None, None);
        if row.sealed.is_some() || row.registration.is_some() {
            let owner = self.opening_key(tx, tenant, row.generation).await?;
            let opened = |column: &SealedColumn, sealed: Option<&Vec<u8>>| {
                let Some(sealed) = sealed else {
                    return Ok(None);
                };
                let plain = owner.open(column, &row.id.to_string(), sealed)?;
                let text = std::str::from_utf8(&plain);
                let text = text.map_err(|_| corrupt("secret of an OAuth client", "no text"))?;
                Ok::<_, StorageError>(Some(SecretString::from(text)))
            };
            secret = opened(&OAUTH_CLIENT_SECRET, row.sealed.as_ref())?;
            registration = opened(&OAUTH_CLIENT_REGISTRATION, row.registration.as_ref())?;
        }
        Ok(OAuthClientRow {
            id: row.id,
            tenant,
            provider: row.provider,
            client_id: row.client_id,
            secret,
            registration,
            settings: from_json("settings of an OAuth client", &row.settings)?,
            created_at: time(row.created_at)?,
            updated_at: time(row.updated_at)?,
            version: row.version,
        })
    }
}

impl TenantStorage<'_> {
    /// As [`Storage::put_oauth_client`], of this tenant. A change of what credentials its calls
    /// have.
    ///
    /// # Errors
    /// As there; `NotFound` without such a tenant.
    pub async fn put_oauth_client(
        &self,
        client: &OAuthClientRow,
        expected: Option<i64>,
    ) -> Result<(i64, OAuthClientRow), StorageError> {
        let mut tx = self.write().await?;
        let tenant = Some(self.tenant);
        let stored = self
            .storage
            .put_client(&mut tx, tenant, client, expected)
            .await?;
        Ok((self.clients_changed(tx).await?, stored))
    }

    /// This tenant's own registration at a provider.
    pub async fn find_oauth_client(
        &self,
        provider: &str,
    ) -> Result<Option<OAuthClientRow>, StorageError> {
        let mut tx = self.read().await?;
        let tenant = Some(self.tenant);
        self.storage.client_of(&mut tx, tenant, provider).await
    }

    /// A registration that accounts of this tenant may be connected with: its own or the
    /// operator's.
    pub async fn usable_oauth_client(
        &self,
        id: Uuid,
    ) -> Result<Option<OAuthClientRow>, StorageError> {
        // The operator's is out of this tenant's sight.
        let mut tx = self.storage.read().await?;
        let row: Option<Row> = fetch_optional!(
            &mut tx,
            sqlx::query_as(FIND_CLIENT_BY_ID)
                .bind(id)
                .bind(self.tenant.as_uuid())
        )?;
        match row {
            Some(row) => self.storage.open_client(&mut tx, row).await.map(Some),
            None => Ok(None),
        }
    }

    /// This tenant's registrations in the order of their creation, from the one after `after` on.
    pub async fn list_oauth_clients(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<OAuthClientRow>, StorageError> {
        let mut tx = self.read().await?;
        let tenant = Some(self.tenant);
        self.storage.clients_of(&mut tx, tenant, after, limit).await
    }

    /// Those of this tenant's registrations that no account is connected with.
    pub async fn list_unused_oauth_clients(&self) -> Result<Vec<OAuthClientRow>, StorageError> {
        let mut tx = self.read().await?;
        let rows: Vec<Row> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_UNUSED_CLIENTS).bind(self.tenant.as_uuid())
        )?;
        let mut clients = Vec::with_capacity(rows.len());
        for row in rows {
            clients.push(self.storage.open_client(&mut tx, row).await?);
        }
        Ok(clients)
    }

    /// As [`Storage::delete_oauth_client`], of this tenant.
    ///
    /// # Errors
    /// `NotFound`; `VersionMismatch` when `expected` is given and is not the stored version.
    pub async fn delete_oauth_client(
        &self,
        provider: &str,
        expected: Option<i64>,
    ) -> Result<i64, StorageError> {
        let mut tx = self.write().await?;
        remove_client(&mut tx, Some(self.tenant), provider, expected).await?;
        self.clients_changed(tx).await
    }

    async fn clients_changed(&self, mut tx: Tx) -> Result<i64, StorageError> {
        connectors_changed(&mut tx, self.tenant, None).await?;
        let revision = changes::record(&mut tx, Some(self.tenant), Kind::AccountsChanged).await?;
        tx.commit().await?;
        Ok(revision)
    }
}

async fn hold_client(
    tx: &mut Tx,
    tenant: Option<TenantId>,
    provider: &str,
) -> Result<Option<HeldRow>, StorageError> {
    fetch_optional!(
        tx,
        sqlx::query_as(HOLD_CLIENT)
            .bind(tenant.map(|id| id.as_uuid()))
            .bind(provider)
    )
}

async fn remove_client(
    tx: &mut Tx,
    tenant: Option<TenantId>,
    provider: &str,
    expected: Option<i64>,
) -> Result<(), StorageError> {
    let held = hold_client(tx, tenant, provider).await?;
    let (id, _, version, _) = held.ok_or(StorageError::NotFound)?;
    if expected.is_some_and(|expected| expected != version) {
        return Err(StorageError::VersionMismatch);
    }
    delete_row(tx, tenant, id).await
}

async fn delete_row(tx: &mut Tx, tenant: Option<TenantId>, id: Uuid) -> Result<(), StorageError> {
    let whose = tenant.map(|id| id.as_uuid());
    execute!(tx, sqlx::query(DELETE_CLIENT).bind(whose).bind(id))?;
    Ok(())
}
