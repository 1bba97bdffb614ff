//! Readings that upstreams ask for, by saying that their tools changed. They may say so as often
//! as they like; how often they are read is for us.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use domain::{ConnectorId, TenantId};
use tokio::time::{Instant, sleep_until};

use crate::operations::Operations;

/// Which upstreams reported a change lately. Holds an entry for a connector from its first report
/// until it has been quiet for `min_interval` after its last reading.
#[derive(Debug)]
pub(crate) struct Reports {
    delay: Duration,
    min_interval: Duration,
    /// Whether there was a report that no reading has begun after.
    followed: Mutex<HashMap<ConnectorId, bool>>,
}

impl Reports {
    /// `delay` lies between a report and its reading, `min_interval` at least between the
    /// beginnings of two readings of one connector.
    pub(crate) fn new(delay: Duration, min_interval: Duration) -> Self {
        Self {
            delay,
            min_interval,
            followed: Mutex::default(),
        }
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<ConnectorId, bool>> {
        self.followed.lock().expect("no panic while held")
    }

    /// Notes a report. Says whether the caller must start to [`follow`](Self::follow) the
    /// connector: nobody does yet.
    fn note(&self, connector: ConnectorId) -> bool {
        self.followed().insert(connector, true).is_none()
    }

    /// Takes note of the reports so far; says whether there are any. Without, the connector is
    /// followed no longer.
    fn take(&self, connector: ConnectorId) -> bool {
        let mut followed = self.followed();
        let reported = followed.get_mut(&connector).is_some_and(std::mem::take);
        if !reported {
            followed.remove(&connector);
        }
        reported
    }

    /// Reads as often as reports and bounds want it, until there are no more reports.
    async fn follow<F, R>(&self, connector: ConnectorId, read: F)
    where
        F: Fn() -> R,
        R: Future<Output = ()>,
    {
        let mut next = Instant::now() + self.delay;
        loop {
            sleep_until(next).await;
            if !self.take(connector) {
                return;
            }
            next = Instant::now() + self.delay.max(self.min_interval);
            read().await;
        }
    }
}

impl Operations {
    /// Has a connector read soon whose upstream says that its tools changed. Returns at once.
    pub(crate) fn upstream_changed(&self, tenant: TenantId, connector: ConnectorId) {
        if !self.reports().note(connector) {
            return;
        }
        let this = self.clone();
        let tasks = &self.process().tasks;
        tasks.disposable("reported tool sync", async move {
            // How a reading ended, the connector says itself.
            let read = || async { drop(this.sync(tenant, connector).await) };
            tokio::select! {
                biased;
                () = this.process().shutdown.draining() => {}
                () = this.reports().follow(connector, read) => {}
            }
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use uuid::Uuid;

    use super::*;

    const DELAY: Duration = Duration::from_secs(1);
    const INTERVAL: Duration = Duration::from_secs(5);

    /// Reports at these milliseconds; gives the milliseconds at which readings began, each of
    /// which takes `reading`.
    async fn readings(reports_at: &[u64], reading: Duration) -> Vec<u128> {
        let reports = Reports::new(DELAY, INTERVAL);
        let connector = ConnectorId::new(Uuid::from_u128(1));
        let start = Instant::now();
        let (began, followers) = (Cell::new(Vec::new()), Cell::new(0));
        let read = || async {
            let mut all = began.take();
            all.push(start.elapsed().as_millis());
            began.set(all);
            tokio::time::sleep(reading).await;
        };
        let each = reports_at.iter().map(|at| async {
            sleep_until(start + Duration::from_millis(*at)).await;
            if reports.note(connector) {
                followers.set(followers.get() + 1);
                assert_eq!(followers.get(), 1, "one at a time follows a connector");
                reports.follow(connector, &read).await;
                followers.set(followers.get() - 1);
            }
        });
        futures_util::future::join_all(each).await;
        assert!(reports.followed().is_empty());
        began.take()
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_is_followed_by_one_reading_after_a_while() {
        let quick = Duration::from_millis(10);
        assert_eq!(readings(&[0], quick).await, [1_000]);
        assert_eq!(readings(&[0, 1, 500, 999], quick).await, [1_000]);
        // A report while it is read may be of what it missed.
        assert_eq!(readings(&[0, 1_005], quick).await, [1_000, 6_000]);
        // After a time of quiet it is as at the beginning.
        assert_eq!(readings(&[0, 20_000], quick).await, [1_000, 21_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_reports_all_the_time_is_read_once_in_an_interval() {
        let all_the_time: Vec<u64> = (0..21_000).step_by(10).collect();
        let began = readings(&all_the_time, Duration::from_millis(10)).await;
        assert_eq!(began, [1_000, 6_000, 11_000, 16_000, 21_000]);
        // A reading that takes longer than the interval is not doubled.
        let began = readings(&all_the_time, Duration::from_secs(8)).await;
        assert_eq!(began, [1_000, 9_000, 17_000, 25_000]);
    }
}
