//! What the gateway counts. Labels come from enums, never from ids or names.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use runtime::Metrics;

use crate::core::Client;
use crate::limits::Label;

/// The method of a request, as a label. Unknown methods share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Method {
    Initialize,
    Discover,
    Ping,
    ToolsList,
    ToolsCall,
    PromptsList,
    PromptsGet,
    ResourcesList,
    TemplatesList,
    ResourcesRead,
    Subscribe,
    Unsubscribe,
    Complete,
    SetLevel,
    Listen,
    TasksGet,
    TasksUpdate,
    TasksCancel,
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
            "prompts/list" => Self::PromptsList,
            "prompts/get" => Self::PromptsGet,
            "resources/list" => Self::ResourcesList,
            "resources/templates/list" => Self::TemplatesList,
            "resources/read" => Self::ResourcesRead,
            "resources/subscribe" => Self::Subscribe,
            "resources/unsubscribe" => Self::Unsubscribe,
            "completion/complete" => Self::Complete,
            "logging/setLevel" => Self::SetLevel,
            "subscriptions/listen" => Self::Listen,
            "tasks/get" => Self::TasksGet,
            "tasks/update" => Self::TasksUpdate,
            "tasks/cancel" => Self::TasksCancel,
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

impl Era {
    pub(crate) fn of(client: &Client) -> Self {
        match client {
            Client::Legacy(_) => Self::Legacy,
            Client::Modern(_) => Self::Modern,
        }
    }
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
    /// Ended with what the upstream asks of the client.
    InputRequired,
    /// Ended by the client.
    Cancelled,
}

macro_rules! label {
    ($type:ty { $($variant:ident => $text:literal),* $(,)? }) => {
        impl $type {
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        impl EncodeLabelValue for $type {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
                EncodeLabelValue::encode(&self.as_str(), encoder)
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
    PromptsList => "prompts/list",
    PromptsGet => "prompts/get",
    ResourcesList => "resources/list",
    TemplatesList => "resources/templates/list",
    ResourcesRead => "resources/read",
    Subscribe => "resources/subscribe",
    Unsubscribe => "resources/unsubscribe",
    Complete => "completion/complete",
    SetLevel => "logging/setLevel",
    Listen => "subscriptions/listen",
    TasksGet => "tasks/get",
    TasksUpdate => "tasks/update",
    TasksCancel => "tasks/cancel",
    Notification => "notification",
    Other => "other",
});
label!(Era { Legacy => "legacy", Modern => "modern", Unknown => "unknown" });
label!(End { Ok => "ok", ToolError => "tool_error", Error => "error", Refused => "refused",
    InputRequired => "input_required", Cancelled => "cancelled" });

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
    pub(crate) websockets: Gauge,
    pub(crate) in_flight: Gauge,
    pub(crate) limited: Family<Label, Counter>,
    left_out: Family<Timed, Counter>,
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
            websockets: metrics.register(
                "mcp_websockets",
                "WebSocket connections that are open",
                Gauge::default(),
            ),
            streams: metrics.register(
                "mcp_streams",
                "Answers being streamed as server-sent events",
                Gauge::default(),
            ),
            in_flight: metrics.register(
                "mcp_requests_in_flight",
                "Requests that run at upstreams",
                Gauge::default(),
            ),
            limited: metrics.register(
                "mcp_calls_limited",
                "Requests refused because a key or a tenant had made too many, by whose limit it was",
                Family::default(),
            ),
            left_out: metrics.register(
                "mcp_list_left_out",
                "Upstreams left out of a page of an aggregated list, by method",
                Family::default(),
            ),
        }
    }

    /// An upstream was left out of a page of a list.
    pub(crate) fn left_out(&self, method: &str) {
        let method = Method::of(method);
        self.left_out.get_or_create(&Timed { method }).inc();
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
