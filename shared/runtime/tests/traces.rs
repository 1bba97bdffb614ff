//! Traces as a collector reads them, by OpenTelemetry's own definition of the messages.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span as WireSpan;
use prost::Message;
use runtime::telemetry::{Deliver, Delivery, SpanContext, SpanKind, TelemetryConfig};
use runtime::{Clock, Process, SystemClock};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Takes exports as long as its answer is 200.
struct Collector {
    exports: mpsc::Receiver<(ExportTraceServiceRequest, Option<String>)>,
    answer: watch::Sender<StatusCode>,
    way: Arc<Way>,
}

struct Way {
    told: mpsc::Sender<(ExportTraceServiceRequest, Option<String>)>,
    answer: watch::Receiver<StatusCode>,
}

impl Deliver for Way {
    fn deliver(&self, request: Request<Bytes>) -> Delivery<'_> {
        assert_eq!(request.uri(), "http://collector:4318/v1/traces");
        assert_eq!(request.headers()["content-type"], "application/x-protobuf");
        let field = request.headers().get("x-key");
        let field = field.map(|value| value.to_str().unwrap().to_owned());
        let export = ExportTraceServiceRequest::decode(request.into_body()).unwrap();
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = *self.answer.borrow();
        Box::pin(async move {
            self.told.send((export, field)).await.unwrap();
            Ok(response)
        })
    }
}

impl Collector {
    fn start() -> Self {
        let (told, exports) = mpsc::channel(64);
        let (answer, answers) = watch::channel(StatusCode::OK);
        let way = Arc::new(Way {
            told,
            answer: answers,
        });
        Self {
            exports,
            answer,
            way,
        }
    }

