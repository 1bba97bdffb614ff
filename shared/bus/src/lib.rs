//! Hints that configuration changed, within one process or between processes over NATS.
//!
//! A hint may be lost, may come twice and may come before an older one: it says that it is worth
//! while to look, and never what is true. Whoever may have missed some is told so ([`Heard::Gap`])
//! and asks what changed. Publishing never waits: what cannot be sent now is dropped and counted.

mod credentials;
mod hint;
mod local;
mod nats;

use tokio::sync::broadcast;

pub use hint::Hint;
pub use local::LocalBus;
pub use nats::{NatsBus, NatsConfig, NatsError, NatsTls};

/// Hints that a subscriber may leave unread before it misses some.
const UNREAD_MAX: usize = 1024;

/// Where hints go to, and come from.
pub trait Bus: Send + Sync {
    /// Tells all subscribers, those of this process too. Returns at once, whatever the state of
    /// the network; what cannot be told now is dropped.
    fn publish(&self, hint: Hint);

    /// Hints from now on. The first thing heard is a [`Heard::Gap`].
    fn subscribe(&self) -> Hints;

    /// Whether hints get through, as far as this process knows. For readiness.
    fn state(&self) -> BusState;

    /// What went wrong so far. For metrics.
    fn losses(&self) -> Losses;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusState {
    Up,
    /// Hints are lost. Changes are still found, only later.
    Down,
}

/// Counts since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Hints that were not sent.
    pub dropped: u64,
    /// Messages that came and were no hints.
    pub rejected: u64,
}

/// What a subscriber hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Hint(Hint),
    /// Hints may have been missed: ask what changed.
    Gap,
}

/// A subscription; ends when it is dropped.
#[derive(Debug)]
pub struct Hints {
    /// The gap that each subscription begins with.
    is_new: bool,
    heard: broadcast::Receiver<Heard>,
}

impl Hints {
    fn of(bus: &broadcast::Sender<Heard>) -> Self {
        Self {
            is_new: true,
            heard: bus.subscribe(),
        }
    }

    /// Waits for the next; none comes after the bus is gone. Nothing is lost when this is dropped
    /// before it is done.
    pub async fn next(&mut self) -> Option<Heard> {
        if std::mem::take(&mut self.is_new) {
            return Some(Heard::Gap);
        }
        match self.heard.recv().await {
            Ok(heard) => Some(heard),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Heard::Gap),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
