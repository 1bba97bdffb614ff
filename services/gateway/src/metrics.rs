//! What the gateway counts. Labels come from enums, never from ids or names.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use runtime::Metrics;

/// The method of a request, as a label. Unknown methods share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Method {
    Initialize,
    Discover,
    Ping,
    ToolsList,
    ToolsCall,
    Notification,
    Other,
}

impl Method {
    pub(crate) fn of(method: &str) -> Self {
        match method {
            "initialize" => Self::Initialize,
            "server/discover" => Self::Discover,
            "ping" => Self::Ping,
            "tools/list" => Self::ToolsList,
            "tools/call" => Self::ToolsCall,
            _ => Self::Other,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Era {
    Legacy,
    Modern,
    /// The message was refused before its era was known.
    Unknown,
}

/// How a request ended, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    Ok,
    /// A tool result with `isError`.
    ToolError,
    /// A JSON-RPC error.
    Error,
    /// Refused with an HTTP status.
    Refused,
}

macro_rules! label {
    ($type:ty { $($variant:ident => $text:literal),* $(,)? }) => {
        impl EncodeLabelValue for $type {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
                let text = match self { $(Self::$variant => $text),* };
                EncodeLabelValue::encode(&text, encoder)
            }
        }
    };
}

label!(Method {
    Initialize => "initialize",
    Discover => "server/discover",
    Ping => "ping",
    ToolsList => "tools/list",
    ToolsCall => "tools/call",
    Notification => "notification",
    Other => "other",
});
label!(Era { Legacy => "legacy", Modern => "modern", Unknown => "unknown" });
label!(End { Ok => "ok", ToolError => "tool_error", Error => "error", Refused => "refused" });

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: Method,
    era: Era,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Timed {
    method: Method,
}

/// The gateway's metrics.
#[derive(Clone)]
pub(crate) struct GatewayMetrics {
    requests: Family<Request, Counter>,
    durations: Family<Timed, Histogram, fn() -> Histogram>,
    pub(crate) sessions: Gauge,
    pub(crate) streams: Gauge,
}

/// Seconds; from a cached list to a call at its deadline.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0,
];

impl GatewayMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        Self {
            requests: metrics.register(
                "mcp_requests",
                "MCP messages received, by method, era and end",
                Family::default(),
            ),
            durations: metrics.register(
                "mcp_request_duration_seconds",
                "Time from a message's arrival to its answer, by method",
                Family::new_with_constructor(histogram),
            ),
            sessions: metrics.register(
                "mcp_sessions",
                "Legacy sessions that live, about",
                Gauge::default(),
            ),
            streams: metrics.register(
                "mcp_streams",
                "Answers being streamed as server-sent events",
                Gauge::default(),
            ),
        }
    }

    pub(crate) fn ended(&self, method: Method, era: Era, end: End, took: Duration) {
        self.requests
            .get_or_create(&Request { method, era, end })
            .inc();
        self.durations
            .get_or_create(&Timed { method })
            .observe(took.as_secs_f64());
    }
}
