//! One renewal of a pair of tokens at a time in this process; whoever wants the same waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::AccountId;
use storage::HeldAccount;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long one that failed answers for further ones: as often at most is a provider in trouble
/// asked for one account.
const FAILURE_STANDS: Duration = Duration::from_secs(2);

/// What came of a renewal.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// These are the tokens now.
    Renewed(Arc<HeldAccount>),
    /// There are other tokens, or the account has ended or is gone: it must be read.
    Changed,
    /// The provider gave none, in words for the caller. The old ones stay.
    Failed(String),
    /// Our storage does not answer.
    Unavailable,
}

type Ending = watch::Receiver<Option<Outcome>>;

/// Which pair.
type Which = (AccountId, i64);

#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Which, Flight>>);

#[derive(Debug)]
struct Flight {
    ending: Ending,
    /// When it ended badly.
    failed: Option<Instant>,
}

/// Joined, and what the one who must fly it tells the others with.
pub(super) struct Joined {
    pub(super) ending: Ending,
    pub(super) fly: Option<watch::Sender<Option<Outcome>>>,
}

impl Flights {
    fn all(&self) -> MutexGuard<'_, HashMap<Which, Flight>> {
        self.0.lock().expect("no panic while held")
    }

    /// How many there are, those that failed just now included.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.all().len()
    }

    pub(super) fn join(&self, which: Which) -> Joined {
        let mut all = self.all();
        let stands = |flight: &Flight| match flight.failed {
            Some(failed) => failed.elapsed() < FAILURE_STANDS,
            // Its sender is gone only when its task was.
            None => flight.ending.has_changed().is_ok(),
        };
        all.retain(|_, flight| stands(flight));
        if let Some(flight) = all.get(&which) {
            return Joined {
                ending: flight.ending.clone(),
                fly: None,
            };
        }
        let (sender, ending) = watch::channel(None);
        let flight = Flight {
            ending: ending.clone(),
            failed: None,
        };
        all.insert(which, flight);
        Joined {
            ending,
            fly: Some(sender),
        }
    }

    /// Tells all who wait. One that failed is remembered for a moment.
    pub(super) fn end(
        &self,
        which: Which,
        sender: &watch::Sender<Option<Outcome>>,
        outcome: Outcome,
    ) {
        let mut all = self.all();
        match outcome {
            Outcome::Failed(_) => {
                if let Some(flight) = all.get_mut(&which) {
                    flight.failed = Some(Instant::now());
                }
            }
            _ => {
                all.remove(&which);
            }
        }
        sender.send_replace(Some(outcome));
    }
}

pub(super) async fn ended(mut ending: Ending) -> Outcome {
    let ended = ending.wait_for(Option::is_some).await;
    let outcome = ended.ok().and_then(|outcome| outcome.clone());
    // The process is ending.
    outcome.unwrap_or(Outcome::Unavailable)
}
