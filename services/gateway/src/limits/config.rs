//! What an operator may set.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A longer window would outlive what counts it.
const WINDOW_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The section `gateway.rate_limit`: requests that reach upstreams, over all gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// How long a window is, in seconds. At most a day.
    #[serde(with = "runtime::seconds")]
    pub window: Duration,
    /// Requests of one key within a window; 0 for no limit.
    pub per_key: u32,
    /// The same of one tenant.
    pub per_tenant: u32,
}

impl Default for RateLimit {
    /// More than one machine can serve: against what runs wild, not against use.
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            per_key: 3_000_000,
            per_tenant: 6_000_000,
        }
    }
}

impl RateLimit {
    /// # Errors
    /// One sentence that names the setting and its rule.
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        let at_least = Duration::from_millis(1);
        anyhow::ensure!(
            (at_least..=WINDOW_MAX).contains(&self.window),
            "gateway.rate_limit.window must be larger than 0 and at most 86400 (seconds)"
        );
        Ok(())
    }
}
