//! What an operator may set.

use std::time::Duration;

use ::mcp::LogLevel;
use cache::{LocalLimits, SessionLimits, StreamLimits};
use domain::limits;
use serde::{Deserialize, Serialize};

use crate::core::ParkLimits;
use crate::hub::HubLimits;
use crate::limits::RateLimit;

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
    /// Messages of one batch (2025-03-26).
    pub batch_max: usize,
    /// Messages of one batch that are served at once.
    pub batch_concurrency: usize,

    /// How long one round of a call may take, its queueing included.
    #[serde(with = "runtime::seconds")]
    pub call_deadline: Duration,
    /// How long a client may take to answer what it is asked in mid-call.
    #[serde(with = "runtime::seconds")]
    pub input_timeout: Duration,
    /// How often an upstream may ask back in one call.
    pub input_rounds: u32,
    /// Requests of a key and of a tenant within a window, over all gateways.
    pub rate_limit: RateLimit,
    /// Requests of one key that are under way at upstreams.
    pub calls_in_flight_per_key: usize,
    /// Calls of one key that wait for answers of their client.
    pub parked_per_key: usize,
    /// The same of one tenant.
    pub parked_per_tenant: usize,

    /// After how long without an answer a call's reply becomes a stream with keep-alive comments,
    /// so that nothing between takes the connection for dead.
    #[serde(with = "runtime::seconds")]
    pub stream_after: Duration,
    /// The interval of those comments.
    #[serde(with = "runtime::seconds")]
    pub keep_alive: Duration,
    /// After how long a client shall come again when its stream ends early (SSE `retry`).
    #[serde(with = "runtime::seconds")]
    pub sse_retry: Duration,
    /// Events that are kept of one legacy stream.
    pub stream_events: usize,
    /// Bytes that are kept of one legacy stream.
    pub stream_bytes: usize,
    /// How long an event is kept, and a stream after its end.
    #[serde(with = "runtime::seconds")]
    pub stream_age: Duration,
    /// How long a stream stays open without a reader.
    #[serde(with = "runtime::seconds")]
    pub stream_unread: Duration,
    /// Streams that are kept of one session.
    pub streams_per_session: usize,
    /// Bytes that are kept of all streams.
    pub streams_bytes: u64,

    /// Items of one page of a list.
    pub tools_per_page: usize,
    /// How long a client may keep a list before asking again (2026-07-28 `ttlMs`).
    #[serde(with = "runtime::seconds")]
    pub list_ttl: Duration,
    /// How long one upstream may take for a page of a list. In the aggregate one that takes longer
    /// is left out.
    #[serde(with = "runtime::seconds")]
    pub list_timeout: Duration,
    /// The least grave log messages for legacy clients that set no level.
    #[serde(with = "level")]
    pub log_level: LogLevel,
    /// Members of `_meta.baggage` that travel on to upstreams.
    pub baggage: Vec<String>,

    /// How long an unused legacy session lives.
    #[serde(with = "runtime::seconds")]
    pub session_idle: Duration,
    /// How long any legacy session lives.
    #[serde(with = "runtime::seconds")]
    pub session_age: Duration,
    /// Legacy sessions of one key; the next one ends its oldest.
    pub sessions_per_key: usize,
    /// Legacy sessions of one tenant; the next one ends its oldest.
    pub sessions_per_tenant: usize,
    /// Legacy sessions in all.
    pub sessions_total: usize,
    /// Resources that one legacy session may subscribe to, and one modern listen may name.
    pub subscriptions_per_session: usize,
    /// Bytes of their URIs together.
    pub subscription_bytes: usize,
    /// States that were taken up and are remembered so that they are not taken up again.
    pub marks_total: usize,
    /// Keys, and tenants, whose requests are counted at once.
    pub rates_total: usize,

    /// Streams of notifications of one key.
    pub listeners_per_key: usize,
    /// The same of one tenant.
    pub listeners_per_tenant: usize,
    /// The same in all.
    pub listeners_total: usize,
    /// How long an upstream is watched after the last listener has gone.
    #[serde(with = "runtime::seconds")]
    pub watch_linger: Duration,

    /// Requests in flight on one WebSocket connection.
    pub websocket_requests: usize,
    /// How long a client may take to read one frame of a WebSocket; then it is cut off.
    #[serde(with = "runtime::seconds")]
    pub write_timeout: Duration,

    /// Tenants whose configuration is kept compiled; the least used ones are dropped beyond.
    pub tenants_cached: u64,
}

