//! Requests of a peer, and what is done when the server has forgotten what was agreed.

use std::sync::Arc;

use bytes::Bytes;
use egress::Deadline;
use fabric::{Effect, Failure, FailureKind, Method, Outcome, RpcError};
use http::{HeaderMap, HeaderName, HeaderValue};
use mcp::{ClientProfile, HeaderParams, TraceContext, codes, header};
use serde_json::value::RawValue;

use super::Wire;
use super::agree::{Agreed, Era, METHOD, NAME};
use super::answer::Answer;
use super::message::{self, Style};
use super::outcome::{legacy_outcome, modern_outcome};
use super::peer::{Caller, Peer, Refused, Request};
use super::rejected::Refusal;
use crate::failure::unsent;

/// Why a request has no result.
#[derive(Debug)]
pub(super) enum Trouble {
    Error(RpcError),
    Failed(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Peer {
    /// Makes a request of a client. One that the server provably did not begin is sent again
    /// once, after what stood in its way has been mended.
    pub(super) async fn run(
        &self,
        request: &fabric::Request,
        client: &ClientProfile,
        caller: &Caller,
        deadline: Deadline,
    ) -> Outcome {
        let build = |agreed: &Agreed| self.client_request(request, client, false, agreed);
        let ended = match self.ask(build, caller, deadline).await {
            Err(Trouble::Error(error)) if error.code == codes::HEADER_MISMATCH => {
                // The tool may have got annotated parameters since its list was read.
                if let Err(failure) = Box::pin(self.list_tools(client, deadline)).await {
                    return Outcome::Failed(Failure {
                        effect: Effect::None,
                        ..failure
                    });
                }
                self.ask(build, caller, deadline).await
            }
            ended => ended,
        };
        match ended {
            Ok((agreed, result)) if agreed.era == Era::Legacy => legacy_outcome(&result),
            Ok((_, result)) => modern_outcome(result, request.method, client),
            Err(Trouble::Error(error)) if error.code == codes::HEADER_MISMATCH => {
                Outcome::Failed(unsent(
                    FailureKind::Garbage,
                    "the MCP server does not accept the headers that its own tool list asks for",
                ))
            }
            Err(Trouble::Error(error)) => Outcome::Error(error),
            Err(Trouble::Failed(failure)) => Outcome::Failed(failure),
        }
    }

    /// Sends what `build` makes of an agreement, with a new agreement once more if the server has
    /// forgotten the old one.
    pub(super) async fn ask<F>(
        &self,
        build: F,
        caller: &Caller,
        deadline: Deadline,
    ) -> Result<(Arc<Agreed>, Bytes), Trouble>
    where
        F: Fn(&Agreed) -> Request,
    {
        let agreed = self.agreed(deadline).await?;
        let refusal = match self
            .exchange(&agreed, build(&agreed), caller, deadline)
            .await
        {
            Ok(Answer::Result(result)) => return Ok((agreed, result)),
            Ok(Answer::Error(error)) => Refusal::of_error(error),
            Err(Refused::Status(refusal)) => refusal,
            Err(Refused::Failed(failure)) => return Err(failure.into()),
        };
        let forgotten = match standing(&agreed, &refusal, self.wire()) {
            Standing::Known => false,
            Standing::Forgotten => true,
            // Boxed, because it is large and rare.
            Standing::Doubtful => Box::pin(self.link.is_modern_now(deadline)).await,
        };
        if !forgotten {
            return Err(trouble_of(refusal));
        }
        tracing::debug!(status = %refusal.status, "the MCP server has forgotten us, agreeing anew");
        self.link.forget(&agreed);
        self.notices.gap();
        drop(agreed);
        let agreed = self.agreed(deadline).await?;
        match self
            .exchange(&agreed, build(&agreed), caller, deadline)
            .await
        {
            Ok(Answer::Result(result)) => Ok((agreed, result)),
            Ok(Answer::Error(error)) => Err(Trouble::Error(error)),
            Err(Refused::Status(refusal)) => Err(trouble_of(refusal)),
            Err(Refused::Failed(failure)) => Err(failure.into()),
        }
    }

    pub(super) fn client_request(
        &self,
        request: &fabric::Request,
        client: &ClientProfile,
        as_task: bool,
        agreed: &Agreed,
    ) -> Request {
        let id = self.next_id();
        let modern = agreed.era == Era::Modern;
        let mut headers = agreed.headers.clone();
        if self.wire() == Wire::Http {
            if modern {
                let method = HeaderValue::from_static(request.method.as_str());
                headers.insert(METHOD, method);
                if let (Some(_), Some(name)) = (request.method.name_key(), &request.name) {
                    insert_text(&mut headers, NAME, name);
                    for (name, value) in &request.param_headers {
                        append_param(&mut headers, name, value);
                    }
                    let tools = self.link.known.tools.load();
                    if request.method == Method::CallTool
                        && let Some(params) = tools.header_params.get(name)
                    {
                        insert_params(&mut headers, params, request.arguments.as_deref());
                    }
                }
            }
            if let Some(meta) = &request.meta {
                insert_trace(&mut headers, meta);
            }
        }
        let style = Style {
            client,
            modern,
            as_task,
        };
        Request {
            id,
            body: message::request(id, request, style),
            headers,
        }
    }

    pub(super) fn list_request(
        &self,
        cursor: Option<&str>,
        client: &ClientProfile,
        agreed: &Agreed,
    ) -> Request {
        let id = self.next_id();
        let style = style_of(client, agreed);
        Request {
            id,
            body: message::list_tools(id, cursor, style),
            headers: self.own_headers("tools/list", agreed),
        }
    }

    /// A request of our own; `params` is the inside of an object.
    pub(super) fn own_request(
        &self,
        method: &'static str,
        params: &str,
        client: &ClientProfile,
        agreed: &Agreed,
    ) -> Request {
        let id = self.next_id();
        Request {
            id,
            body: message::own(id, method, params, style_of(client, agreed)),
            headers: self.own_headers(method, agreed),
        }
    }

    fn own_headers(&self, method: &'static str, agreed: &Agreed) -> HeaderMap {
        let mut headers = agreed.headers.clone();
        if agreed.era == Era::Modern && self.wire() == Wire::Http {
            headers.insert(METHOD, HeaderValue::from_static(method));
        }
        headers
    }
}

fn style_of<'a>(client: &'a ClientProfile, agreed: &Agreed) -> Style<'a> {
    Style {
        client,
        modern: agreed.era == Era::Modern,
        as_task: false,
    }
}

