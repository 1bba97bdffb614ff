//! The bounds of the engine.

use std::time::Duration;

use domain::limits::RESULT_MAX_BYTES;
use serde::{Deserialize, Serialize};

/// What one call may take: the section `worker.native`. All bounds are per call unless they say
/// otherwise. Durations are written as seconds, fractions allowed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineLimits {
    /// Bytes of one answer of a provider.
    pub response_max_bytes: usize,
    /// Bytes of the result that is made of it.
    pub result_max_bytes: usize,
    /// Bytes of a text (a diff, a log) that is shown; a longer one is cut.
    pub text_max_bytes: usize,
    /// Bytes of a text that are read to find its end.
    pub text_read_max_bytes: usize,
    /// Pages that are followed.
    pub pages_max: usize,
    /// Requests that one call may become, one for each day or each element.
    pub spread_max: usize,
    /// Times that the end of an accepted call is asked for.
    pub polls_max: u32,
    /// Times that one request is sent.
    pub attempts_max: u32,
    /// The first pause between two attempts; each further one is twice as long, up to a jitter.
    #[serde(with = "runtime::seconds")]
    pub backoff: Duration,
    /// The longest pause that a provider may ask for; a longer one is told to the caller instead.
    #[serde(with = "runtime::seconds")]
    pub retry_after_max: Duration,
    /// Redirects that are followed.
    pub redirects_max: usize,
    /// Requests with one credential that are under way at once, in this worker; others wait for
    /// their turn. A provider's own number counts where it is smaller.
    pub requests_at_once: usize,
    /// Requests, or calls, that wait for one such turn; more are refused.
    pub waiting_max: usize,
    /// How long a request waits for a quota that is known to be used up; a longer wait is told to
    /// the caller instead.
    #[serde(with = "runtime::seconds")]
    pub quota_wait_max: Duration,
    /// The longest time for which a used-up quota is remembered, whatever its provider says; then
    /// the provider is asked again. Not more than `quota_wait_max`: no call is refused without
    /// having been sent.
    #[serde(with = "runtime::seconds")]
    pub quota_memory_max: Duration,
    /// Credentials of which used-up quotas are remembered at once, over all calls; the least used
    /// is forgotten for another.
    pub quota_credentials_max: u64,
    /// Bytes of answers that are kept to ask their providers whether they have changed, over all
    /// calls; 0 to keep none.
    pub kept_max_bytes: u64,
    /// Bytes of one such answer; a larger one is not kept.
    pub kept_one_max_bytes: usize,
    /// A kept answer that nobody asks for for so long is dropped.
    #[serde(with = "runtime::seconds")]
    pub kept_idle: Duration,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            response_max_bytes: RESULT_MAX_BYTES,
            result_max_bytes: RESULT_MAX_BYTES,
            text_max_bytes: 256 * 1024,
            text_read_max_bytes: 64 * 1024 * 1024,
            pages_max: 20,
            spread_max: 31,
            polls_max: 30,
            attempts_max: 3,
            backoff: Duration::from_millis(250),
            retry_after_max: Duration::from_secs(60),
            redirects_max: 5,
            requests_at_once: 32,
            waiting_max: 1_024,
            quota_wait_max: Duration::from_secs(5),
            quota_memory_max: Duration::from_secs(5),
            quota_credentials_max: 10_000,
            kept_max_bytes: 32 * 1024 * 1024,
            kept_one_max_bytes: 1024 * 1024,
            kept_idle: Duration::from_secs(30 * 60),
        }
    }
}

impl EngineLimits {
    /// # Errors
    /// The setting, and its rule.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let positive = [
            ("response_max_bytes", self.response_max_bytes),
            ("result_max_bytes", self.result_max_bytes),
            ("text_max_bytes", self.text_max_bytes),
            ("text_read_max_bytes", self.text_read_max_bytes),
            ("pages_max", self.pages_max),
            ("spread_max", self.spread_max),
            ("attempts_max", self.attempts_max as usize),
            ("requests_at_once", self.requests_at_once),
            (
                "quota_credentials_max",
                usize::try_from(self.quota_credentials_max).unwrap_or(usize::MAX),
            ),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(format!("{name} must be at least 1"));
        }
        // Gateways refuse a larger one.
        if self.result_max_bytes > RESULT_MAX_BYTES {
            return Err(format!(
                "result_max_bytes must be at most {RESULT_MAX_BYTES}"
            ));
        }
        let (minute, day) = (Duration::from_secs(60), Duration::from_secs(24 * 60 * 60));
        let durations = [
            ("backoff", self.backoff, minute),
            ("quota_memory_max", self.quota_memory_max, day),
            ("kept_idle", self.kept_idle, day),
        ];
        match durations.into_iter().find(|(_, value, most)| value > most) {
            Some((name, _, most)) => Err(format!("{name} must be at most {}", most.as_secs())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_could_not_hold_are_refused_and_the_rule_is_said() {
        type Change = fn(&mut EngineLimits);
        let refused: [(Change, &str); 5] = [
            (
                |limits| limits.requests_at_once = 0,
                "requests_at_once must be at least 1",
            ),
            (
                |limits| limits.quota_credentials_max = 0,
                "quota_credentials_max must be at least 1",
            ),
            (
                |limits| limits.result_max_bytes += 1,
                "result_max_bytes must be at most 10485760",
            ),
            (
                |limits| limits.quota_memory_max = Duration::from_secs(86_401),
                "quota_memory_max must be at most 86400",
            ),
            (
                |limits| limits.kept_idle = Duration::from_secs(86_401),
                "kept_idle must be at most 86400",
            ),
        ];
        for (change, rule) in refused {
            let mut limits = EngineLimits::default();
            change(&mut limits);
            assert_eq!(limits.validate(), Err(rule.to_owned()));
        }
        let at_the_edge = EngineLimits {
            requests_at_once: 1,
            waiting_max: 0,
            quota_memory_max: Duration::from_secs(86_400),
            kept_max_bytes: 0,
            ..EngineLimits::default()
        };
        assert_eq!(at_the_edge.validate(), Ok(()));
    }
}
