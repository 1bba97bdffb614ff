//! The requests under way: how many of one key, and under which ids in a session.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use cache::SessionId;
use domain::KeyId;
use prometheus_client::metrics::gauge::Gauge;

/// Counts requests under way by key. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Flights {
    state: Arc<Mutex<State>>,
    max: usize,
    gauge: Gauge,
}

#[derive(Default)]
struct State {
    counts: HashMap<KeyId, usize>,
    /// Requests of legacy sessions, by their raw ids.
    ids: HashSet<(SessionId, Box<str>)>,
}

/// One request under way; over when dropped.
pub(crate) struct Flight {
    state: Arc<Mutex<State>>,
    key: KeyId,
    id: Option<(SessionId, Box<str>)>,
    gauge: Gauge,
}

/// Why a request is not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grounded {
    /// The key has as many under way as it may.
    TooMany,
    /// The session has one with this id under way here: which of them a cancellation meant nobody
    /// could say.
    SameId,
}

impl Flights {
    pub(crate) fn new(max: usize, gauge: Gauge) -> Self {
        Self {
            state: Arc::default(),
            max,
            gauge,
        }
    }

    /// Begins a request; `id` is that of a legacy session's.
    ///
    /// # Errors
    /// It may not be begun now.
    pub(crate) fn begin(
        &self,
        key: KeyId,
        id: Option<(SessionId, &str)>,
    ) -> Result<Flight, Grounded> {
        let id = id.map(|(session, id)| (session, Box::from(id)));
        let mut state = self.state.lock().expect("no panic while held");
        if id.as_ref().is_some_and(|id| state.ids.contains(id)) {
            return Err(Grounded::SameId);
        }
        let count = state.counts.entry(key).or_default();
        if *count >= self.max {
            return Err(Grounded::TooMany);
        }
        *count += 1;
        state.ids.extend(id.clone());
        self.gauge.inc();
        Ok(Flight {
            state: self.state.clone(),
            key,
            id,
            gauge: self.gauge.clone(),
        })
    }

    /// How many requests are under way here.
    pub(crate) fn in_all(&self) -> usize {
        let state = self.state.lock().expect("no panic while held");
        state.counts.values().sum()
    }

    /// How many requests of a key are under way here.
    pub(crate) fn under_way(&self, key: KeyId) -> usize {
        let state = self.state.lock().expect("no panic while held");
        state.counts.get(&key).copied().unwrap_or(0)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.gauge.dec();
        let mut state = self.state.lock().expect("no panic while held");
        if let Some(id) = &self.id {
            state.ids.remove(id);
        }
        if let Entry::Occupied(mut count) = state.counts.entry(self.key) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
