//! One refresh of a pair of tokens at a time, over all processes, and none that is lost.
//!
//! Who refreshes claims the account's row for a while, by the database's clock. Each claim has a
//! higher fence. These statements touch that row alone and take no other, so they wait for nobody
//! but each other.

use std::time::Duration;

use domain::{AccountId, AccountSecrets, AccountState, ConnectorId, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::held::HeldAccount;
use crate::row::{micros, to_json};
use crate::tx::{Scope, Tx, execute, fetch_all, fetch_optional};
use crate::{Storage, StorageError, TenantStorage};

const CLAIM: &str = "
    UPDATE accounts
    SET renewing_by = $4, renewing_until = $5, fence = fence + 1
    WHERE tenant_id = $1 AND id = $2 AND token_generation = $3 AND state = 'connected'
        AND (renewing_until IS NULL OR renewing_until <= $6)
    RETURNING fence";
const FIND_STANDING: &str = "
    SELECT token_generation, state FROM accounts
    WHERE tenant_id = $1 AND id = $2";
/// Whoever claimed it since goes first, for as long as the claim lasts.
const STORE: &str = "
    UPDATE accounts
    SET token_generation = token_generation + 1, generation = $5, sealed = $6, scopes = $7,
        expires_at = $8, refresh_at = $9, refreshed_at = $10, state = 'connected', problem = NULL,
        failures = 0, renewing_by = NULL, renewing_until = NULL
    WHERE tenant_id = $1 AND id = $2 AND token_generation = $3
        AND (fence = $4 OR renewing_until IS NULL OR renewing_until <= $11) AND state = $12";
const FAILED: &str = "
    UPDATE accounts
    SET renewing_by = NULL, renewing_until = NULL, failures = failures + 1, refresh_at = $5
    WHERE tenant_id = $1 AND id = $2 AND token_generation = $3 AND fence = $4
        AND renewing_by IS NOT NULL";
const END: &str = "
    UPDATE accounts
    SET state = 'needs_reauth', problem = $5, refresh_at = NULL, renewing_by = NULL,
        renewing_until = NULL
    WHERE tenant_id = $1 AND id = $2 AND token_generation = $3 AND state = 'connected'
        AND (fence = $4 OR ($4 IS NULL AND (renewing_until IS NULL OR renewing_until <= $6)))";
const LIST_DUE: &str = "
    SELECT tenant_id, connector_id, id FROM accounts
    WHERE refresh_at <= $1 AND state = 'connected'
        AND (renewing_until IS NULL OR renewing_until <= $1)
    ORDER BY refresh_at, id
    LIMIT $2";

/// The right to refresh one generation of an account's tokens, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub account: AccountId,
    /// The tokens that are to be replaced.
    pub generation: i64,
    /// Grows with each claim.
    pub fence: i64,
}

/// Whether it could be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    Taken(Claim),
    /// Another refreshes it now.
    Busy,
    /// The tokens are not those any more, or the account has ended.
    Changed,
    Gone,
}

/// What became of a pair of tokens that a provider gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is stored. `revived` says the revision with which an account that had ended for want of
    /// it is there again.
    Stored {
        generation: i64,
        revived: Option<i64>,
    },
    /// Another claimed the account since and has not ended, or ended it this moment: try again.
    Busy,
    /// There is a newer pair: this one is of no use.
    Superseded,
    /// The account was deleted.
    Gone,
}

/// A pair of tokens that a provider gave for an older one.
#[derive(Debug)]
pub struct RenewedTokens {
    pub secrets: AccountSecrets,
    pub scopes: Vec<String>,
    pub expires_at: Option<OffsetDateTime>,
    /// When to refresh it in the background; none: never.
    pub refresh_at: Option<OffsetDateTime>,
    pub at: OffsetDateTime,
}

/// An account whose time for a refresh has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueRenewal {
    pub tenant: TenantId,
    pub connector: ConnectorId,
    pub account: AccountId,
}

