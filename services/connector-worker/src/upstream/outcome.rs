//! What a server's result means, by its era.

use std::borrow::Cow;

use bytes::Bytes;
use fabric::{FailureKind, InputRequired, Method, Outcome};
use mcp::ClientProfile;
use mcp::mrtr::InputKind;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::failure::sent;

/// A legacy server's result, without members that mean something in the other era only: a modern
/// client would take them for ours.
pub(super) fn legacy_outcome(result: &Bytes) -> Outcome {
    match mcp::strip_for_legacy(result) {
        Ok(result) => Outcome::Result(result),
        Err(_) => garbage("the MCP server answered a result that cannot be read"),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    #[serde(borrow, default)]
    result_type: Option<Cow<'a, str>>,
}

/// A modern server's result, which may be no result yet (2026-07-28, "Multi Round-Trip
/// Requests"). What the server may not answer to this request is garbage.
pub(super) fn modern_outcome(result: Bytes, method: Method, client: &ClientProfile) -> Outcome {
    let Ok(head) = serde_json::from_slice::<Head<'_>>(&result) else {
        return garbage("the MCP server answered a result that cannot be read");
    };
    match head.result_type.as_deref() {
        None | Some("complete") => Outcome::Result(result),
        Some("input_required") if may_ask(method) => input_required(&result),
        Some("task") if method == Method::CallTool && client.capabilities.tasks => {
            Outcome::Result(result)
        }
        Some(_) => garbage("the MCP server answered a kind of result that was not asked for"),
    }
}

/// The requests that may be answered by questions.
pub(super) const fn may_ask(method: Method) -> bool {
    matches!(
        method,
        Method::CallTool | Method::GetPrompt | Method::ReadResource
    )
}

fn input_required(result: &Bytes) -> Outcome {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(borrow, default)]
        input_requests: Option<&'a RawValue>,
        #[serde(default)]
        request_state: Option<String>,
        #[serde(borrow, default, rename = "_meta")]
        meta: Option<&'a RawValue>,
    }
    let Ok(wire) = serde_json::from_slice::<Wire<'_>>(result) else {
        return garbage("the MCP server asked for input in a way that cannot be read");
    };
    if wire.input_requests.is_none() && wire.request_state.is_none() {
        return garbage("the MCP server asked for input without saying for what");
    }
    // Whether the client can be asked this its caller says, in words that the client knows.
    if let Some(requests) = wire.input_requests {
        let Ok(requests) = mcp::mrtr::input_requests(requests.get()) else {
            return garbage("the MCP server asked for input in a way that cannot be read");
        };
        if requests
            .iter()
            .any(|request| InputKind::of(&request.method).is_none())
        {
            return garbage("the MCP server asked for input of a kind that there is not");
        }
    }
    let part = |raw: &RawValue| result.slice_ref(raw.get().as_bytes());
    Outcome::InputRequired(InputRequired {
        requests: wire.input_requests.map(part),
        state: wire.request_state,
        meta: wire.meta.filter(|raw| raw.get().starts_with('{')).map(part),
    })
}

fn garbage(message: &str) -> Outcome {
    Outcome::Failed(sent(FailureKind::Garbage, message))
}
