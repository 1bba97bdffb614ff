//! What an operator may set.

use std::time::Duration;

use cache::SessionLimits;
use domain::limits;
use serde::{Deserialize, Serialize};

/// The gateway's settings. All durations in seconds, all sizes in bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bytes of one inbound message.
    pub body_max_bytes: usize,
    /// Nested arrays and objects of one inbound message.
    pub json_max_depth: usize,
    /// How long one call may take, its queueing included.
    pub call_deadline_seconds: u64,
    /// After how long without an answer a call's reply becomes a stream with keep-alive comments,
    /// so that nothing between takes the connection for dead.
    pub stream_after_seconds: u64,
    /// The interval of those comments.
    pub keep_alive_seconds: u64,
    /// Tools of one page of `tools/list`.
    pub tools_per_page: usize,
    /// How long a client may keep a list before asking again (2026-07-28 `ttlMs`).
    pub list_ttl_seconds: u64,
    /// How long an unused legacy session lives.
    pub session_idle_seconds: u64,
    /// How long any legacy session lives.
    pub session_age_seconds: u64,
    /// Legacy sessions of one key; the next one ends its oldest.
    pub sessions_per_key: usize,
    /// Legacy sessions in all.
    pub sessions_total: u64,
    /// Tenants whose configuration is kept compiled; the least used ones are dropped beyond.
    pub tenants_cached: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            body_max_bytes: limits::BODY_MAX_BYTES,
            json_max_depth: limits::JSON_MAX_DEPTH,
            call_deadline_seconds: limits::CALL_DEADLINE.as_secs(),
            stream_after_seconds: 10,
            keep_alive_seconds: 15,
            tools_per_page: 250,
            list_ttl_seconds: 60,
            session_idle_seconds: 30 * 60,
            session_age_seconds: 24 * 60 * 60,
            sessions_per_key: 1_000,
            sessions_total: 100_000,
            tenants_cached: 10_000,
        }
    }
}

impl Config {
    /// What the session store must hold to.
    pub fn session_limits(&self) -> SessionLimits {
        SessionLimits {
            idle: Duration::from_secs(self.session_idle_seconds),
            age: Duration::from_secs(self.session_age_seconds),
            per_owner: self.sessions_per_key,
            total: self.sessions_total,
        }
    }

    /// # Errors
    /// One sentence that names the setting and what it must be.
    pub fn validate(&self) -> anyhow::Result<()> {
        let positive = [
            ("gateway.body_max_bytes", self.body_max_bytes as u64),
            ("gateway.json_max_depth", self.json_max_depth as u64),
            ("gateway.call_deadline_seconds", self.call_deadline_seconds),
            ("gateway.stream_after_seconds", self.stream_after_seconds),
            ("gateway.keep_alive_seconds", self.keep_alive_seconds),
            ("gateway.tools_per_page", self.tools_per_page as u64),
            ("gateway.session_idle_seconds", self.session_idle_seconds),
            ("gateway.session_age_seconds", self.session_age_seconds),
            ("gateway.sessions_per_key", self.sessions_per_key as u64),
            ("gateway.sessions_total", self.sessions_total),
            ("gateway.tenants_cached", self.tenants_cached),
        ];
        for (name, value) in positive {
            anyhow::ensure!(value > 0, "{name} must be larger than 0");
        }
        Ok(())
    }
}
