//! One credential as it is kept.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use domain::AccountId;
use egress::Deadline;
use fabric::{Credential, Failure, FailureKind};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::Signature;
use crate::failure::unsent;

/// A token must be good for so long yet, or a newer one is asked for: a call takes its time.
const MARGIN: Duration = Duration::from_secs(10);

/// That there is no account is asked about again after so long: an operator may have made it possible
/// to connect one, of which no tenant's configuration tells.
const OWN: Duration = Duration::from_secs(30);

/// The credential of one key's calls to one connector.
#[derive(Default)]
pub(super) struct Entry {
    current: ArcSwapOption<Kept>,
    /// Held while somebody asks: one at a time.
    pub(super) asking: Mutex<()>,
}

/// What is known of it.
pub(super) struct Kept {
    pub(super) signature: Signature,
    /// The number of the connector's accounts under which it was learnt.
    accounts: i64,
    /// Until then nobody asks again.
    fresh_until: Instant,
    /// Then the token ends; none for one that does not.
    ends: Option<Instant>,
}

impl Kept {
    pub(super) fn new(credential: Credential, accounts: i64, max_age: Duration) -> Self {
        let now = Instant::now();
        let (signature, usable_for) = match credential {
            Credential::Own => (Signature::Own, None),
            Credential::Account(lease) => {
                let usable_for = lease.usable_for;
                (Signature::Account(Arc::new(lease)), usable_for)
            }
        };
        let longest = match signature {
            Signature::Account(_) => max_age,
            Signature::Own | Signature::Given(_) => max_age.min(OWN),
        };
        let fresh_for = usable_for.map_or(longest, |usable_for| {
            longest.min(usable_for.saturating_sub(MARGIN))
        });
        Self {
            signature,
            accounts,
            fresh_until: later(now, fresh_for),
            ends: usable_for.map(|usable_for| later(now, usable_for)),
        }
    }

    fn is_good(&self) -> bool {
        self.ends.is_none_or(|ends| Instant::now() < ends)
    }

    /// Whether this is the generation of the account, or one before it.
    pub(super) fn is_up_to(&self, account: AccountId, generation: i64) -> bool {
        match &self.signature {
            Signature::Account(lease) => lease.account == account && lease.generation <= generation,
            Signature::Own | Signature::Given(_) => false,
        }
    }
}

impl Entry {
    /// What is held, where nobody needs to ask.
    pub(super) fn fresh(&self, accounts: i64) -> Option<Arc<Kept>> {
        let current = self.current.load_full()?;
        let is_fresh = current.accounts >= accounts && Instant::now() < current.fresh_until;
        is_fresh.then_some(current)
    }

    /// What is held, where its token is good yet and no account has changed since.
    pub(super) fn usable(&self, accounts: i64) -> Option<Arc<Kept>> {
        let current = self.current.load_full()?;
        (current.accounts >= accounts && current.is_good()).then_some(current)
    }

    /// Waits for the turn to ask.
    ///
    /// # Errors
    /// `Busy`: not before the deadline.
    pub(super) async fn turn(&self, deadline: Deadline) -> Result<MutexGuard<'_, ()>, Failure> {
        let turn = tokio::time::timeout_at(deadline.instant(), self.asking.lock()).await;
        turn.map_err(|_| {
            let message = "the account's credential could not be had in time";
            unsent(FailureKind::Busy, message)
        })
    }

    /// Keeps what was learnt, unless something newer is known.
    pub(super) fn keep(&self, kept: Kept) {
        let kept = Arc::new(kept);
        self.current.rcu(|current| match current {
            Some(current) if current.is_newer_than(&kept) => Some(current.clone()),
            _ => Some(kept.clone()),
        });
    }

    /// Uses what is held for `time` yet without asking.
    pub(super) fn hold_on(&self, kept: &Kept, time: Duration) {
        let until = later(Instant::now(), time);
        self.keep(Kept {
            signature: kept.signature.clone(),
            accounts: kept.accounts,
            fresh_until: kept.ends.map_or(until, |ends| until.min(ends)),
            ends: kept.ends,
        });
    }

    pub(super) fn forget(&self) {
        self.current.store(None);
    }
}

impl Kept {
    /// Whether an answer that comes later must not take its place: it was learnt of more accounts,
    /// or is of a later generation.
    fn is_newer_than(&self, other: &Self) -> bool {
        let later = match (&self.signature, &other.signature) {
            (Signature::Account(this), Signature::Account(other)) => {
                this.account == other.account && this.generation > other.generation
            }
            _ => false,
        };
        self.accounts > other.accounts || (self.accounts == other.accounts && later)
    }
}

/// A time that cannot be reckoned is far enough away.
fn later(now: Instant, time: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    now + time.min(FAR)
}
