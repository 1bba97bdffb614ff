//! Jobs that one process of the cluster does at a time.
//!
//! A lease in a row, and not an advisory lock: those that outlive a transaction are state of a
//! session, which poolers do not carry, and one that lives in a transaction would keep it open for
//! as long as the job runs. Time is the database's; clocks of nodes do not matter.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::tx::{Tx, execute, fetch_optional};
use crate::{Storage, StorageError};

/// Takes a lease that is free or over, or lengthens the holder's own.
const CLAIM: &str = "
    INSERT INTO leases (job, holder, fence, expires_at)
    VALUES ($1, $2, 1, $3)
    ON CONFLICT (job) DO UPDATE SET
        fence = CASE WHEN leases.holder = excluded.holder THEN leases.fence
                     ELSE leases.fence + 1 END,
        holder = excluded.holder,
        expires_at = excluded.expires_at
    WHERE leases.holder = excluded.holder OR leases.expires_at <= $4
    RETURNING fence";
const RENEW: &str = "
    UPDATE leases SET expires_at = $4
    WHERE job = $1 AND holder = $2 AND fence = $3 AND expires_at > $5";
/// Keeps the row, for its fence.
const RELEASE: &str = "
    UPDATE leases SET expires_at = 0
    WHERE job = $1 AND holder = $2 AND fence = $3";

/// The right to do a job, for a while. Ends by itself when it is not renewed.
#[derive(Debug)]
pub struct Leadership {
    storage: Storage,
    job: &'static str,
    holder: Uuid,
    fence: i64,
    lasts: Duration,
    until: Instant,
}

impl Storage {
    /// Takes the lead in a job for `lasts`, unless another holder has it. `holder` is new for each
    /// start of a process.
    pub async fn lead(
        &self,
        job: &'static str,
        holder: Uuid,
        lasts: Duration,
    ) -> Result<Option<Leadership>, StorageError> {
        // Before the database counts: whoever is late believes to have less than it has.
        let until = Instant::now() + believed(lasts);
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let row: Option<(i64,)> = fetch_optional!(
            &mut tx,
            sqlx::query_as(CLAIM)
                .bind(job)
                .bind(holder)
                .bind(after(now, lasts))
                .bind(now)
        )?;
        tx.commit().await?;
        Ok(row.map(|(fence,)| Leadership {
            storage: self.clone(),
            job,
            holder,
            fence,
            lasts,
            until,
        }))
    }
}

impl Leadership {
    /// Grows with each new holder: what is written with a lower one comes from a former leader.
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// Whether it lasts still, without asking. Effects outside the database that must not happen
    /// twice need more: a process may be stopped right after the answer.
    pub fn is_held(&self) -> bool {
        Instant::now() < self.until
    }

    /// Lengthens it. `false`: it was over, and perhaps another leads by now.
    pub async fn renew(&mut self) -> Result<bool, StorageError> {
        let until = Instant::now() + believed(self.lasts);
        let mut tx = self.storage.write().await?;
        let now = tx.now().await?;
        let renewed = execute!(
            &mut tx,
            sqlx::query(RENEW)
                .bind(self.job)
                .bind(self.holder)
                .bind(self.fence)
                .bind(after(now, self.lasts))
                .bind(now)
        )?;
        tx.commit().await?;
        if renewed == 1 {
            self.until = until;
        }
        Ok(renewed == 1)
    }

    /// Lets the next one lead at once.
    pub async fn release(self) -> Result<(), StorageError> {
        let mut tx: Tx = self.storage.write().await?;
        execute!(
            &mut tx,
            sqlx::query(RELEASE)
                .bind(self.job)
                .bind(self.holder)
                .bind(self.fence)
        )?;
        tx.commit().await
    }
}

/// What the holder counts on: less than it gets, as clocks do not run alike and SQLite's counts
/// whole milliseconds.
fn believed(lasts: Duration) -> Duration {
    lasts.saturating_sub(lasts / 20 + Duration::from_millis(1))
}

fn after(now: i64, lasts: Duration) -> i64 {
    now.saturating_add(i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX))
}
