//! When connectors were called. A call may change what its server lists, and a watch that does not
//! stand yet hears nothing of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use domain::ConnectorId;
use tokio::time::Instant;

/// Connectors that are remembered; beyond, those go that were called the longest time ago.
const CONNECTORS_MAX: usize = 8_192;

/// The calls of tools of all connectors.
#[derive(Default)]
pub(super) struct Calls(Mutex<Known>);

#[derive(Default)]
struct Known {
    all: HashMap<ConnectorId, Called>,
    /// When the last call ended of all those that are not remembered.
    forgotten: Option<Instant>,
}

#[derive(Default)]
struct Called {
    under_way: usize,
    /// When the last one ended.
    ended: Option<Instant>,
}

/// A call under way; over when dropped.
pub(super) struct UnderWay {
    calls: Arc<Calls>,
    connector: ConnectorId,
}

impl Calls {
    pub(super) fn begin(self: &Arc<Self>, connector: ConnectorId) -> UnderWay {
        let mut known = self.known();
        if known.all.len() >= CONNECTORS_MAX && !known.all.contains_key(&connector) {
            known.forget_half();
        }
        known.all.entry(connector).or_default().under_way += 1;
        UnderWay {
            calls: self.clone(),
            connector,
        }
    }

    /// Whether a call is under way, or was at `time` or later, as far as is known.
    pub(super) fn any_since(&self, connector: ConnectorId, time: Instant) -> bool {
        let known = self.known();
        let ended = match known.all.get(&connector) {
            Some(called) if called.under_way > 0 => return true,
            Some(called) => called.ended,
            None => known.forgotten,
        };
        ended.is_some_and(|ended| ended >= time)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().expect("no panic while held")
    }
}

impl Known {
    fn forget_half(&mut self) {
        let mut times: Vec<Option<Instant>> =
            self.all.values().map(|called| called.ended).collect();
        let middle = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(middle);
        let middle = *middle;
        self.forgotten = self.forgotten.max(middle);
        self.all
            .retain(|_, called| called.under_way > 0 || called.ended > middle);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(called) = self.calls.known().all.get_mut(&self.connector) {
            called.under_way -= 1;
            called.ended = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;

    fn connector(number: usize) -> ConnectorId {
        ConnectorId::new(Uuid::from_u128(number as u128))
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_counts_from_its_beginning_to_its_end() {
        let calls = Arc::new(Calls::default());
        let [busy, idle] = [connector(1), connector(2)];

        let (one, two) = (calls.begin(busy), calls.begin(busy));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(calls.any_since(busy, Instant::now()));
        drop(one);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(calls.any_since(busy, Instant::now()), "one goes on");
        drop(two);
        let ended = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;

        assert!(calls.any_since(busy, ended));
        assert!(!calls.any_since(busy, Instant::now()));
        assert!(!calls.any_since(idle, ended));
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_connector_that_is_forgotten_the_worst_is_assumed() {
        let calls = Arc::new(Calls::default());
        let begun = Instant::now();
        let long = calls.begin(connector(0));
        for number in 1..=CONNECTORS_MAX {
            drop(calls.begin(connector(number)));
            tokio::time::advance(Duration::from_millis(1)).await;
        }

        assert!(calls.known().all.len() <= CONNECTORS_MAX);
        assert!(!calls.known().all.contains_key(&connector(1)));
        assert!(calls.any_since(connector(1), begun));
        assert!(!calls.any_since(connector(1), Instant::now()));
        assert!(calls.any_since(connector(0), Instant::now()), "under way");
        drop(long);
    }
}
