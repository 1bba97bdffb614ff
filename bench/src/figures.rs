//! Figures from many measurements.

use std::time::Duration;

/// Durations in order.
#[derive(Clone, Debug, Default)]
pub struct Sorted(Vec<Duration>);

impl Sorted {
    pub fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest that `percent` of all do not exceed; zero of none.
    pub fn percentile(&self, percent: usize) -> Duration {
        let place = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(place).copied().unwrap_or_default()
    }

    pub fn longest(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

/// Milliseconds, to a tenth.
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.0
}

/// Seconds, to a hundredth.
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_measurements() {
        let all = Sorted::of((1..=200).rev().map(Duration::from_millis).collect());

        let at = [50, 99, 100].map(|percent| all.percentile(percent).as_millis());
        assert_eq!(at, [100, 198, 200]);
        assert_eq!(Sorted::default().percentile(99), Duration::ZERO);
    }
}
