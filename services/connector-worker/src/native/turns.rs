//! Whose turn it is to write: one write at a time for each connector whose provider wants that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use domain::ConnectorId;
use tokio::sync::OwnedMutexGuard;

/// Entries beyond which those that nobody holds are dropped.
const SWEEP_ABOVE: usize = 1_024;

#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<ConnectorId, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for the turn; it ends when the guard is dropped.
    pub(super) async fn take(&self, connector: ConnectorId) -> OwnedMutexGuard<()> {
        self.turn(connector).lock_owned().await
    }

    fn turn(&self, connector: ConnectorId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().expect("no panic while held");
        if let Some(turn) = turns.get(&connector).and_then(Weak::upgrade) {
            return turn;
        }
        if turns.len() >= SWEEP_ABOVE {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::default();
        turns.insert(connector, Arc::downgrade(&turn));
        turn
    }
}
