//! Requests of a peer, and what is done when the server has forgotten what was agreed.

use std::borrow::Cow;

use bytes::Bytes;
use egress::Deadline;
use fabric::{Effect, Events, Failure, FailureKind, Outcome, RpcError};
use http::{HeaderMap, HeaderName, HeaderValue};
use mcp::{HeaderParams, codes, header};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Wire;
use super::agree::{Agreed, Era, METHOD, NAME};
use super::answer::Answer;
use super::message::{self, ToolCall};
use super::peer::{Peer, Refused, Request};
use super::rejected::Refusal;
use crate::failure::{sent, unsent};

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

impl From<Trouble> for Outcome {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Error(error) => Self::Error(error),
            Trouble::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl Peer {
    /// Calls a tool. A call that the server provably did not begin is sent again once, after
    /// what stood in its way has been mended.
    pub(crate) async fn call_tool(
        &self,
        call: &ToolCall<'_>,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Outcome {
        let build = |agreed: &Agreed| self.tool_request(call, agreed);
        let ended = match self.ask(build, events, deadline).await {
            Err(Trouble::Error(error)) if error.code == codes::HEADER_MISMATCH => {
                // The tool may have got annotated parameters since its list was read.
                if let Err(failure) = Box::pin(self.list_tools(deadline)).await {
                    return Outcome::Failed(Failure {
                        effect: Effect::None,
                        ..failure
                    });
                }
                self.ask(build, events, deadline).await
            }
            ended => ended,
        };
        match ended {
            Ok((Era::Legacy, result)) => legacy_outcome(&result),
            Ok((Era::Modern, result)) => modern_outcome(result),
            Err(Trouble::Error(error)) if error.code == codes::HEADER_MISMATCH => {
                Outcome::Failed(unsent(
                    FailureKind::Garbage,
                    "the MCP server does not accept the headers that its own tool list asks for",
                ))
            }
            Err(trouble) => trouble.into(),
        }
    }

    /// Sends what `build` makes of an agreement, with a new agreement once more if the server has
    /// forgotten the old one.
    pub(super) async fn ask<F>(
        &self,
        build: F,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Result<(Era, Bytes), Trouble>
    where
        F: Fn(&Agreed) -> Request,
    {
        let agreed = self.agreed(deadline).await?;
        let refusal = match self
            .exchange(&agreed, build(&agreed), events, deadline)
            .await
        {
            Ok(Answer::Result(result)) => return Ok((agreed.era, result)),
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
        self.forget(&agreed);
        drop(agreed);
        let agreed = self.agreed(deadline).await?;
        match self
            .exchange(&agreed, build(&agreed), events, deadline)
            .await
        {
            Ok(Answer::Result(result)) => Ok((agreed.era, result)),
            Ok(Answer::Error(error)) => Err(Trouble::Error(error)),
            Err(Refused::Status(refusal)) => Err(trouble_of(refusal)),
            Err(Refused::Failed(failure)) => Err(failure.into()),
        }
    }

    fn tool_request(&self, call: &ToolCall<'_>, agreed: &Agreed) -> Request {
        let id = self.next_id();
        let modern = agreed.era == Era::Modern;
        let mut headers = agreed.headers.clone();
        if modern && self.wire() == Wire::Http {
            headers.insert(METHOD, HeaderValue::from_static("tools/call"));
            insert_text(&mut headers, NAME, call.name);
            if let Some(params) = self.header_params.load().get(call.name) {
                insert_params(&mut headers, params, call.arguments);
            }
        }
        Request {
            id,
            body: message::call_tool(id, call, modern),
            headers,
        }
    }

    pub(super) fn list_request(&self, cursor: Option<&str>, agreed: &Agreed) -> Request {
        let id = self.next_id();
        let modern = agreed.era == Era::Modern;
        let mut headers = agreed.headers.clone();
        if modern && self.wire() == Wire::Http {
            headers.insert(METHOD, HeaderValue::from_static("tools/list"));
        }
        Request {
            id,
            body: message::list_tools(id, cursor, modern),
            headers,
        }
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

/// A legacy server's result, without members that mean something in the other era only: a modern
/// client would take them for ours.
fn legacy_outcome(result: &Bytes) -> Outcome {
    match mcp::strip_for_legacy(result) {
        Ok(result) => Outcome::Result(result),
        Err(_) => Outcome::Failed(sent(
            FailureKind::Garbage,
            "the MCP server answered a result that cannot be read",
        )),
    }
}

fn modern_outcome(result: Bytes) -> Outcome {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow, default, rename = "resultType")]
        result_type: Option<Cow<'a, str>>,
    }
    let unfinished = match serde_json::from_slice::<Head<'_>>(&result) {
        Ok(head) => head
            .result_type
            .as_deref()
            .map_or("complete", |found| match found {
                "complete" => "complete",
                "input_required" => "the tool asks for further input, which cannot be passed on",
                _ => "the tool answered with a kind of result that was not asked for",
            }),
        Err(_) => "the MCP server answered a result that cannot be read",
    };
    if unfinished == "complete" {
        return Outcome::Result(result);
    }
    Outcome::Failed(sent(FailureKind::Garbage, unfinished))
}

fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    let value = HeaderValue::from_str(&header::encode_value(text))
        .expect("an encoded value is printable ASCII");
    headers.insert(name, value);
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
