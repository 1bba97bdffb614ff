//! Readiness as ownership: whoever is not ready yet still holds a latch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Who is not ready, and who is degraded. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    pending: BTreeMap<&'static str, usize>,
    degraded: BTreeMap<&'static str, String>,
}

/// Holds readiness back until it is dropped.
#[derive(Debug)]
pub struct Latch {
    readiness: Readiness,
    name: &'static str,
}

impl Readiness {
    /// Holds readiness back under `name` until the latch is dropped.
    pub fn latch(&self, name: &'static str) -> Latch {
        *self.state().pending.entry(name).or_default() += 1;
        Latch {
            readiness: self.clone(),
            name,
        }
    }

    /// Names of what is not ready; ready when empty.
    pub fn pending(&self) -> Vec<&'static str> {
        self.state().pending.keys().copied().collect()
    }

    /// Says that `name` works with less than it should, and why.
    pub fn degrade(&self, name: &'static str, why: impl Into<String>) {
        self.state().degraded.insert(name, why.into());
    }

    pub fn recover(&self, name: &'static str) {
        self.state().degraded.remove(name);
    }

    pub fn degraded(&self) -> BTreeMap<&'static str, String> {
        self.state().degraded.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("no panic while held")
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        let mut state = self.readiness.state();
        if let Some(count) = state.pending.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                state.pending.remove(self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_waits_for_the_last_latch() {
        let readiness = Readiness::default();
        let (first, second) = (readiness.latch("storage"), readiness.latch("storage"));

        drop(first);
        assert_eq!(readiness.pending(), ["storage"]);

        drop(second);
        assert!(readiness.pending().is_empty());
    }
}
