//! The bounds of the engine.

use std::time::Duration;

use domain::limits::RESULT_MAX_BYTES;

/// What one call may take. All bounds are per call unless they say otherwise.
#[derive(Clone, Debug)]
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
    pub backoff: Duration,
    /// The longest pause that a provider may ask for; a longer one is told to the caller instead.
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
