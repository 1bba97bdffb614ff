//! Answers to what a server asks of its client.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::inputs::{Input, NO_METHOD};
use super::sink::Sink;

/// The answer to a server's request that can be given at once: pong, or why the client is not
/// asked. `None` when the question went to the client behind `sink`, whose answer follows. A `stray`
/// one came outside the call that `sink` is of.
pub(super) fn reply_to(
    id: &str,
    method: &str,
    params: Option<&RawValue>,
    sink: Option<&Sink>,
    stray: bool,
) -> Option<Bytes> {
    if method == "ping" {
        return Some(mcp::result_response(id, b"{}"));
    }
    let input = Input {
        method: Cow::Borrowed(method),
        params,
    };
    match sink.map_or(Err(NO_METHOD), |sink| sink.ask(id, &input, stray)) {
        Ok(()) => None,
        Err(undeclared) => Some(undeclared.response(id)),
    }
}
