//! Who decides what is recorded, and begins spans.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::config::{TelemetryConfig, TelemetryConfigError};
use super::context::SpanContext;
use super::export::{Deliver, Exporter, Labels};
use super::span::{Record, Span, SpanKind, nanoseconds};
use crate::{Clock, Process};

/// Begins spans, if traces are on. Off, asking it costs one comparison. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Shared>>);

pub(super) struct Shared {
    pub(super) clock: Arc<dyn Clock>,
    /// Of 2^56, how many of the traces that are begun here are recorded.
    threshold: u64,
    queue: mpsc::Sender<Box<Record>>,
    spans: Family<Labels, Counter>,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracer").field(&self.is_on()).finish()
    }
}

impl Tracer {
    /// Starts what tells the collector, if there is one; `service` is what the process is called
    /// there, and `node` tells it from others of its role.
    ///
    /// # Errors
    /// When a setting cannot be used. A collector that cannot be reached is no error.
    pub fn start(
        config: &TelemetryConfig,
        service: &'static str,
        node: &str,
        clock: Arc<dyn Clock>,
        way: Arc<dyn Deliver>,
        process: &Process,
    ) -> Result<Self, TelemetryConfigError> {
        let Some(target) = config.target()? else {
            return Ok(Self::default());
        };
        let spans = process.metrics.register(
            "telemetry_spans",
            "Spans that ended, by what became of them",
            Family::default(),
        );
        let (queue, ended) = mpsc::channel(config.queue);
        let exporter = Exporter::new(config, target, service, node, spans.clone(), way);
        let shutdown = process.shutdown.clone();
        process.tasks.disposable("export of traces", async move {
            exporter.run(ended, shutdown).await;
            Ok(())
        });
        Ok(Self(Some(Arc::new(Shared {
            clock,
            threshold: threshold(config.sample_ratio),
            queue,
            spans,
        }))))
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A span that answers somebody from outside: it continues their trace if they record it, and
    /// begins one, for a part of all, if they have none.
    pub fn accept(
        &self,
        parent: Option<SpanContext>,
        name: impl Into<Cow<'static, str>>,
    ) -> Option<Span> {
        let shared = self.0.as_ref()?;
        let parent = match parent {
            Some(parent) => parent.is_sampled().then_some(Some((parent, true)))?,
            None => None,
        };
        let trace = parent.is_none().then(|| Uuid::new_v4().into_bytes());
        if trace.is_some_and(|trace| !shared.samples(&trace)) {
            return None;
        }
        Some(shared.begin_in(trace, SpanKind::Server, name.into(), parent, None))
    }

    /// A span that answers another part of the platform: it continues a trace or is none.
    pub fn resume(
        &self,
        parent: Option<SpanContext>,
        name: impl Into<Cow<'static, str>>,
    ) -> Option<Span> {
        let shared = self.0.as_ref()?;
        let parent = parent.filter(SpanContext::is_sampled)?;
        Some(shared.begin(SpanKind::Server, name.into(), Some((parent, true)), None))
    }
}

impl Shared {
    /// By the end of the trace's id, as every sampler of W3C level 2 does.
    fn samples(&self, trace: &[u8; 16]) -> bool {
        let mut end = [0; 8];
        end[1..].copy_from_slice(&trace[9..]);
        u64::from_be_bytes(end) < self.threshold
    }

    pub(super) fn begin(
        self: &Arc<Self>,
        kind: SpanKind,
        name: Cow<'static, str>,
        parent: Option<(SpanContext, bool)>,
        state: Option<Box<str>>,
    ) -> Span {
        self.begin_in(None, kind, name, parent, state)
    }

    fn begin_in(
        self: &Arc<Self>,
        trace: Option<[u8; 16]>,
        kind: SpanKind,
        name: Cow<'static, str>,
        parent: Option<(SpanContext, bool)>,
        state: Option<Box<str>>,
    ) -> Span {
        let trace = parent.map(|(parent, _)| parent.trace).or(trace);
        let trace = trace.unwrap_or_else(|| Uuid::new_v4().into_bytes());
        let context = SpanContext::new(trace, span_id());
        Span {
            shared: self.clone(),
            context,
            begun: Instant::now(),
            record: Some(Box::new(Record {
                context,
                parent: parent.map(|(parent, _)| parent.span),
                parent_is_remote: parent.is_some_and(|(_, remote)| remote),
                state,
                name,
                kind,
                start: nanoseconds(self.clock.now()),
                end: 0,
                attributes: Vec::with_capacity(6),
                failed: false,
            })),
        }
    }

    /// Never waits: what finds no place is dropped, and counted.
    pub(super) fn tell(&self, record: Box<Record>) {
        if self.queue.try_send(record).is_err() {
            self.spans.get_or_create(&Labels::DROPPED).inc();
        }
    }
}

fn threshold(ratio: f64) -> u64 {
    const WHOLE: f64 = (1_u64 << 56) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 2^56"
    )]
    let part = (ratio * WHOLE) as u64;
    part
}

/// Eight bytes of chance, not all of them 0: those of a UUID that tell no version.
fn span_id() -> [u8; 8] {
    let id = Uuid::new_v4().into_bytes();
    let mut span = [0; 8];
    span[..6].copy_from_slice(&id[..6]);
    span[6..].copy_from_slice(&id[14..]);
    if span == [0; 8] {
        span[7] = 1;
    }
    span
}
