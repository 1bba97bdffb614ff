//! New tokens for old: one request per pair to the provider, from whichever control-planes and for
//! however many callers, and no pair lost that a provider gave.
//!
//! Who renews a pair claims its row for longer than the request may take, and keeps what comes back
//! until the database has it; nobody uses a pair before that. The rules between processes are those
//! of `storage`, the reasons in docs/decisions/0015.

mod attempt;
mod background;
mod flights;
mod metrics;
mod slots;
mod spool;
#[cfg(test)]
mod tests;

use std::path::Path;

use domain::AccountId;
use runtime::Metrics;
use storage::{HeldAccount, Storage};
use tokio::sync::Semaphore;

pub(crate) use flights::Outcome;
use flights::{Flights, Joined};
use metrics::AccountMetrics;
use slots::Slots;
use spool::Spool;

use crate::config::AccountsConfig;
use crate::operations::Operations;

/// What a control-plane knows of the renewals under way.
pub(crate) struct Renewals {
    flights: Flights,
    spool: Spool,
    slots: Slots,
    /// Readings of accounts, so that many callers at once leave connections for others.
    pub(super) readings: Semaphore,
    metrics: AccountMetrics,
    #[cfg(test)]
    steps: tests::Steps,
}

/// Readings of accounts at once.
const READINGS: usize = 8;

impl Renewals {
    /// # Errors
    /// When the folder for what is in hand cannot be made or read.
    pub(crate) fn open(
        config: &AccountsConfig,
        storage: &Storage,
        metrics: &Metrics,
    ) -> std::io::Result<Self> {
        let folder = config.spool_dir.as_deref().map(Path::new);
        Ok(Self {
            flights: Flights::default(),
            spool: Spool::open(storage.clone(), folder)?,
            slots: Slots::new(config.refreshes_at_once),
            readings: Semaphore::new(READINGS),
            metrics: AccountMetrics::register(metrics),
            #[cfg(test)]
            steps: tests::Steps::default(),
        })
    }
}

impl Operations {
    /// Has the tokens of an account renewed, here or elsewhere, and waits for it. Goes on when the
    /// caller goes away.
    pub(crate) async fn renewed(&self, held: &HeldAccount) -> Outcome {
        let which: (AccountId, i64) = (held.account.id, held.account.generation);
        let Joined { ending, fly } = self.renewals().flights.join(which);
        if let Some(sender) = fly {
            let (this, held) = (self.clone(), held.clone());
            self.process()
                .tasks
                .disposable("account renewal", async move {
                    let outcome = Box::pin(this.renew(held)).await;
                    this.renewals().flights.end(which, &sender, outcome);
                    Ok(())
                });
        }
        flights::ended(ending).await
    }
}
