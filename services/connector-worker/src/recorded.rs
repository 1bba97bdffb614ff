//! The spans of a call, where it is recorded: the call here, and below it what is done upstream.
//! A worker begins no trace: what to record was decided where the client is.

use bytes::Bytes;
use fabric::{Call, Method, Outcome};
use mcp::{TraceContext, with_traceparent};
use runtime::telemetry::{Span, SpanContext, SpanKind, Tracer};

use crate::metrics::Kind;

/// A call that is recorded. One that is dropped before its end was cancelled.
pub(crate) struct Recorded {
    /// Before the call's, so that it ends before it.
    upstream: Option<Span>,
    call: Span,
    /// Whether the upstream was asked at all.
    asked: bool,
    ended: bool,
}

impl Recorded {
    /// Begins to record a call that is part of a recorded trace. The upstream will be told the
    /// span of what is done there.
    pub(crate) fn begin(tracer: &Tracer, call: &mut Call) -> Option<Box<Self>> {
        let meta = call.request.meta.as_deref()?;
        let told = TraceContext::of(meta)?;
        let parent = SpanContext::parse(&told.traceparent);
        let name = match (call.request.method, call.request.name.as_deref()) {
            // Others name resources, or what is nobody's but the caller's.
            (method @ (Method::CallTool | Method::GetPrompt), Some(name)) => {
                format!("{} {name}", method.as_str()).into()
            }
            (method, _) => std::borrow::Cow::Borrowed(method.as_str()),
        };
        let span = tracer.resume(parent, name.clone())?;
        let mut span = span.with_state(told.tracestate.as_deref());
        span.note("mcp.method.name", call.request.method.as_str());
        span.note("turnbuckle.connector.id", call.connector.to_string());
        span.note("turnbuckle.request.id", call.request_id.clone());
        let upstream = span.child(SpanKind::Client, name);
        let own = upstream.context().to_traceparent();
        let meta = with_traceparent(Some(meta), &own, true);
        call.request.meta = Some(Bytes::from(meta));
        Some(Box::new(Self {
            upstream: Some(upstream),
            call: span,
            asked: false,
            ended: false,
        }))
    }

    /// The connector is held, and is asked.
    pub(crate) fn upstream_begins(&mut self, kind: Kind) {
        self.call.note("turnbuckle.connector.kind", kind.as_str());
        self.asked = true;
        if let Some(upstream) = &mut self.upstream {
            upstream.begin_now();
            upstream.note("turnbuckle.connector.kind", kind.as_str());
        }
    }

    pub(crate) fn upstream_ends(&mut self, outcome: &Outcome) {
        if let Some(mut upstream) = self.upstream.take_if(|_| self.asked) {
            note(&mut upstream, outcome);
        }
    }

    pub(crate) fn end(&mut self, outcome: &Outcome) {
        self.ended = true;
        note(&mut self.call, outcome);
        self.upstream_ends(outcome);
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if !self.ended {
            self.call.note("turnbuckle.end", "cancelled");
        }
        if let Some(upstream) = self.upstream.take_if(|_| !self.asked) {
            upstream.discard();
        }
    }
}

fn note(span: &mut Span, outcome: &Outcome) {
    let end = match outcome {
        Outcome::Result(_) => "result",
        Outcome::InputRequired(_) => "input_required",
        Outcome::Error(error) => {
            span.note("rpc.response.status_code", error.code.to_string());
            span.fail("error");
            "error"
        }
        Outcome::Failed(failure) => {
            span.fail(failure.kind.as_str());
            "failed"
        }
    };
    span.note("turnbuckle.end", end);
}
