//! What an operator may set.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The section `control_plane`. Durations are written as seconds, fractions allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Between two readings of each MCP connector's tools, give or take a tenth.
    #[serde(with = "runtime::seconds")]
    pub sync_interval: Duration,
    /// How long one reading may take, the start of a hosted server included.
    #[serde(with = "runtime::seconds")]
    pub sync_deadline: Duration,
    /// Between an upstream's word that its tools changed and the reading that it causes; what it
    /// says in between causes none of its own.
    #[serde(with = "runtime::seconds")]
    pub resync_delay: Duration,
    /// Between two readings of one connector that its upstream's word causes, at least.
    #[serde(with = "runtime::seconds")]
    pub resync_min_interval: Duration,
    /// Readings at once. At least 1.
    pub syncs_at_once: usize,
    /// Between two writings of when keys were last used.
    #[serde(with = "runtime::seconds")]
    pub key_use_interval: Duration,
    /// How long to wait for a worker to let go of a changed connector.
    #[serde(with = "runtime::seconds")]
    pub release_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sync_interval: Duration::from_secs(600),
            sync_deadline: domain::limits::SYNC_DEADLINE,
            resync_delay: Duration::from_secs(1),
            resync_min_interval: Duration::from_secs(5),
            syncs_at_once: 8,
            key_use_interval: Duration::from_secs(60),
            release_timeout: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// # Errors
    /// Names the setting, and what it must be.
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        let seconds = [
            ("sync_interval", self.sync_interval),
            ("sync_deadline", self.sync_deadline),
            ("key_use_interval", self.key_use_interval),
            ("release_timeout", self.release_timeout),
        ];
        for (name, value) in seconds {
            let (least, most) = (Duration::from_secs(1), Duration::from_secs(86_400));
            anyhow::ensure!(
                (least..=most).contains(&value),
                "{name} must be from 1 to 86400"
            );
        }
        let day = Duration::from_secs(86_400);
        anyhow::ensure!(
            self.resync_delay <= day,
            "resync_delay must be from 0 to 86400"
        );
        anyhow::ensure!(
            self.resync_min_interval <= day,
            "resync_min_interval must be from 0 to 86400"
        );
        anyhow::ensure!(
            (1..=256).contains(&self.syncs_at_once),
            "syncs_at_once must be 1 to 256"
        );
        Ok(())
    }
}
