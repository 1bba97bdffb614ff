//! What is sealed at rest, and with which key.

use crypto::{Aad, DataKey};
use domain::TenantId;
use zeroize::Zeroizing;

use crate::row::number;
use crate::tx::{Tx, execute, fetch_optional};
use crate::{Storage, StorageError};

/// A column that holds sealed bytes. Sealing and opening take one of these, so the list below is
/// the truth: rotation and tests go by it.
#[derive(Debug, PartialEq, Eq)]
pub struct SealedColumn {
    pub table: &'static str,
    pub column: &'static str,
}

/// All of a connector's secrets, as one JSON document. Row: the connector's id.
pub(crate) const CONNECTOR_SECRETS: SealedColumn = SealedColumn {
    table: "connector_secrets",
    column: "sealed",
};
/// A first answer, which may hold a new key's secret. Row: caller, operation and key.
pub(crate) const REMEMBERED_RESPONSE: SealedColumn = SealedColumn {
    table: "remembered",
    column: "response",
};

/// The secret of an OAuth client, as it is. Row: the client's id.
pub(crate) const OAUTH_CLIENT_SECRET: SealedColumn = SealedColumn {
    table: "oauth_clients",
    column: "sealed",
};
/// What ends a registration at its server, as it is. Row: the client's id.
pub(crate) const OAUTH_CLIENT_REGISTRATION: SealedColumn = SealedColumn {
    table: "oauth_clients",
    column: "registration",
};
/// An account's tokens, as one JSON document. Row: the account's id.
pub(crate) const ACCOUNT_TOKENS: SealedColumn = SealedColumn {
    table: "accounts",
    column: "sealed",
};
/// What an attempt to connect an account must keep to itself. Row: the attempt's id.
pub(crate) const CONNECT_FLOW_DETAILS: SealedColumn = SealedColumn {
    table: "connect_flows",
    column: "sealed",
};

/// Every sealed column there is.
pub const SEALED_COLUMNS: &[SealedColumn] = &[
    CONNECTOR_SECRETS,
    REMEMBERED_RESPONSE,
    OAUTH_CLIENT_SECRET,
    OAUTH_CLIENT_REGISTRATION,
    ACCOUNT_TOKENS,
    CONNECT_FLOW_DETAILS,
];

/// No column: a file of some purpose.
const fn outside(purpose: &'static str) -> SealedColumn {
    SealedColumn {
        table: "outside the database",
        column: purpose,
    }
}

/// Generation of the platform's data key, which is derived and lives as long as the root key.
const PLATFORM_GENERATION: u32 = 1;

const CREATE_DATA_KEY: &str = "
    INSERT INTO data_keys (tenant_id, generation, wrapped, wrapped_by, created_at)
    VALUES ($1, $2, $3, $4, $5)";
const FIND_NEWEST_DATA_KEY: &str = "
    SELECT generation, wrapped FROM data_keys
    WHERE tenant_id = $1
    ORDER BY generation DESC
    LIMIT 1";
const FIND_DATA_KEY: &str = "
    SELECT generation, wrapped FROM data_keys
    WHERE tenant_id = $1 AND generation = $2";

/// A data key with what fields sealed by it are bound to.
pub(crate) struct OwnerKey {
    tenant: Option<TenantId>,
    pub(crate) generation: u32,
    key: DataKey,
}

impl OwnerKey {
    pub(crate) fn seal(&self, column: &SealedColumn, row: &str, plain: &[u8]) -> Vec<u8> {
        self.key.seal(plain, &self.place(column, row))
    }

    pub(crate) fn open(
        &self,
        column: &SealedColumn,
        row: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StorageError> {
        Ok(self.key.open(sealed, &self.place(column, row))?)
    }

    fn place<'a>(&self, column: &SealedColumn, row: &'a str) -> Aad<'a> {
        Aad {
            tenant: self.tenant,
            table: column.table,
            column: column.column,
            row,
            generation: self.generation,
        }
    }
}

impl Storage {
    /// Gives a new tenant its first data key.
    pub(crate) async fn create_data_key(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        at: i64,
    ) -> Result<(), StorageError> {
        let generation = 1;
        let wrapped = DataKey::generate().wrap(self.root(), tenant, generation);
        execute!(
            tx,
            sqlx::query(CREATE_DATA_KEY)
                .bind(tenant.as_uuid())
                .bind(i64::from(generation))
                .bind(wrapped.as_slice())
                .bind(self.root().id())
                .bind(at)
        )?;
        Ok(())
    }

    /// The key that new fields of this owner are sealed with. `NotFound`: no such tenant.
    pub(crate) async fn sealing_key(
        &self,
        tx: &mut Tx,
        tenant: Option<TenantId>,
    ) -> Result<OwnerKey, StorageError> {
        let Some(tenant) = tenant else {
            return Ok(self.platform_key());
        };
        let row: Option<(i64, Vec<u8>)> = fetch_optional!(
            tx,
            sqlx::query_as(FIND_NEWEST_DATA_KEY).bind(tenant.as_uuid())
        )?;
        self.unwrap(tenant, row.ok_or(StorageError::NotFound)?)
    }

    /// The key that a field of this owner was sealed with.
    pub(crate) async fn opening_key(
        &self,
        tx: &mut Tx,
        tenant: Option<TenantId>,
        generation: i64,
    ) -> Result<OwnerKey, StorageError> {
        let Some(tenant) = tenant else {
            return Ok(self.platform_key());
        };
        let row: Option<(i64, Vec<u8>)> = fetch_optional!(
            tx,
            sqlx::query_as(FIND_DATA_KEY)
                .bind(tenant.as_uuid())
                .bind(generation)
        )?;
        let row = row.ok_or_else(|| {
            StorageError::Corrupt(format!("tenant {tenant} has no data key {generation}"))
        })?;
        self.unwrap(tenant, row)
    }

    /// Seals what must lie outside of the database for a while, with a key that is there without
    /// it. It opens for the same purpose and name only.
    pub fn seal_outside(&self, purpose: &'static str, name: &str, plain: &[u8]) -> Vec<u8> {
        self.platform_key().seal(&outside(purpose), name, plain)
    }

    /// What [`Self::seal_outside`] sealed.
    ///
    /// # Errors
    /// `Crypto` when it is not that, or was sealed under another root key.
    pub fn open_outside(
        &self,
        purpose: &'static str,
        name: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StorageError> {
        self.platform_key().open(&outside(purpose), name, sealed)
    }

    fn platform_key(&self) -> OwnerKey {
        let key = DataKey::of_platform(self.root());
        OwnerKey {
            tenant: None,
            generation: PLATFORM_GENERATION,
            key,
        }
    }

    fn unwrap(&self, tenant: TenantId, row: (i64, Vec<u8>)) -> Result<OwnerKey, StorageError> {
        let (generation, wrapped) = row;
        let generation = number("data key generation", generation)?;
        let key = DataKey::unwrap(self.root(), tenant, generation, &wrapped)?;
        Ok(OwnerKey {
            tenant: Some(tenant),
            generation,
            key,
        })
    }
}