impl TenantStorage<'_> {
    /// Claims the refresh of these tokens for `lasts`, unless somebody else has.
    pub async fn claim_renewal(
        &self,
        account: AccountId,
        generation: i64,
        by: Uuid,
        lasts: Duration,
    ) -> Result<Claimed, StorageError> {
        let mut tx = self.write_row().await?;
        let now = tx.now().await?;
        let row: Option<(i64,)> = fetch_optional!(
            &mut tx,
            sqlx::query_as(CLAIM)
                .bind(self.tenant.as_uuid())
                .bind(account.as_uuid())
                .bind(generation)
                .bind(by)
                .bind(now.saturating_add(i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX)))
                .bind(now)
        )?;
        let claimed = match row {
            Some((fence,)) => Claimed::Taken(Claim {
                account,
                generation,
                fence,
            }),
            None => match self.standing(&mut tx, account).await? {
                None => Claimed::Gone,
                Some((stored, state)) if stored != generation || state != "connected" => {
                    Claimed::Changed
                }
                Some(_) => Claimed::Busy,
            },
        };
        tx.commit().await?;
        Ok(claimed)
    }

    /// Stores what the provider gave for the tokens of this claim, unless newer ones are there. The
    /// claim may be over by now: the pair counts as long as nobody has another.
    pub async fn store_renewed(
        &self,
        claim: &Claim,
        renewed: &RenewedTokens,
    ) -> Result<Kept, StorageError> {
        // An account that ended meanwhile comes back, which is a change that others must hear of.
        let Some((_, state)) = self.standing_now(claim.account).await? else {
            return Ok(Kept::Gone);
        };
        let ended = state != AccountState::Connected.as_str();
        let mut tx = match ended {
            true => self.write().await?,
            false => self.write_row().await?,
        };
        let now = tx.now().await?;
        let (generation, sealed) = self
            .storage
            .seal_tokens(&mut tx, self.tenant, claim.account, &renewed.secrets)
            .await?;
        let stored = execute!(
            &mut tx,
            sqlx::query(STORE)
                .bind(self.tenant.as_uuid())
                .bind(claim.account.as_uuid())
                .bind(claim.generation)
                .bind(claim.fence)
                .bind(generation)
                .bind(sealed)
                .bind(to_json(&renewed.scopes))
                .bind(renewed.expires_at.map(micros))
                .bind(renewed.refresh_at.map(micros))
                .bind(micros(renewed.at))
                .bind(now)
                .bind(state.as_str())
        )?;
        if stored == 0 {
            return Ok(match self.standing(&mut tx, claim.account).await? {
                None => Kept::Gone,
                Some((generation, _)) if generation == claim.generation => Kept::Busy,
                Some(_) => Kept::Superseded,
            });
        }
        let mut revived = None;
        if ended {
            let known = self.account_in(&mut tx, claim.account).await?;
            let connector = known.ok_or(StorageError::NotFound)?.connector;
            revived = Some(self.accounts_changed(tx, connector).await?);
        } else {
            tx.commit().await?;
        }
        let generation = claim.generation + 1;
        Ok(Kept::Stored {
            generation,
            revived,
        })
    }

    /// Lets go of a claim whose refresh brought nothing, to be tried again in the background at
    /// `again_at`. Nothing happens when it is over and somebody else's.
    pub async fn renewal_failed(
        &self,
        claim: &Claim,
        again_at: Option<OffsetDateTime>,
    ) -> Result<(), StorageError> {
        let mut tx = self.write_row().await?;
        execute!(
            &mut tx,
            sqlx::query(FAILED)
                .bind(self.tenant.as_uuid())
                .bind(claim.account.as_uuid())
                .bind(claim.generation)
                .bind(claim.fence)
                .bind(again_at.map(micros))
        )?;
        tx.commit().await
    }

    /// Ends an account whose tokens of this generation the provider takes no more, so that its
    /// owner must connect it again. `None`: there are newer tokens, or it has ended already.
    ///
    /// Who found out by refreshing names the `fence` of the claim: it does not count when another
    /// has claimed the account since. Without one, it does not count while anybody refreshes.
    pub async fn end_account(
        &self,
        held: &HeldAccount,
        fence: Option<i64>,
        problem: &str,
    ) -> Result<Option<i64>, StorageError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let ended = execute!(
            &mut tx,
            sqlx::query(END)
                .bind(self.tenant.as_uuid())
                .bind(held.account.id.as_uuid())
                .bind(held.account.generation)
                .bind(fence)
                .bind(problem)
                .bind(now)
        )?;
        if ended == 0 {
            return Ok(None);
        }
        let revision = self.accounts_changed(tx, held.account.connector).await?;
        Ok(Some(revision))
    }

    async fn standing_now(
        &self,
        account: AccountId,
    ) -> Result<Option<(i64, String)>, StorageError> {
        let mut tx = self.read().await?;
        self.standing(&mut tx, account).await
    }

    async fn standing(
        &self,
        tx: &mut Tx,
        account: AccountId,
    ) -> Result<Option<(i64, String)>, StorageError> {
        fetch_optional!(
            tx,
            sqlx::query_as(FIND_STANDING)
                .bind(self.tenant.as_uuid())
                .bind(account.as_uuid())
        )
    }

    /// Starts a change of one account's row that touches no other, and so need not begin with the
    /// tenant's.
    async fn write_row(&self) -> Result<Tx, StorageError> {
        self.storage.pool().write(Scope::Tenant(self.tenant)).await
    }
}

impl Storage {
    /// Accounts whose time for a refresh has come by the database's clock, and that nobody
    /// refreshes; the longest due first.
    pub async fn list_due_renewals(&self, limit: u32) -> Result<Vec<DueRenewal>, StorageError> {
        let mut tx = self.read().await?;
        let now = tx.now().await?;
        let rows: Vec<(Uuid, Uuid, Uuid)> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_DUE).bind(now).bind(i64::from(limit))
        )?;
        let due = |(tenant, connector, account)| DueRenewal {
            tenant: TenantId::new(tenant),
            connector: ConnectorId::new(connector),
            account: AccountId::new(account),
        };
        Ok(rows.into_iter().map(due).collect())
    }
}
