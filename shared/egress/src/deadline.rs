//! When to give up.

use std::time::Duration;

use tokio::time::Instant;

/// The moment at which work ends, finished or not. Carried through all steps of a call, so that
/// retries share what is left and do not start over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// `after` from now.
    pub fn after(after: Duration) -> Self {
        Self(Instant::now() + after)
    }

    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    pub const fn instant(self) -> Instant {
        self.0
    }

    /// What is left; zero when it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// This deadline, or `after` from now if that is sooner.
    #[must_use]
    pub fn within(self, after: Duration) -> Self {
        Self(self.0.min(Instant::now() + after))
    }
}
