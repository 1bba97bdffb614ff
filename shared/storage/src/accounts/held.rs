//! Accounts as they are read: without their tokens for people, with them for who makes calls.

use domain::{Account, AccountId, AccountOwner, AccountSecrets, AccountState, ConnectorId, KeyId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Row, columns, owner_column};
use crate::row::{number, optional_time, time, word};
use crate::tx::{Tx, fetch_all, fetch_optional};
use crate::{Storage, StorageError, TenantStorage};

const FIND_ACCOUNT: &str = columns!("WHERE tenant_id = $1 AND id = $2");
/// NULL for `$3`: all owners'.
const LIST_ACCOUNTS: &str = columns!(
    "WHERE tenant_id = $1 AND connector_id = $2 AND ($3 IS NULL OR owner IS NOT DISTINCT FROM $4)
       AND id > $5
     ORDER BY id
     LIMIT $6"
);

/// What [`columns`] leaves out.
macro_rules! held {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant_id, connector_id, owner, name, ",
            "COALESCE(minted_by, method) AS method, state, preferred, subject, ",
            "scopes, variables, token_generation, expires_at, problem, created_at, updated_at, ",
            "refreshed_at, generation, sealed, oauth_client_id, refresh_at, renewing_by, ",
            "renewing_until, fence, failures FROM accounts ",
            $rest
        )
    };
}
const FIND_HELD: &str = held!("WHERE tenant_id = $1 AND id = $2");
/// The key's own before the tenant's.
const FIND_CREDENTIAL: &str = held!(
    "WHERE tenant_id = $1 AND connector_id = $2 AND preferred AND (owner = $3 OR owner IS NULL)
     ORDER BY CASE WHEN owner IS NULL THEN 1 ELSE 0 END
     LIMIT 1"
);
/// All of them, those that are of use and preferred first.
const LIST_CREDENTIALS: &str = held!(
    "WHERE tenant_id = $1 AND connector_id = $2 AND (owner = $3 OR owner IS NULL)
     ORDER BY CASE WHEN owner IS NULL THEN 1 ELSE 0 END, preferred DESC,
       CASE WHEN state = 'connected' THEN 0 ELSE 1 END, id DESC
     LIMIT $4"
);
const LIST_HELD: &str = held!(
    "WHERE tenant_id = $1 AND ($2 IS NULL OR connector_id = $2) AND id > $3
     ORDER BY id
     LIMIT $4"
);
pub(super) const LIST_HELD_OF_KEY: &str = held!(
    "WHERE tenant_id = $1 AND owner = $2
     ORDER BY id"
);

const COUNT_BY_STATE: &str = "SELECT state, COUNT(*) FROM accounts GROUP BY state";

/// An account with its tokens in clear, and how its renewal stands.
#[derive(Clone, Debug)]
pub struct HeldAccount {
    pub account: Account,
    pub secrets: AccountSecrets,
    /// The registration that it was connected with; none for a pasted token, and when the
    /// registration was deleted.
    pub oauth_client: Option<Uuid>,
    /// When it is refreshed in the background; none: never.
    pub refresh_at: Option<OffsetDateTime>,
    /// Who refreshes it now.
    pub renewing: Option<Renewing>,
    /// Refreshes in a row that failed.
    pub failures: u32,
    /// When it was read, by the database's clock, which `renewing.until` goes by.
    pub read_at: OffsetDateTime,
}

/// A refresh under way, or one whose process died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewing {
    pub by: Uuid,
    pub until: OffsetDateTime,
}

impl HeldAccount {
    /// Whether somebody's claim to refresh it lasts.
    pub fn is_being_renewed(&self) -> bool {
        self.renewing
            .is_some_and(|renewing| renewing.until > self.read_at)
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct HeldRow {
    #[sqlx(flatten)]
    account: Row,
    generation: i64,
    sealed: Vec<u8>,
    oauth_client_id: Option<Uuid>,
    refresh_at: Option<i64>,
    renewing_by: Option<Uuid>,
    renewing_until: Option<i64>,
    failures: i64,
}

impl TenantStorage<'_> {
    pub async fn find_account(&self, id: AccountId) -> Result<Option<Account>, StorageError> {
        let mut tx = self.read().await?;
        let row: Option<Row> = fetch_optional!(
            &mut tx,
            sqlx::query_as(FIND_ACCOUNT)
                .bind(self.tenant.as_uuid())
                .bind(id.as_uuid())
        )?;
        row.map(Account::try_from).transpose()
    }

    /// Accounts for a connector, of one owner or of all, in the order of their creation, from the
    /// one after `after` on.
    pub async fn list_accounts(
        &self,
        connector: ConnectorId,
        owner: Option<AccountOwner>,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<Account>, StorageError> {
        let mut tx = self.read().await?;
        let rows: Vec<Row> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_ACCOUNTS)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(owner.map(|_| 1_i64))
                .bind(owner.and_then(owner_column))
                .bind(after.map_or(Uuid::nil(), |id| id.as_uuid()))
                .bind(i64::from(limit))
        )?;
        rows.into_iter().map(Account::try_from).collect()
    }

