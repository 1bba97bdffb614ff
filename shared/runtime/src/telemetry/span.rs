//! A piece of work that is recorded.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use opentelemetry::trace::{Span as _, SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::Span as SdkSpan;

use super::context::SpanContext;
use super::tracer::Shared;

/// A span under way. It ends when it is dropped, and is told to the collector then.
pub struct Span {
    pub(super) shared: Arc<Shared>,
    pub(super) inner: SdkSpan,
    /// When it began, by the clock of the process and by one that cannot be set back.
    pub(super) start: SystemTime,
    pub(super) begun: Instant,
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Span").field(&self.context()).finish()
    }
}

impl Span {
    /// What names it to those who continue the trace.
    pub fn context(&self) -> SpanContext {
        SpanContext::of(self.inner.span_context())
    }

    /// A span below this one, begun now.
    pub fn child(&self, kind: SpanKind, name: impl Into<Cow<'static, str>>) -> Self {
        let parent = self.inner.span_context().clone();
        // By this one's clock, so that it lies within it whatever the time is set to meanwhile.
        let begun = Instant::now();
        let start = self.start + begun.duration_since(self.begun);
        self.shared
            .begin(kind, name.into(), Some(parent), (start, begun))
    }

    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        self.inner.update_name(name);
    }

    /// Notes an attribute. Names are OpenTelemetry's where it has one. Never what a call is
    /// given or answers, and no key.
    pub fn note(&mut self, name: &'static str, value: impl Into<Value>) {
        self.inner.set_attribute(KeyValue::new(name, value));
    }

    /// It failed, for a reason of few.
    pub fn fail(&mut self, reason: &'static str) {
        self.inner.set_status(Status::error(""));
        self.note("error.type", reason);
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let end = self.start + self.begun.elapsed();
        self.inner.end_with_timestamp(end);
    }
}
