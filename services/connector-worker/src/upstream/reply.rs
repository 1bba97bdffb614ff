//! Answers to what a server asks of its client.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::inputs::Input;
use super::sink::Sink;

/// The answer to a server's request that can be given at once: pong, or why the client is not
/// asked. `None` when the question went to the client behind `sink`, the call's that it was
/// asked in; the answer follows.
pub(super) fn reply_to(
    id: &str,
    method: &str,
    params: Option<&RawValue>,
    sink: &Sink,
) -> Option<Bytes> {
    if method == "ping" {
        return Some(mcp::result_response(id, b"{}"));
    }
    let input = Input {
        method: Cow::Borrowed(method),
        params,
    };
    match sink.ask(id, &input, false) {
        Ok(()) => None,
        Err(undeclared) => Some(undeclared.response(id)),
    }
}
