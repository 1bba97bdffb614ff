//! When a server that ended by itself may be started again.

use std::time::Duration;

use tokio::time::Instant;

use super::Config;
use super::end::End;

/// When the next start is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    /// Ends in a row, each soon after its start.
    ends: u32,
    until: Option<Instant>,
}

impl Backoff {
    pub(super) fn after(self, end: &End, ran: Duration, now: Instant, config: &Config) -> Self {
        if end.is_ours() || ran >= config.stable_after {
            return Self::default();
        }
        let doubled = config
            .backoff_min
            .saturating_mul(2_u32.saturating_pow(self.ends));
        let delay = doubled.min(config.backoff_max);
        Self {
            ends: self.ends.saturating_add(1),
            until: now.checked_add(delay),
        }
    }

    /// What is left to wait.
    pub(super) fn remaining(self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_doubles_up_to_its_bound_and_forgets_after_a_stable_run() {
        let config = Config {
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(5),
            stable_after: Duration::from_secs(60),
            ..Config::default()
        };
        let (exited, soon, now) = (
            End::Exited { code: 1 },
            Duration::from_secs(3),
            Instant::now(),
        );

        let mut backoff = Backoff::default();
        let mut delays = Vec::new();
        for _ in 0..5 {
            backoff = backoff.after(&exited, soon, now, &config);
            delays.push(backoff.remaining(now).unwrap().as_secs());
        }
        assert_eq!(delays, [1, 2, 4, 5, 5]);
        assert_eq!(backoff.remaining(now + Duration::from_secs(5)), None);

        let stable = backoff.after(&exited, config.stable_after, now, &config);
        assert_eq!(stable, Backoff::default());
        assert_eq!(
            backoff.after(&End::Idle, soon, now, &config),
            Backoff::default()
        );
    }
}
