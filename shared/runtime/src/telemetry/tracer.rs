//! Who decides what is recorded, and begins spans.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext as WireContext, SpanKind, TraceContextExt, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanLimits};
use prometheus_client::metrics::family::Family;
use tokio::sync::mpsc;

use super::config::{TelemetryConfig, TelemetryConfigError};
use super::context::SpanContext;
use super::export::{Exporter, Labels, Queue};
use super::span::Span;
use super::way::Deliver;
use crate::{Clock, Process};

/// Begins spans, if traces are on. Off, asking it costs one comparison. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Shared>>);

/// One moment by two clocks.
pub(super) type Times = (SystemTime, Instant);

pub(super) struct Shared {
    clock: Arc<dyn Clock>,
    tracer: SdkTracer,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracer").field(&self.is_on()).finish()
    }
}

impl Tracer {
    /// Starts what tells the collector, if there is one; `service` is what the process is called
    /// there, and `node` tells it from others of its role. What the environment has for
    /// OpenTelemetry (`OTEL_…`) means nothing: `config` says all.
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
        let resource = resource(service, node);
        let (ended, queue) = mpsc::channel(config.queue);
        let dropped = spans.get_or_create_owned(&Labels::DROPPED);
        let shutdown = process.shutdown.clone();
        let exporter = Exporter::new(config, target, &resource, spans, way, shutdown)?;
        process
            .tasks
            .disposable("export of traces", exporter.run(queue));
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                config.sample_ratio,
            ))))
            .with_span_limits(SpanLimits::default())
            .with_resource(resource)
            .with_span_processor(Queue::new(ended, dropped))
            .build();
        let scope = InstrumentationScope::builder("turnbuckle")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Ok(Self(Some(Arc::new(Shared {
            clock,
            tracer: provider.tracer_with_scope(scope),
        }))))
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A span that answers somebody from outside: it continues their trace if they record it, and
    /// begins one, for a part of all, if they have none. `state` is the vendors' part of the
    /// trace context that it comes with (`tracestate`); one that is malformed is left behind.
    pub fn accept(
        &self,
        parent: Option<SpanContext>,
        state: Option<&str>,
        name: impl Into<Cow<'static, str>>,
    ) -> Option<Span> {
        match parent {
            Some(_) => self.resume(parent, state, name),
            None => {
                let shared = self.0.as_ref()?;
                let span = shared.begin(SpanKind::Server, name.into(), None, shared.now());
                span.inner.is_recording().then_some(span)
            }
        }
    }

    /// A span that answers another part of the platform: it continues a trace or is none.
    pub fn resume(
        &self,
        parent: Option<SpanContext>,
        state: Option<&str>,
        name: impl Into<Cow<'static, str>>,
    ) -> Option<Span> {
        let shared = self.0.as_ref()?;
        let parent = parent.filter(SpanContext::is_sampled)?;
        let parent = parent.remote(state);
        Some(shared.begin(SpanKind::Server, name.into(), Some(parent), shared.now()))
    }
}

impl Shared {
    /// By the clock of the process, and by one that cannot be set back.
    fn now(&self) -> Times {
        (self.clock.now().into(), Instant::now())
    }

    pub(super) fn begin(
        self: &Arc<Self>,
        kind: SpanKind,
        name: Cow<'static, str>,
        parent: Option<WireContext>,
        (start, begun): Times,
    ) -> Span {
        let mut context = Context::new();
        if let Some(parent) = parent {
            // Also of a parent of this process: whether it is remote, it says itself.
            context = context.with_remote_span_context(parent);
        }
        let builder = SpanBuilder::from_name(name)
            .with_kind(kind)
            .with_start_time(start);
        Span {
            shared: self.clone(),
            inner: self.tracer.build_with_context(builder, &context),
            start,
            begun,
        }
    }
}

/// What a process is called (OpenTelemetry's `service.*`).
fn resource(service: &'static str, node: &str) -> Resource {
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes([
            KeyValue::new("service.name", service),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", node.to_owned()),
        ])
        .build()
}
