//! The span of a request, where it is recorded. Neither what a call is given nor what it answers
//! is ever in it, and no address of a resource, which may tell as much.

use runtime::telemetry::{Handled, Span, SpanContext};

use super::dispatch::Exchange;
use super::running::{Ended, Reply};
use super::trace;
use crate::metrics::{End, Method};
use ::mcp::Params;
use http::HeaderMap;

/// A request that is recorded. One that is dropped before its end was cancelled.
pub(super) struct Recorded {
    span: Span,
    /// What names it in the log.
    request_id: String,
    /// Whether it continues a trace of the client's.
    continues: bool,
    ended: bool,
}

impl Recorded {
    /// Begins to record, if traces are on and this one is among those that are recorded.
    pub(super) fn begin(
        exchange: &Exchange<'_>,
        method: &str,
        params: &Params<'_>,
        headers: Option<&HeaderMap>,
    ) -> Option<Box<Self>> {
        let tracer = &exchange.caller.app.process.tracer;
        if !tracer.is_on() {
            return None;
        }
        let method = Method::of(method).as_str();
        let (parent, state) = trace::parent(params.meta, headers).unzip();
        let mut span = tracer.accept(parent, state.flatten().as_deref(), method)?;
        span.note("mcp.method.name", method);
        span.note("mcp.protocol.version", exchange.client.version().as_str());
        span.note("turnbuckle.tenant", exchange.caller.slug.to_string());
        span.note("turnbuckle.request.id", exchange.request_id.to_owned());
        Some(Box::new(Self {
            span,
            request_id: exchange.request_id.to_owned(),
            continues: parent.is_some(),
            ended: false,
        }))
    }

    /// Where the request goes. Only names that the endpoint has get here.
    pub(super) fn route(&mut self, method: fabric::Method, params: &Params<'_>, connector: &str) {
        let connector = connector.to_owned();
        self.span.note("turnbuckle.connector", connector);
        let named = match method {
            fabric::Method::CallTool => "gen_ai.tool.name",
            fabric::Method::GetPrompt => "gen_ai.prompt.name",
            _ => return,
        };
        if let Some(name) = params.name.as_deref() {
            self.span.rename(format!("{} {name}", method.as_str()));
            self.span.note(named, name.to_owned());
        }
        if method == fabric::Method::CallTool {
            self.span.note("gen_ai.operation.name", "execute_tool");
        }
    }

    /// What travels on instead of the client's, and whether it continues the client's trace.
    pub(super) fn context(&self) -> (SpanContext, bool) {
        (self.span.context(), self.continues)
    }

    /// What lines of the log belong to that are written meanwhile.
    pub(super) fn handled(&self) -> Handled {
        Handled::new(self.span.context(), &self.request_id)
    }

    /// Ends with the reply.
    pub(super) fn follow(mut self: Box<Self>, reply: Reply) -> Reply {
        match reply {
            Reply::Message(answer) => {
                self.end(answer.end);
                Reply::Message(answer)
            }
            Reply::Running(running) => Reply::Running(Box::new(running.recorded(self))),
            Reply::Listen(listen) => {
                self.end(End::Ok);
                Reply::Listen(listen)
            }
        }
    }

    /// Ends with work.
    pub(super) async fn follow_work(
        mut self: Box<Self>,
        work: impl Future<Output = Ended>,
    ) -> Ended {
        let ended = self.handled().scope(work).await;
        self.end(match &ended {
            Ended::Answer(answer) => answer.end,
            Ended::Cancelled => End::Cancelled,
        });
        ended
    }

    fn end(&mut self, end: End) {
        self.ended = true;
        self.span.note("turnbuckle.end", end.as_str());
        if matches!(end, End::ToolError | End::Error | End::Refused) {
            self.span.fail(end.as_str());
        }
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if !self.ended {
            self.end(End::Cancelled);
        }
    }
}
