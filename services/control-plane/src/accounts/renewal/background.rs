//! What is done without anybody asking: tokens are renewed ahead of their end, pairs in hand are
//! stored, and what nobody can use any more is cleared away.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use storage::{DueRenewal, StorageError};

use super::spool::STORE_EVERY;
use crate::error::Error;
use crate::operations::Operations;

/// Between two looks for accounts whose time has come.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Accounts that are renewed in one go, and keys whose accounts are cleared away in one go.
const CHUNK: u32 = 200;
/// How long ended attempts to connect an account are kept, so that their page still says what
/// became of them.
const FLOWS_KEPT: Duration = Duration::from_secs(86_400);
/// Of so many looks one clears away what is over.
const CLEARS_EVERY: u32 = 12;

impl Operations {
    /// Renews what is due, and clears away what is over. For one control-plane at a time.
    pub(crate) async fn keep_accounts(&self) -> anyhow::Result<()> {
        let shutdown = &self.process().shutdown;
        for look in 0_u32.. {
            tokio::select! {
                biased;
                () = shutdown.draining() => break,
                looked = self.look_after_accounts(look % CLEARS_EVERY == 0) => {
                    if let Err(error) = looked {
                        tracing::warn!("cannot look after accounts: {error}");
                    }
                }
            }
            tokio::select! {
                biased;
                () = shutdown.draining() => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        self.renewals().metrics.forget_states();
        Ok(())
    }

    async fn look_after_accounts(&self, clears: bool) -> Result<(), Error> {
        let counted = self.storage().count_accounts().await;
        let counted = counted.map_err(Error::storage("count accounts"))?;
        self.renewals().metrics.states(&counted);
        if clears {
            self.clear_away().await?;
        }
        let due = self.storage().list_due_renewals(CHUNK).await;
        let due = due.map_err(Error::storage("list accounts to renew"))?;
        stream::iter(due)
            .for_each_concurrent(CHUNK as usize, |due| async move {
                if let Err(error) = self.renew_due(due).await {
                    tracing::warn!(account.id = %due.account, "cannot renew it: {error}");
                }
            })
            .await;
        Ok(())
    }

    async fn renew_due(&self, due: DueRenewal) -> Result<(), Error> {
        let rows = self.storage().tenant(due.tenant);
        let held = rows.held_account(due.account).await;
        let held = held.map_err(Error::storage("read an account"))?;
        // Somebody else may have been faster.
        let is_due = |at| at <= self.now();
        if let Some(held) = held.filter(|held| held.refresh_at.is_some_and(is_due)) {
            self.renewed(&held).await;
        }
        Ok(())
    }

    async fn clear_away(&self) -> Result<(), Error> {
        let now = self.now();
        let swept = self.storage().sweep_flows(now - FLOWS_KEPT).await;
        swept.map_err(Error::storage("clear away attempts to connect accounts"))?;
        let orphaned = self.storage().list_orphaned_accounts(now, CHUNK).await;
        for (tenant, key) in orphaned.map_err(Error::storage("list accounts of ended keys"))? {
            let owner = self.storage().find_tenant_by_id(tenant).await;
            let Some(owner) = owner.map_err(Error::storage("find a tenant"))? else {
                continue;
            };
            let rows = self.storage().tenant(tenant);
            let gone = rows.delete_accounts_of_key(key).await;
            let (revision, held) = gone.map_err(Error::storage("delete accounts"))?;
            if let Some(revision) = revision {
                self.tenant_changed(&owner, revision);
            }
            self.revoke_in_background(&owner, held).await;
        }
        Ok(())
    }

    /// Stores what is in hand as soon as the database takes it. For each control-plane.
    pub(crate) async fn store_what_is_in_hand(&self) -> anyhow::Result<()> {
        let shutdown = &self.process().shutdown;
        let spool = &self.renewals().spool;
        loop {
            self.renewals().metrics.unstored(spool.len());
            if spool.len() == 0 {
                tokio::select! {
                    biased;
                    () = shutdown.draining() => return Ok(()),
                    () = spool.more.notified() => continue,
                }
            }
            tokio::select! {
                biased;
                () = shutdown.ending() => return Ok(()),
                () = tokio::time::sleep(STORE_EVERY) => {}
            }
            for pair in spool.all() {
                let Err(error) = self.deliver(&pair).await else {
                    continue;
                };
                tracing::debug!(account.id = %pair.account, "cannot store its tokens yet: {error}");
                // Then it is not this one's alone.
                if matches!(
                    error,
                    StorageError::Unavailable(_)
                        | StorageError::ReadOnly(_)
                        | StorageError::InDoubt(_)
                ) {
                    break;
                }
            }
        }
    }
}
