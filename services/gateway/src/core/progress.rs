//! Events of a call as notifications on its own stream.

use ::mcp::notification;
use bytes::Bytes;
use fabric::CallEvent;

/// The message that an event is to the client, if it is any: progress under the client's own
/// token, and log messages, which the worker has left in at the client's level only.
pub(super) fn message(event: &CallEvent, token: Option<&str>) -> Option<Bytes> {
    match event {
        CallEvent::Progress(members) => progress(members, token?),
        CallEvent::Log(params) => Some(notification("notifications/message", params)),
        CallEvent::ElicitationComplete(params) => {
            Some(notification("notifications/elicitation/complete", params))
        }
        // Tasks are told of to those who listen for them, and a call watches nothing.
        _ => None,
    }
}

fn progress(members: &[u8], token: &str) -> Option<Bytes> {
    let members = std::str::from_utf8(members).ok()?.trim();
    let rest = members.strip_prefix('{')?.trim_start();
    let comma = if rest.starts_with('}') { "" } else { "," };
    let params = format!(r#"{{"progressToken":{token}{comma}{rest}"#);
    Some(notification("notifications/progress", params.as_bytes()))
}
