//! First answers to requests with an idempotency key, so that a repeated request gets the same
//! answer and does nothing twice.

use std::fmt;
use std::time::Duration;

use domain::{KeyId, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::Constraint;
use crate::row::{digest, micros, number, time};
use crate::sealed::REMEMBERED_RESPONSE;
use crate::tx::{Scope, Tx, execute, fetch_optional};
use crate::{Storage, StorageError};

/// How long an idempotency key is taken. Afterwards it may be used anew.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The first answer to a request. Sealed at rest, as it may hold a new key's secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Idempotency keys of different callers have nothing to do with each other.
    pub caller: KeyId,
    /// What was asked for; a key may be used once for each.
    pub operation: String,
    /// The `Idempotency-Key`.
    pub key: String,
    /// Tells whether a repeated request is the same request.
    pub request_hash: [u8; 32],
    /// HTTP status of the answer.
    pub status: u16,
    /// Body of the answer, in clear.
    pub response: Vec<u8>,
    pub created_at: OffsetDateTime,
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered")
            .field("operation", &self.operation)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// An older row under the same key is no longer in force and gives way.
const REMEMBER: &str = "
    INSERT INTO remembered (caller, operation, key, tenant_id, request_hash, status, generation,
                            response, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (caller, operation, key) DO UPDATE SET
        tenant_id = excluded.tenant_id,
        request_hash = excluded.request_hash,
        status = excluded.status,
        generation = excluded.generation,
        response = excluded.response,
        created_at = excluded.created_at
    WHERE remembered.created_at <= $10";
const FIND_REMEMBERED: &str = "
    SELECT tenant_id, request_hash, status, generation, response, created_at
    FROM remembered
    WHERE caller = $1 AND operation = $2 AND key = $3 AND created_at >= $4";
const PURGE_REMEMBERED: &str = "DELETE FROM remembered WHERE created_at < $1";

#[derive(sqlx::FromRow)]
struct Row {
    tenant_id: Option<Uuid>,
    request_hash: Vec<u8>,
    status: i64,
    generation: i64,
    response: Vec<u8>,
    created_at: i64,
}

impl Storage {
    /// The answer that `caller` got for this operation and key at `not_before` or later.
    pub async fn find_remembered(
        &self,
        caller: KeyId,
        operation: &str,
        key: &str,
        not_before: OffsetDateTime,
    ) -> Result<Option<Remembered>, StorageError> {
        let mut tx = self.read().await?;
        let row: Option<Row> = fetch_optional!(
            &mut tx,
            sqlx::query_as(FIND_REMEMBERED)
                .bind(caller.as_uuid())
                .bind(operation)
                .bind(key)
                .bind(micros(not_before))
        )?;
        let Some(row) = row else { return Ok(None) };
        let tenant = row.tenant_id.map(TenantId::new);
        let owner = self.opening_key(&mut tx, tenant, row.generation).await?;
        let place = place(caller, operation, key);
        let mut response = owner.open(&REMEMBERED_RESPONSE, &place, &row.response)?;
        Ok(Some(Remembered {
            caller,
            operation: operation.to_owned(),
            key: key.to_owned(),
            request_hash: digest("request hash", &row.request_hash)?,
            status: number("status", row.status)?,
            response: std::mem::take(&mut *response),
            created_at: time(row.created_at)?,
        }))
    }

    /// Forgets the answers given before a time; says how many.
    pub async fn purge_remembered(&self, before: OffsetDateTime) -> Result<u64, StorageError> {
        let mut tx = self.write().await?;
        let purged = execute!(&mut tx, sqlx::query(PURGE_REMEMBERED).bind(micros(before)))?;
        tx.commit().await?;
        Ok(purged)
    }

    /// Remembers an answer in the transaction of what it answers. To be called before the change
    /// itself, so that of two equal requests at once the later one learns that it is a repetition
    /// and not that its slug is taken.
    pub(crate) async fn remember(
        &self,
        tx: &mut Tx,
        tenant: Option<TenantId>,
        remembered: Option<&Remembered>,
    ) -> Result<(), StorageError> {
        let Some(answer) = remembered else {
            return Ok(());
        };
        let owner = self.sealing_key(&mut *tx, tenant).await?;
        let place = place(answer.caller, &answer.operation, &answer.key);
        let response = owner.seal(&REMEMBERED_RESPONSE, &place, &answer.response);
        // The caller may have used its key for another tenant, and must learn of it.
        tx.enter(Scope::Platform).await?;
        let written = execute!(
            &mut *tx,
            sqlx::query(REMEMBER)
                .bind(answer.caller.as_uuid())
                .bind(answer.operation.as_str())
                .bind(answer.key.as_str())
                .bind(tenant.map(|id| id.as_uuid()))
                .bind(answer.request_hash.as_slice())
                .bind(i64::from(answer.status))
                .bind(i64::from(owner.generation))
                .bind(response.as_slice())
                .bind(micros(answer.created_at))
                .bind(micros(answer.created_at - REMEMBERED_FOR))
        )?;
        if written == 0 {
            return Err(StorageError::Conflict(Constraint::IdempotencyKeyTaken));
        }
        if let Some(tenant) = tenant {
            tx.enter(Scope::Tenant(tenant)).await?;
        }
        Ok(())
    }
}

/// The row's key as text; the length keeps its parts apart.
fn place(caller: KeyId, operation: &str, key: &str) -> String {
    format!("{caller}/{}/{operation}/{key}", operation.len())
}
