//! Accounts as people change them: connected, renamed, preferred, and gone.

use domain::limits::ACCOUNTS_PER_OWNER;
use domain::{Account, AccountId, AccountOwner, AccountSecrets, ConnectorId, KeyId, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::held::{HeldAccount, HeldRow, LIST_HELD_OF_KEY};
use super::{Row, columns, connectors_changed, method_columns, owner_column};
use crate::changes::{self, Kind};
use crate::connect_flows::ConnectFlow;
use crate::error::Constraint;
use crate::row::{micros, to_json};
use crate::tx::{Scope, Tx, execute, fetch_all, fetch_one, fetch_optional};
use crate::{Storage, StorageError, TenantStorage};

const FIND_ACCOUNT: &str = columns!("WHERE tenant_id = $1 AND id = $2");
/// Keys of the platform work for every tenant.
const FIND_LIVING_KEY: &str = "
    SELECT id FROM api_keys
    WHERE id = $2 AND (tenant_id = $1 OR tenant_id IS NULL) AND revoked_at IS NULL";
const COUNT_OF_OWNER: &str = "
    SELECT COUNT(*) FROM accounts
    WHERE tenant_id = $1 AND connector_id = $2 AND owner IS NOT DISTINCT FROM $3";
const PREFER_NONE: &str = "
    UPDATE accounts SET preferred = FALSE
    WHERE tenant_id = $1 AND connector_id = $2 AND owner IS NOT DISTINCT FROM $3 AND preferred";
const PREFER_LAST: &str = "
    UPDATE accounts SET preferred = TRUE
    WHERE tenant_id = $1 AND id = (
        SELECT id FROM accounts
        WHERE tenant_id = $1 AND connector_id = $2 AND owner IS NOT DISTINCT FROM $3
        ORDER BY id DESC
        LIMIT 1)";
const CREATE_ACCOUNT: &str = "
    INSERT INTO accounts (tenant_id, id, connector_id, owner, name, method, state, preferred,
                          subject, scopes, variables, token_generation, generation, sealed,
                          oauth_client_id, expires_at, refresh_at, problem, created_at, updated_at,
                          minted_by)
    VALUES ($1, $2, $3, $4, $5, $6, 'connected', $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
            NULL, $17, $18, $19)";
/// Voids every renewal under way by the new generation.
const RECONNECT_ACCOUNT: &str = "
    UPDATE accounts
    SET name = $3, method = $4, state = 'connected', preferred = $5, subject = $6, scopes = $7,
        variables = $8, token_generation = token_generation + 1, generation = $9, sealed = $10,
        oauth_client_id = $11, expires_at = $12, refresh_at = $13, problem = NULL, failures = 0,
        renewing_by = NULL, renewing_until = NULL, refreshed_at = NULL, updated_at = $14,
        minted_by = $15
    WHERE tenant_id = $1 AND id = $2";
const CHANGE_ACCOUNT: &str = "
    UPDATE accounts SET name = $3, preferred = $4, updated_at = $5
    WHERE tenant_id = $1 AND id = $2";
const DELETE_ACCOUNT: &str = "DELETE FROM accounts WHERE tenant_id = $1 AND id = $2";
const DELETE_OF_KEY: &str = "DELETE FROM accounts WHERE tenant_id = $1 AND owner = $2";
const LIST_ORPHANED: &str = "
    SELECT DISTINCT accounts.tenant_id, api_keys.id
    FROM accounts JOIN api_keys ON api_keys.id = accounts.owner
    WHERE api_keys.revoked_at IS NOT NULL OR api_keys.expires_at <= $1
    ORDER BY 1, 2
    LIMIT $2";

/// What has been connected.
#[derive(Debug)]
pub struct NewAccount {
    /// With the id of one that is there its tokens are replaced, and it keeps its owner and the
    /// time it was made. State, generation and problem are the storage's to say.
    pub account: Account,
    pub secrets: AccountSecrets,
    /// The registration that it was connected with; none for a pasted token.
    pub oauth_client: Option<Uuid>,
    /// When to refresh it in the background; none: never.
    pub refresh_at: Option<OffsetDateTime>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    pub revision: i64,
    /// As it is stored now.
    pub account: Account,
}

impl TenantStorage<'_> {
    /// Stores an account that was connected, and, in the same moment, that the attempt to connect
    /// it, which was as `flow.0` says, is now as `flow.1` says.
    ///
    /// # Errors
    /// `NotFound` without such a connector, or when the owner's key is revoked or another
    /// tenant's; `VersionMismatch` when the attempt has moved on; `Conflict` with `NameTaken` or
    /// `LimitReached`.
    pub async fn connect_account(
        &self,
        new: &NewAccount,
        flow: Option<(&ConnectFlow, &ConnectFlow)>,
    ) -> Result<Connected, StorageError> {
        let account = &new.account;
        if account.tenant != self.tenant {
            return Err(StorageError::NotFound);
        }
        let mut tx = self.write().await?;
        self.hold_connector(&mut tx, account.connector).await?;
        self.check_owner_lives(&mut tx, account.owner).await?;
        if let Some((before, after)) = flow
            && !self.advance_in(&mut tx, before, after).await?
        {
            return Err(StorageError::VersionMismatch);
        }
        let (id, connector) = (account.id, account.connector);
        match self.account_in(&mut tx, id).await? {
            Some(known) if known.connector == connector && known.owner == account.owner => {
                self.reconnect(&mut tx, new).await?;
            }
            Some(_) => return Err(StorageError::Conflict(Constraint::IdTaken)),
            None => self.add_account(&mut tx, new).await?,
        }
        let stored = self.account_in(&mut tx, id).await?;
        let account = stored.ok_or(StorageError::NotFound)?;
        let revision = self.accounts_changed(tx, connector).await?;
        Ok(Connected { revision, account })
    }

    /// Gives an account another name, or has its owner's calls made with it from now on.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` with `NameTaken`.
    pub async fn change_account(
        &self,
        id: AccountId,
        name: Option<&str>,
        prefer: bool,
        at: OffsetDateTime,
    ) -> Result<Connected, StorageError> {
        let mut tx = self.write().await?;
        let known = self.account_in(&mut tx, id).await?;
        let known = known.ok_or(StorageError::NotFound)?;
        if prefer {
            self.prefer_none(&mut tx, known.connector, known.owner)
                .await?;
        }
        execute!(
            &mut tx,
            sqlx::query(CHANGE_ACCOUNT)
                .bind(self.tenant.as_uuid())
                .bind(id.as_uuid())
                .bind(name.unwrap_or(&known.name))
                .bind(prefer || known.preferred)
                .bind(micros(at))
        )?;
        let stored = self.account_in(&mut tx, id).await?;
        let account = stored.ok_or(StorageError::NotFound)?;
        let revision = self.accounts_changed(tx, known.connector).await?;
        Ok(Connected { revision, account })
    }

    /// Deletes an account. If calls used it, they use the one that its owner connected last of
    /// those that are left. What it held is returned, so that the provider can be told.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_account(&self, id: AccountId) -> Result<(i64, HeldAccount), StorageError> {
        let mut tx = self.write().await?;
        let held = self.held_in(&mut tx, id).await?;
        let held = held.ok_or(StorageError::NotFound)?;
        let (connector, owner) = (held.account.connector, held.account.owner);
        execute!(
            &mut tx,
            sqlx::query(DELETE_ACCOUNT)
                .bind(self.tenant.as_uuid())
                .bind(id.as_uuid())
        )?;
        if held.account.preferred {
            execute!(
                &mut tx,
                sqlx::query(PREFER_LAST)
                    .bind(self.tenant.as_uuid())
                    .bind(connector.as_uuid())
                    .bind(owner_column(owner))
            )?;
        }
        let revision = self.accounts_changed(tx, connector).await?;
        Ok((revision, held))
    }

    /// Deletes all accounts of a key, as when it is revoked, and returns what they held. No
    /// revision when it has none.
    pub async fn delete_accounts_of_key(
        &self,
        key: KeyId,
    ) -> Result<(Option<i64>, Vec<HeldAccount>), StorageError> {
        let mut tx = self.write().await?;
        let rows: Vec<HeldRow> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_HELD_OF_KEY)
                .bind(self.tenant.as_uuid())
                .bind(key.as_uuid())
        )?;
        let held = self.opened_rows(&mut tx, rows).await?;
        if held.is_empty() {
            return Ok((None, held));
        }
        execute!(
            &mut tx,
            sqlx::query(DELETE_OF_KEY)
                .bind(self.tenant.as_uuid())
                .bind(key.as_uuid())
        )?;
        let mut connectors: Vec<ConnectorId> =
            held.iter().map(|held| held.account.connector).collect();
        connectors.sort_unstable();
        connectors.dedup();
        for connector in connectors {
            connectors_changed(&mut tx, self.tenant, Some(connector)).await?;
        }
        let revision = changes::record(&mut tx, Some(self.tenant), Kind::AccountsChanged).await?;
        tx.commit().await?;
        Ok((Some(revision), held))
    }

    async fn add_account(&self, tx: &mut Tx, new: &NewAccount) -> Result<(), StorageError> {
        let account = &new.account;
        let (connector, owner) = (account.connector, owner_column(account.owner));
        let (count,): (i64,) = fetch_one!(
            &mut *tx,
            sqlx::query_as(COUNT_OF_OWNER)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(owner)
        )?;
        if usize::try_from(count).is_ok_and(|count| count >= ACCOUNTS_PER_OWNER) {
            return Err(StorageError::Conflict(Constraint::LimitReached));
        }
        let preferred = account.preferred || count == 0;
        if preferred {
            self.prefer_none(tx, connector, account.owner).await?;
        }
        let (generation, sealed) = self
            .storage
            .seal_tokens(tx, self.tenant, account.id, &new.secrets)
            .await?;
        let (method, minted_by) = method_columns(account.method);
        execute!(
            &mut *tx,
            sqlx::query(CREATE_ACCOUNT)
                .bind(self.tenant.as_uuid())
                .bind(account.id.as_uuid())
                .bind(connector.as_uuid())
                .bind(owner)
                .bind(account.name.as_str())
                .bind(method)
                .bind(preferred)
                .bind(account.subject.as_deref())
                .bind(to_json(&account.scopes))
                .bind(to_json(&account.variables))
                .bind(1_i64)
                .bind(generation)
                .bind(sealed)
                .bind(new.oauth_client)
                .bind(account.expires_at.map(micros))
                .bind(new.refresh_at.map(micros))
                .bind(micros(account.created_at))
                .bind(micros(account.updated_at))
                .bind(minted_by)
        )?;
        Ok(())
    }

    async fn reconnect(&self, tx: &mut Tx, new: &NewAccount) -> Result<(), StorageError> {
        let account = &new.account;
        if account.preferred {
            self.prefer_none(tx, account.connector, account.owner)
                .await?;
        }
        let (generation, sealed) = self
            .storage
            .seal_tokens(tx, self.tenant, account.id, &new.secrets)
            .await?;
        let (method, minted_by) = method_columns(account.method);
        execute!(
            &mut *tx,
            sqlx::query(RECONNECT_ACCOUNT)
                .bind(self.tenant.as_uuid())
                .bind(account.id.as_uuid())
                .bind(account.name.as_str())
                .bind(method)
                .bind(account.preferred)
                .bind(account.subject.as_deref())
                .bind(to_json(&account.scopes))
                .bind(to_json(&account.variables))
                .bind(generation)
                .bind(sealed)
                .bind(new.oauth_client)
                .bind(account.expires_at.map(micros))
                .bind(new.refresh_at.map(micros))
                .bind(micros(account.updated_at))
                .bind(minted_by)
        )?;
        Ok(())
    }

    pub(super) async fn account_in(
        &self,
        tx: &mut Tx,
        id: AccountId,
    ) -> Result<Option<Account>, StorageError> {
        let row: Option<Row> = fetch_optional!(
            tx,
            sqlx::query_as(FIND_ACCOUNT)
                .bind(self.tenant.as_uuid())
                .bind(id.as_uuid())
        )?;
        row.map(Account::try_from).transpose()
    }

    async fn prefer_none(
        &self,
        tx: &mut Tx,
        connector: ConnectorId,
        owner: AccountOwner,
    ) -> Result<(), StorageError> {
        execute!(
            tx,
            sqlx::query(PREFER_NONE)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(owner_column(owner))
        )?;
        Ok(())
    }

    /// Whether the key that is to own something may own anything here.
    pub(crate) async fn check_owner_lives(
        &self,
        tx: &mut Tx,
        owner: AccountOwner,
    ) -> Result<(), StorageError> {
        let AccountOwner::Key(key) = owner else {
            return Ok(());
        };
        // It may be the platform's, which is out of this tenant's sight.
        tx.enter(Scope::Platform).await?;
        let row: Option<(Uuid,)> = fetch_optional!(
            &mut *tx,
            sqlx::query_as(FIND_LIVING_KEY)
                .bind(self.tenant.as_uuid())
                .bind(key.as_uuid())
        )?;
        tx.enter(Scope::Tenant(self.tenant)).await?;
        row.map(drop).ok_or(StorageError::NotFound)
    }

    /// Notes that the credentials of a connector are others now, and commits.
    pub(super) async fn accounts_changed(
        &self,
        mut tx: Tx,
        connector: ConnectorId,
    ) -> Result<i64, StorageError> {
        connectors_changed(&mut tx, self.tenant, Some(connector)).await?;
        let revision = changes::record(&mut tx, Some(self.tenant), Kind::AccountsChanged).await?;
        tx.commit().await?;
        Ok(revision)
    }
}

impl Storage {
    /// Keys that are revoked or over and own accounts still, with the tenant of these.
    pub async fn list_orphaned_accounts(
        &self,
        now: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<(TenantId, KeyId)>, StorageError> {
        let mut tx = self.read().await?;
        let rows: Vec<(Uuid, Uuid)> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_ORPHANED)
                .bind(micros(now))
                .bind(i64::from(limit))
        )?;
        let ids = |(tenant, key)| (TenantId::new(tenant), KeyId::new(key));
        Ok(rows.into_iter().map(ids).collect())
    }
}
