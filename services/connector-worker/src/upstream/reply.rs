//! Answers to what a server asks in mid-call. We declare no client capability, so all it may ask
//! is whether we live.

use bytes::Bytes;
use mcp::{Message, codes};

/// The answer to a server's request: pong, or that there is no such method here. `None` when the
/// message is no request and needs no answer.
pub(crate) fn reply_to(message: &Message<'_>) -> Option<Bytes> {
    let Message::Request { id, method, .. } = message else {
        return None;
    };
    let reply = match &**method {
        "ping" => format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, id.raw()),
        _ => format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":{},"message":"Method not found: this client declared no such capability"}}}}"#,
            id.raw(),
            codes::METHOD_NOT_FOUND,
        ),
    };
    Some(Bytes::from(reply))
}
