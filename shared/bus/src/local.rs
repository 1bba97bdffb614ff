//! A bus within one process.

use tokio::sync::broadcast;

use crate::{Bus, BusState, Heard, Hint, Hints, Losses, UNREAD_MAX};

/// Tells the subscribers of this process.
#[derive(Debug)]
pub struct LocalBus(broadcast::Sender<Heard>);

impl LocalBus {
    pub fn new() -> Self {
        Self(broadcast::Sender::new(UNREAD_MAX))
    }
}

impl Default for LocalBus {
    fn default() -> Self {
        Self::new()
    }
}

impl Bus for LocalBus {
    fn publish(&self, hint: Hint) {
        // Without subscribers there is nobody to tell.
        let _ = self.0.send(Heard::Hint(hint));
    }

    fn subscribe(&self) -> Hints {
        Hints::of(&self.0)
    }

    fn state(&self) -> BusState {
        BusState::Up
    }

    fn losses(&self) -> Losses {
        Losses::default()
    }
}