impl Default for Config {
    fn default() -> Self {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        Self {
            body_max_bytes: limits::BODY_MAX_BYTES,
            body_timeout: 30 * second,
            json_max_depth: limits::JSON_MAX_DEPTH,
            batch_max: 50,
            batch_concurrency: 8,
            call_deadline: limits::CALL_DEADLINE,
            input_timeout: 5 * minute,
            input_rounds: 16,
            rate_limit: RateLimit::default(),
            calls_in_flight_per_key: 1_000,
            parked_per_key: 100,
            parked_per_tenant: 1_000,
            stream_after: 10 * second,
            keep_alive: 15 * second,
            sse_retry: second,
            stream_events: 1_000,
            stream_bytes: 16 * 1024 * 1024,
            stream_age: 5 * minute,
            stream_unread: 2 * minute,
            streams_per_session: 64,
            streams_bytes: 256 * 1024 * 1024,
            tools_per_page: 250,
            list_ttl: minute,
            list_timeout: 5 * second,
            log_level: LogLevel::Info,
            baggage: Vec::new(),
            session_idle: 30 * minute,
            session_age: 24 * 60 * minute,
            sessions_per_key: 1_000,
            sessions_per_tenant: 10_000,
            sessions_total: 100_000,
            subscriptions_per_session: 100,
            subscription_bytes: 8 * 1024,
            marks_total: 100_000,
            rates_total: 100_000,
            listeners_per_key: 1_000,
            listeners_per_tenant: 10_000,
            listeners_total: 50_000,
            watch_linger: 10 * second,
            websocket_requests: 64,
            write_timeout: 30 * second,
            tenants_cached: 10_000,
        }
    }
}

impl Config {
    /// What the store of sessions, streams and marks must hold to.
    pub fn cache_limits(&self) -> LocalLimits {
        LocalLimits {
            sessions: SessionLimits {
                idle: self.session_idle,
                age: self.session_age,
                per_owner: self.sessions_per_key,
                per_tenant: self.sessions_per_tenant,
                total: self.sessions_total,
                subscriptions: self.subscriptions_per_session,
                subscription_bytes: self.subscription_bytes,
            },
            streams: StreamLimits {
                events: self.stream_events,
                bytes: self.stream_bytes,
                age: self.stream_age,
                unread: self.stream_unread,
                per_session: self.streams_per_session,
                total_bytes: self.streams_bytes,
            },
            marks: self.marks_total,
            quotas: 2 * self.rates_total,
        }
    }

    pub(crate) fn hub_limits(&self) -> HubLimits {
        HubLimits {
            listeners_per_key: self.listeners_per_key,
            listeners_per_tenant: self.listeners_per_tenant,
            listeners: self.listeners_total,
            linger: self.watch_linger,
        }
    }

    pub(crate) fn park_limits(&self) -> ParkLimits {
        ParkLimits {
            per_key: self.parked_per_key,
            per_tenant: self.parked_per_tenant,
        }
    }

