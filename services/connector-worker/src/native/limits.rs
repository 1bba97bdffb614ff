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
        let minute = Duration::from_secs(60);
        if self.backoff > minute {
            return Err("backoff must be at most 60".to_owned());
        }
        Ok(())
    }
}
