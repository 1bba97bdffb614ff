//! The messages of OTLP that we write and read (opentelemetry-proto, `collector/trace/v1` and
//! `trace/v1`), as far as we have something to say in them.

use prost::Message;

use super::span::{Record, SpanKind, Value};

#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<WireSpan>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WireSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start: u64,
    #[prost(fixed64, tag = "8")]
    end: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Any", tags = "1, 3")]
    value: Option<Any>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Any {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

/// `Span.flags`: sampled; it is known whether the parent is remote; it is.
const SAMPLED: u32 = 1;
const REMOTE_KNOWN: u32 = 1 << 8;
const REMOTE: u32 = 1 << 9;
/// `Span.SpanKind`.
const SERVER: i32 = 2;
const CLIENT: i32 = 3;
/// `Status.StatusCode`.
const ERROR: i32 = 2;

impl Resource {
    /// What a process is called (OpenTelemetry's `service.*`).
    pub(super) fn of(service: &str, node: &str) -> Self {
        let all = [
            ("service.name", service),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("service.instance.id", node),
        ];
        let attributes = all.map(|(key, value)| key_value(key, Any::Text(value.to_owned())));
        Self {
            attributes: attributes.into(),
        }
    }
}

impl ExportRequest {
    pub(super) fn new(resource: &Resource, spans: Vec<WireSpan>) -> Self {
        let scope = Scope {
            name: "turnbuckle".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Self {
            resource_spans: vec![ResourceSpans {
                resource: Some(resource.clone()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(scope),
                    spans,
                }],
            }],
        }
    }
}

impl From<Box<Record>> for WireSpan {
    fn from(record: Box<Record>) -> Self {
        let remote = if record.parent_is_remote { REMOTE } else { 0 };
        let attributes = record.attributes.into_iter().map(|(key, value)| {
            let value = match value {
                Value::Text(text) => Any::Text(text.into_owned()),
                Value::Number(number) => Any::Number(number),
            };
            key_value(key, value)
        });
        Self {
            trace_id: record.context.trace.to_vec(),
            span_id: record.context.span.to_vec(),
            trace_state: record.state.map(String::from).unwrap_or_default(),
            parent_span_id: record.parent.map(Vec::from).unwrap_or_default(),
            name: record.name.into_owned(),
            kind: match record.kind {
                SpanKind::Server => SERVER,
                SpanKind::Client => CLIENT,
            },
            start: record.start,
            end: record.end,
            attributes: attributes.collect(),
            status: record.failed.then_some(Status { code: ERROR }),
            flags: SAMPLED | REMOTE_KNOWN | remote,
        }
    }
}

fn key_value(key: &str, value: Any) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
    }
}
