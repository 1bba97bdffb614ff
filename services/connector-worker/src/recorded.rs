//! The spans of a call, where it is recorded: the call here, and below it what is done upstream.
//! A worker begins no trace: what to record was decided where the client is.

use std::borrow::Cow;

use bytes::Bytes;
use fabric::{Call, Method, Outcome};
use mcp::{TraceContext, with_traceparent};
use runtime::telemetry::{Handled, Span, SpanContext, SpanKind, Tracer};

use crate::metrics::Kind;

/// A call that is recorded. One that is dropped before its end was cancelled.
pub(crate) struct Recorded {
    /// Before the call's, so that it ends before it.
    upstream: Option<Span>,
    call: Span,
    ended: bool,
}

impl Recorded {
    /// Begins to record a call that is part of a recorded trace.
    pub(crate) fn begin(tracer: &Tracer, call: &Call) -> Option<Box<Self>> {
        let told = TraceContext::of(call.request.meta.as_deref()?)?;
        let parent = SpanContext::parse(&told.traceparent);
        let state = told.tracestate;
        let mut span = tracer.resume(parent, state.as_deref(), name(call))?;
        describe(&mut span, call);
        span.note("turnbuckle.connector.id", call.connector.to_string());
        span.note("turnbuckle.request.id", call.request_id.clone());
        Some(Box::new(Self {
            upstream: None,
            call: span,
            ended: false,
        }))
    }

    /// What lines of the log belong to that are written meanwhile.
    pub(crate) fn handled(&self, call: &Call) -> Handled {
        Handled::new(self.call.context(), &call.request_id)
    }

    /// The connector is held, and is asked: it will be told the span of what is done there.
    pub(crate) fn upstream_begins(&mut self, kind: Kind, call: &mut Call) {
        let mut upstream = self.call.child(SpanKind::Client, name(call));
        describe(&mut upstream, call);
        for span in [&mut self.call, &mut upstream] {
            span.note("turnbuckle.connector.kind", kind.as_str());
        }
        let own = upstream.context().to_traceparent();
        let meta = with_traceparent(call.request.meta.as_deref(), &own, true);
        call.request.meta = Some(Bytes::from(meta));
        self.upstream = Some(upstream);
    }

    pub(crate) fn upstream_ends(&mut self, outcome: &Outcome) {
        if let Some(mut upstream) = self.upstream.take() {
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
    }
}

/// Others than tools and prompts name resources, or what is nobody's but the caller's.
fn target(call: &Call) -> Option<(&'static str, &str)> {
    let attribute = match call.request.method {
        Method::CallTool => "gen_ai.tool.name",
        Method::GetPrompt => "gen_ai.prompt.name",
        _ => return None,
    };
    Some((attribute, call.request.name.as_deref()?))
}

fn name(call: &Call) -> Cow<'static, str> {
    let method = call.request.method.as_str();
    match target(call) {
        Some((_, name)) => format!("{method} {name}").into(),
        None => method.into(),
    }
}

/// OpenTelemetry's conventions for MCP.
fn describe(span: &mut Span, call: &Call) {
    span.note("mcp.method.name", call.request.method.as_str());
    if let Some((attribute, name)) = target(call) {
        span.note(attribute, name.to_owned());
    }
    if call.request.method == Method::CallTool {
        span.note("gen_ai.operation.name", "execute_tool");
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