    /// # Errors
    /// One sentence that names the setting and what it must be.
    pub fn validate(&self) -> anyhow::Result<()> {
        let durations = [
            ("body_timeout", self.body_timeout),
            ("call_deadline", self.call_deadline),
            ("input_timeout", self.input_timeout),
            ("stream_after", self.stream_after),
            ("keep_alive", self.keep_alive),
            ("stream_age", self.stream_age),
            ("stream_unread", self.stream_unread),
            ("list_timeout", self.list_timeout),
            ("session_idle", self.session_idle),
            ("session_age", self.session_age),
            ("write_timeout", self.write_timeout),
        ];
        for (name, value) in durations {
            anyhow::ensure!(!value.is_zero(), "gateway.{name} must be larger than 0");
        }
        let counts = [
            ("body_max_bytes", self.body_max_bytes as u64),
            ("json_max_depth", self.json_max_depth as u64),
            ("batch_max", self.batch_max as u64),
            ("batch_concurrency", self.batch_concurrency as u64),
            ("input_rounds", u64::from(self.input_rounds)),
            (
                "calls_in_flight_per_key",
                self.calls_in_flight_per_key as u64,
            ),
            ("parked_per_key", self.parked_per_key as u64),
            ("parked_per_tenant", self.parked_per_tenant as u64),
            ("stream_events", self.stream_events as u64),
            ("stream_bytes", self.stream_bytes as u64),
            ("streams_per_session", self.streams_per_session as u64),
            ("streams_bytes", self.streams_bytes),
            ("tools_per_page", self.tools_per_page as u64),
            ("sessions_per_key", self.sessions_per_key as u64),
            ("sessions_per_tenant", self.sessions_per_tenant as u64),
            ("sessions_total", self.sessions_total as u64),
            (
                "subscriptions_per_session",
                self.subscriptions_per_session as u64,
            ),
            ("subscription_bytes", self.subscription_bytes as u64),
            ("marks_total", self.marks_total as u64),
            ("rates_total", self.rates_total as u64),
            ("listeners_per_key", self.listeners_per_key as u64),
            ("listeners_per_tenant", self.listeners_per_tenant as u64),
            ("listeners_total", self.listeners_total as u64),
            ("websocket_requests", self.websocket_requests as u64),
            ("tenants_cached", self.tenants_cached),
        ];
        for (name, value) in counts {
            anyhow::ensure!(value > 0, "gateway.{name} must be at least 1");
        }
        self.rate_limit.validate()
    }
}

/// A log level in configuration: its name in the protocol.
mod level {
    use ::mcp::LogLevel;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        level: &LogLevel,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(level.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<LogLevel, D::Error> {
        let text = String::deserialize(deserializer)?;
        let unknown = || {
            let all = LogLevel::ALL.map(LogLevel::as_str).join(", ");
            D::Error::custom(format_args!("must be one of {all}"))
        };
        text.parse().map_err(|()| unknown())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn no_bound_may_be_zero_and_a_level_must_be_one() {
        let read = |name: &str, value: Value| -> anyhow::Result<()> {
            let mut config = serde_json::to_value(Config::default())?;
            config[name] = value;
            serde_json::from_value::<Config>(config)?.validate()
        };
        let mut all = serde_json::to_value(Config::default()).unwrap();
        let may_be_zero = ["list_ttl", "sse_retry", "watch_linger"];
        for (name, value) in all.as_object_mut().unwrap() {
            if !value.is_number() || may_be_zero.contains(&name.as_str()) {
                continue;
            }
            let error = read(name, json!(0)).unwrap_err().to_string();
            assert!(
                error.contains(&format!("gateway.{name} ")),
                "{name}: {error}"
            );
        }
        for window in [0.0, 86_401.0] {
            let error = read("rate_limit", json!({ "window": window })).unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains("gateway.rate_limit.window must be"),
                "{error}"
            );
        }
        assert!(read("rate_limit", json!({ "per_key": 0 })).is_ok());
        assert!(read("log_level", json!("debug")).is_ok());
        let error = read("log_level", json!("loud")).unwrap_err().to_string();
        assert!(error.contains("must be one of debug, info"), "{error}");
    }
}