/// What a refusal says of an agreement.
enum Standing {
    /// Nothing: it is about the request.
    Known,
    /// The server knows nothing of it; the request was not begun, and a new agreement may help.
    Forgotten,
    /// A legacy server may refuse wrong arguments so, and a modern one missing metadata.
    Doubtful,
}

fn standing(agreed: &Agreed, refusal: &Refusal, wire: Wire) -> Standing {
    use Standing::{Doubtful, Forgotten, Known};
    // How servers of one era refuse a request of the other, besides the codes made for it; the
    // first is how widely used ones answer to a session that they do not know.
    let unspecific = matches!(
        refusal.code(),
        None | Some(-32_000 | codes::INVALID_REQUEST)
    );
    match (agreed.era, refusal.status.as_u16()) {
        (Era::Legacy, _) if refusal.is_modern() => Forgotten,
        (Era::Legacy, 404) if wire == Wire::Http && agreed.has_session() => Forgotten,
        (Era::Legacy, 400) if refusal.code() == Some(codes::INVALID_PARAMS) => Doubtful,
        (Era::Modern, _) if refusal.code() == Some(codes::UNSUPPORTED_PROTOCOL_VERSION) => {
            Forgotten
        }
        (Era::Legacy, 400) | (Era::Modern, 400 | 404 | 405) if unspecific => Forgotten,
        // It has moved since: agreeing anew follows it.
        (_, 307 | 308) => Forgotten,
        _ => Known,
    }
}

fn trouble_of(refusal: Refusal) -> Trouble {
    let ours_to_tell = refusal.concerns_credential() || refusal.status.as_u16() == 429;
    match refusal {
        Refusal {
            error: Some(error), ..
        } if !ours_to_tell => Trouble::Error(error),
        refusal => Trouble::Failed(refusal.failure()),
    }
}

fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    let value = HeaderValue::from_str(&header::encode_value(text))
        .expect("an encoded value is printable ASCII");
    headers.insert(name, value);
}

/// A field of the client's, unless it is none of those that a client may set.
fn append_param(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = Some(name).filter(|name| name.starts_with(header::PARAM_PREFIX));
    let name = name.and_then(|name| HeaderName::try_from(name).ok());
    if let (Some(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
        headers.append(name, value);
    }
}

fn insert_params(headers: &mut HeaderMap, params: &HeaderParams, arguments: Option<&[u8]>) {
    let arguments = arguments.and_then(|raw| serde_json::from_slice::<&RawValue>(raw).ok());
    for (name, value) in params.headers(arguments) {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

/// W3C trace context travels in `_meta` and, over HTTP, as the headers of the same names.
fn insert_trace(headers: &mut HeaderMap, meta: &[u8]) {
    let Some(trace) = TraceContext::of(meta) else {
        return;
    };
    let Ok(parent) = HeaderValue::from_str(&trace.traceparent) else {
        return;
    };
    headers.insert(HeaderName::from_static("traceparent"), parent);
    if let Some(Ok(state)) = trace.tracestate.map(|state| HeaderValue::from_str(&state)) {
        headers.insert(HeaderName::from_static("tracestate"), state);
    }
}
