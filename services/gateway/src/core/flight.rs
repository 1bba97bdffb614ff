//! How many requests of one key are under way.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};

use domain::KeyId;
use prometheus_client::metrics::gauge::Gauge;

/// Counts requests under way by key. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Flights {
    counts: Arc<Mutex<HashMap<KeyId, usize>>>,
    max: usize,
    gauge: Gauge,
}

/// One request under way; over when dropped.
pub(crate) struct Flight {
    counts: Arc<Mutex<HashMap<KeyId, usize>>>,
    key: KeyId,
    gauge: Gauge,
}

impl Flights {
    pub(crate) fn new(max: usize, gauge: Gauge) -> Self {
        Self {
            counts: Arc::default(),
            max,
            gauge,
        }
    }

    /// Begins a request; none when the key has as many under way as it may.
    pub(crate) fn begin(&self, key: KeyId) -> Option<Flight> {
        let mut counts = self.counts.lock().expect("no panic while held");
        let count = counts.entry(key).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        self.gauge.inc();
        Some(Flight {
            counts: self.counts.clone(),
            key,
            gauge: self.gauge.clone(),
        })
    }

    /// How many requests of a key are under way here.
    pub(crate) fn under_way(&self, key: KeyId) -> usize {
        let counts = self.counts.lock().expect("no panic while held");
        counts.get(&key).copied().unwrap_or(0)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.gauge.dec();
        let mut counts = self.counts.lock().expect("no panic while held");
        if let Entry::Occupied(mut count) = counts.entry(self.key) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