    /// An account with its tokens in clear.
    pub async fn held_account(&self, id: AccountId) -> Result<Option<HeldAccount>, StorageError> {
        let mut tx = self.read().await?;
        self.held_in(&mut tx, id).await
    }

    /// What calls of a key to a connector are made with: the account that the key prefers of its
    /// own, or else the one that the tenant prefers.
    pub async fn credential(
        &self,
        connector: ConnectorId,
        key: KeyId,
    ) -> Result<Option<HeldAccount>, StorageError> {
        let mut tx = self.read().await?;
        let row: Option<HeldRow> = fetch_optional!(
            &mut tx,
            sqlx::query_as(FIND_CREDENTIAL)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(key.as_uuid())
        )?;
        self.opened_row(&mut tx, row).await
    }

    /// All that calls of a key to a connector may be made with, the nearest first: the key's own
    /// before the tenant's, of these the preferred one, then those that are not over, the latest
    /// first. At most `limit`.
    pub async fn credentials(
        &self,
        connector: ConnectorId,
        key: KeyId,
        limit: u32,
    ) -> Result<Vec<HeldAccount>, StorageError> {
        let mut tx = self.read().await?;
        let rows: Vec<HeldRow> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_CREDENTIALS)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(key.as_uuid())
                .bind(i64::from(limit))
        )?;
        self.opened_rows(&mut tx, rows).await
    }

    /// Accounts with their tokens, of one connector or of all of this tenant: for who must have
    /// them revoked at their providers before they are gone.
    pub async fn list_held_accounts(
        &self,
        connector: Option<ConnectorId>,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<HeldAccount>, StorageError> {
        let mut tx = self.read().await?;
        let rows: Vec<HeldRow> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_HELD)
                .bind(self.tenant.as_uuid())
                .bind(connector.map(|id| id.as_uuid()))
                .bind(after.map_or(Uuid::nil(), |id| id.as_uuid()))
                .bind(i64::from(limit))
        )?;
        self.opened_rows(&mut tx, rows).await
    }

    pub(super) async fn held_in(
        &self,
        tx: &mut Tx,
        id: AccountId,
    ) -> Result<Option<HeldAccount>, StorageError> {
        let row: Option<HeldRow> = fetch_optional!(
            &mut *tx,
            sqlx::query_as(FIND_HELD)
                .bind(self.tenant.as_uuid())
                .bind(id.as_uuid())
        )?;
        self.opened_row(tx, row).await
    }

    async fn opened_row(
        &self,
        tx: &mut Tx,
        row: Option<HeldRow>,
    ) -> Result<Option<HeldAccount>, StorageError> {
        let opened = self.opened_rows(tx, row.into_iter().collect()).await?;
        Ok(opened.into_iter().next())
    }

    pub(super) async fn opened_rows(
        &self,
        tx: &mut Tx,
        rows: Vec<HeldRow>,
    ) -> Result<Vec<HeldAccount>, StorageError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let read_at = time(tx.now().await?)?;
        let mut opened = Vec::with_capacity(rows.len());
        for row in rows {
            let account = Account::try_from(row.account)?;
            let sealed = (row.generation, row.sealed.as_slice());
            let secrets = self
                .storage
                .open_tokens(tx, self.tenant, account.id, sealed)
                .await?;
            let until = optional_time(row.renewing_until)?;
            opened.push(HeldAccount {
                account,
                secrets,
                oauth_client: row.oauth_client_id,
                refresh_at: optional_time(row.refresh_at)?,
                renewing: row
                    .renewing_by
                    .zip(until)
                    .map(|(by, until)| Renewing { by, until }),
                failures: number("count of failures", row.failures)?,
                read_at,
            });
        }
        Ok(opened)
    }
}

impl Storage {
    /// How many accounts there are in each state, of all tenants.
    pub async fn count_accounts(&self) -> Result<Vec<(AccountState, u64)>, StorageError> {
        let mut tx = self.read().await?;
        let rows: Vec<(String, i64)> = fetch_all!(&mut tx, sqlx::query_as(COUNT_BY_STATE))?;
        let counted = rows.into_iter().map(|(state, count)| {
            Ok((
                word("state of an account", &state)?,
                number("count", count)?,
            ))
        });
        counted.collect()
    }
}