    /// The spans of the next export.
    async fn spans(&mut self) -> Vec<WireSpan> {
        let next = timeout(SOON, self.exports.recv()).await;
        let (export, _) = next.expect("an export in time").unwrap();
        let scopes = export
            .resource_spans
            .into_iter()
            .flat_map(|r| r.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    fn config(&self) -> TelemetryConfig {
        TelemetryConfig {
            otlp_endpoint: Some("http://collector:4318".to_owned()),
            ..TelemetryConfig::default()
        }
    }
}

fn traced(process: &Process, collector: &Collector, config: &TelemetryConfig) -> Process {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let process = process.clone();
    process
        .traced(
            config,
            "turnbuckle-test",
            "n1",
            &clock,
            collector.way.clone(),
        )
        .unwrap()
}

fn counted(process: &Process, outcome: &str) -> String {
    let text = process.metrics.encode();
    let name = format!("turnbuckle_telemetry_spans_total{{outcome=\"{outcome}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or("0").to_owned()
}

#[tokio::test]
async fn a_collector_reads_who_did_what_for_whom() {
    let mut collector = Collector::start();
    let (_trigger, process) = Process::new();
    let folder = tempfile::tempdir().unwrap();
    let headers = folder.path().join("headers");
    std::fs::write(&headers, "x-key: k\n").unwrap();
    let config = TelemetryConfig {
        otlp_headers_file: Some(headers),
        ..collector.config()
    };
    let process = traced(&process, &collector, &config);

    let parent = SpanContext::parse(PARENT);
    let tracer = &process.tracer;
    let mut span = tracer.accept(parent, Some("a=1"), "tools/call").unwrap();
    span.note("mcp.method.name", "tools/call");
    span.note("n", 7);
    let mut child = span.child(SpanKind::Client, "upstream");
    child.fail("timeout");
    drop(child);
    drop(span);

    let (export, field) = timeout(SOON, collector.exports.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(field.as_deref(), Some("k"));
    let told = &export.resource_spans[0];
    let name = |value: &Option<opentelemetry_proto::tonic::common::v1::AnyValue>| match value
        .as_ref()
        .unwrap()
        .value
        .as_ref()
        .unwrap()
    {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let attributes = &told.resource.as_ref().unwrap().attributes;
    let attributes: HashMap<_, _> = attributes
        .iter()
        .map(|a| (&*a.key, name(&a.value)))
        .collect();
    assert_eq!(attributes["service.name"], "turnbuckle-test");
    assert_eq!(attributes["service.instance.id"], "n1");
    assert_eq!(attributes["telemetry.sdk.language"], "rust");
    let [child, span] = &told.scope_spans[0].spans[..] else {
        panic!("{told:?}")
    };
    assert_eq!(span.trace_id, child.trace_id);
    assert_eq!(span.trace_id[..2], [0x0a, 0xf7]);
    assert_eq!(span.parent_span_id[..2], [0xb7, 0xad]);
    assert_eq!(child.parent_span_id, span.span_id);
    assert_eq!((span.kind, child.kind), (2, 3));
    assert_eq!((&*span.trace_state, &*child.trace_state), ("a=1", "a=1"));
    assert_eq!((span.flags, child.flags), (0x301, 0x101));
    assert!(span.start_time_unix_nano <= child.start_time_unix_nano);
    assert!(span.end_time_unix_nano >= child.end_time_unix_nano);
    assert_eq!(span.status.as_ref().map_or(0, |status| status.code), 0);
    assert_eq!(child.status.as_ref().unwrap().code, 2);
    let noted: Vec<_> = span.attributes.iter().map(|a| name(&a.value)).collect();
    assert_eq!(noted, ["tools/call", "7"]);
}

#[tokio::test]
async fn what_is_recorded_follows_the_client_and_else_the_ratio() {
    let collector = Collector::start();
    let with = |ratio| TelemetryConfig {
        sample_ratio: ratio,
        ..collector.config()
    };
    let unsampled = SpanContext::parse(&PARENT.replace("-01", "-00"));
    let tracer = |config: &TelemetryConfig| traced(&Process::new().1, &collector, config).tracer;
    let (none, half, all) = (tracer(&with(0.0)), tracer(&with(0.5)), tracer(&with(1.0)));

    assert!(none.accept(None, None, "x").is_none());
    assert!(none.accept(SpanContext::parse(PARENT), None, "x").is_some());
    assert!(all.accept(None, None, "x").is_some());
    assert!(all.accept(unsampled, None, "x").is_none());
    assert!(
        all.resume(None, None, "x").is_none(),
        "a worker begins no trace"
    );
    assert!(all.resume(unsampled, None, "x").is_none());
    let taken = (0..2_000).filter(|_| half.accept(None, None, "x").is_some());
    let taken = taken.count();
    assert!((850..1_150).contains(&taken), "{taken} of 2,000");

    let off = tracer(&TelemetryConfig::default());
    assert!(off.accept(SpanContext::parse(PARENT), None, "x").is_none());
}

#[tokio::test]
async fn a_collector_that_is_away_loses_nothing_but_what_finds_no_place() {
    let mut collector = Collector::start();
    collector
        .answer
        .send_replace(StatusCode::SERVICE_UNAVAILABLE);
    let (_trigger, process) = Process::new();
    let config = TelemetryConfig {
        queue: 4,
        ..collector.config()
    };
    let process = traced(&process, &collector, &config);

    drop(process.tracer.accept(None, None, "first"));
    assert_eq!(collector.spans().await.len(), 1);
    for _ in 0..10 {
        drop(process.tracer.accept(None, None, "later"));
    }
    assert_eq!(counted(&process, "dropped"), "6");
    collector.answer.send_replace(StatusCode::OK);
    assert_eq!(collector.spans().await[0].name, "first", "it is told again");
    assert_eq!(collector.spans().await.len(), 4);
}

#[tokio::test]
async fn what_a_collector_will_never_take_is_let_go() {
    let mut collector = Collector::start();
    collector.answer.send_replace(StatusCode::BAD_REQUEST);
    let (_trigger, process) = Process::new();
    let process = traced(&process, &collector, &collector.config());

    drop(process.tracer.accept(None, None, "first"));
    assert_eq!(collector.spans().await[0].name, "first");
    collector.answer.send_replace(StatusCode::OK);
    drop(process.tracer.accept(None, None, "second"));
    assert_eq!(collector.spans().await[0].name, "second");
    assert_eq!(counted(&process, "failed"), "1");
}

#[tokio::test]
async fn the_end_of_the_process_tells_what_is_left() {
    let mut collector = Collector::start();
    let (trigger, process) = Process::new();
    let process = traced(&process, &collector, &collector.config());

    drop(process.tracer.accept(None, None, "last"));
    trigger.end();
    timeout(SOON, process.tasks.finished()).await.unwrap();
    assert_eq!(collector.spans().await[0].name, "last");
    assert_eq!(counted(&process, "exported"), "1");
}
