//! What an operator may set.

use std::time::Duration;

use cache::SessionLimits;
use domain::limits;
use serde::{Deserialize, Serialize};

/// The section `gateway`. Durations are written as seconds, fractions allowed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bytes of one inbound message.
    pub body_max_bytes: usize,
    /// How long one inbound message may take to arrive.
    #[serde(with = "runtime::seconds")]
    pub body_timeout: Duration,
    /// Nested arrays and objects of one inbound message.
    pub json_max_depth: usize,
    /// How long one call may take, its queueing included.
    #[serde(with = "runtime::seconds")]
    pub call_deadline: Duration,
    /// After how long without an answer a call's reply becomes a stream with keep-alive comments,
    /// so that nothing between takes the connection for dead.
    #[serde(with = "runtime::seconds")]
    pub stream_after: Duration,
    /// The interval of those comments.
    #[serde(with = "runtime::seconds")]
    pub keep_alive: Duration,
    /// Tools of one page of `tools/list`.
    pub tools_per_page: usize,
    /// How long a client may keep a list before asking again (2026-07-28 `ttlMs`).
    #[serde(with = "runtime::seconds")]
    pub list_ttl: Duration,
    /// How long an unused legacy session lives.
    #[serde(with = "runtime::seconds")]
    pub session_idle: Duration,
    /// How long any legacy session lives.
    #[serde(with = "runtime::seconds")]
    pub session_age: Duration,
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
            body_timeout: Duration::from_secs(30),
            json_max_depth: limits::JSON_MAX_DEPTH,
            call_deadline: limits::CALL_DEADLINE,
            stream_after: Duration::from_secs(10),
            keep_alive: Duration::from_secs(15),
            tools_per_page: 250,
            list_ttl: Duration::from_secs(60),
            session_idle: Duration::from_secs(30 * 60),
            session_age: Duration::from_secs(24 * 60 * 60),
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
            idle: self.session_idle,
            age: self.session_age,
            per_owner: self.sessions_per_key,
            total: self.sessions_total,
        }
    }

    /// # Errors
    /// One sentence that names the setting and what it must be.
    pub fn validate(&self) -> anyhow::Result<()> {
        let durations = [
            ("body_timeout", self.body_timeout),
            ("call_deadline", self.call_deadline),
            ("stream_after", self.stream_after),
            ("keep_alive", self.keep_alive),
            ("session_idle", self.session_idle),
            ("session_age", self.session_age),
        ];
        for (name, value) in durations {
            anyhow::ensure!(!value.is_zero(), "gateway.{name} must be larger than 0");
        }
        let counts = [
            ("body_max_bytes", self.body_max_bytes as u64),
            ("json_max_depth", self.json_max_depth as u64),
            ("tools_per_page", self.tools_per_page as u64),
            ("sessions_per_key", self.sessions_per_key as u64),
            ("sessions_total", self.sessions_total),
            ("tenants_cached", self.tenants_cached),
        ];
        for (name, value) in counts {
            anyhow::ensure!(value > 0, "gateway.{name} must be at least 1");
        }
        Ok(())
    }
}
