//! What an operator may set.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of the control-plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seconds between two readings of each MCP connector's tools, give or take a tenth.
    pub sync_interval_seconds: u64,
    /// Seconds that one reading may take, the start of a hosted server included.
    pub sync_deadline_seconds: u64,
    /// Readings at once. At least 1.
    pub syncs_at_once: usize,
    /// Seconds between two writings of when keys were last used.
    pub key_use_seconds: u64,
    /// Seconds to wait for a worker to let go of a changed connector.
    pub release_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sync_interval_seconds: 600,
            sync_deadline_seconds: domain::limits::SYNC_DEADLINE.as_secs(),
            syncs_at_once: 8,
            key_use_seconds: 60,
            release_seconds: 10,
        }
    }
}

impl Config {
    /// # Errors
    /// Names the setting, and what it must be.
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        let seconds = [
            ("sync_interval_seconds", self.sync_interval_seconds),
            ("sync_deadline_seconds", self.sync_deadline_seconds),
            ("key_use_seconds", self.key_use_seconds),
            ("release_seconds", self.release_seconds),
        ];
        for (name, value) in seconds {
            anyhow::ensure!(
                (1..=86_400).contains(&value),
                "{name} must be from 1 to 86400"
            );
        }
        anyhow::ensure!(
            (1..=256).contains(&self.syncs_at_once),
            "syncs_at_once must be 1 to 256"
        );
        Ok(())
    }

    pub(crate) fn sync_interval(&self) -> Duration {
        Duration::from_secs(self.sync_interval_seconds)
    }

    pub(crate) fn sync_deadline(&self) -> Duration {
        Duration::from_secs(self.sync_deadline_seconds)
    }

    pub(crate) fn key_use_interval(&self) -> Duration {
        Duration::from_secs(self.key_use_seconds)
    }

    pub(crate) fn release_time(&self) -> Duration {
        Duration::from_secs(self.release_seconds)
    }
}
