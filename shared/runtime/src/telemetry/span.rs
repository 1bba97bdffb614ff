//! A piece of work that is recorded.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use time::OffsetDateTime;

use super::context::SpanContext;
use super::tracer::Shared;

/// On which side of a request a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Answers a request of somebody else.
    Server,
    /// Waits for somebody else's answer.
    Client,
}

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(Cow<'static, str>),
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A span under way. It ends when it is dropped, and is told to the collector then.
pub struct Span {
    pub(super) shared: Arc<Shared>,
    /// Taken when it ends.
    pub(super) record: Option<Box<Record>>,
    pub(super) context: SpanContext,
    pub(super) begun: Instant,
}

/// What is known of a span.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) context: SpanContext,
    pub(super) parent: Option<[u8; 8]>,
    pub(super) parent_is_remote: bool,
    pub(super) state: Option<Box<str>>,
    pub(super) name: Cow<'static, str>,
    pub(super) kind: SpanKind,
    /// Nanoseconds since 1970.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) attributes: Vec<(&'static str, Value)>,
    pub(super) failed: bool,
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Span").field(&self.context).finish()
    }
}

impl Span {
    /// What names it to those who continue the trace.
    pub fn context(&self) -> SpanContext {
        self.context
    }

    /// A span below this one, begun now.
    pub fn child(&self, kind: SpanKind, name: impl Into<Cow<'static, str>>) -> Self {
        let state = self.record.as_ref().and_then(|record| record.state.clone());
        self.shared
            .begin(kind, name.into(), Some((self.context, false)), state)
    }

    /// It begins only now; what it is called was needed before.
    pub fn begin_now(&mut self) {
        self.begun = Instant::now();
        let now = nanoseconds(self.shared.clock.now());
        self.edit(|record| record.start = now);
    }

    /// The vendors' part of the trace context that it came with.
    #[must_use]
    pub fn with_state(mut self, state: Option<&str>) -> Self {
        self.edit(|record| record.state = state.map(Box::from));
        self
    }

    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        self.edit(|record| record.name = name.into());
    }

    /// Notes an attribute. Names are OpenTelemetry's where it has one. Never what a call is
    /// given or answers, and no key.
    pub fn note(&mut self, name: &'static str, value: impl Into<Value>) {
        self.edit(|record| record.attributes.push((name, value.into())));
    }

    /// It failed, for a reason of few.
    pub fn fail(&mut self, reason: &'static str) {
        self.edit(|record| record.failed = true);
        self.note("error.type", reason);
    }

    /// It was none: nobody is told.
    pub fn discard(mut self) {
        self.record = None;
    }

    fn edit(&mut self, edit: impl FnOnce(&mut Record)) {
        if let Some(record) = &mut self.record {
            edit(record);
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else {
            return;
        };
        // By the clock that cannot be set back.
        let took = self.begun.elapsed().as_nanos();
        record.end = record.start + u64::try_from(took).unwrap_or(u64::MAX - record.start);
        self.shared.tell(record);
    }
}

pub(super) fn nanoseconds(time: OffsetDateTime) -> u64 {
    u64::try_from(time.unix_timestamp_nanos()).unwrap_or_default()
}
