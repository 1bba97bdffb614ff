//! Header fields of what we send over HTTP.

use std::collections::BTreeMap;

use fabric::{Failure, FailureKind};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::failure::unsent;

pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Header fields that no connector may set: they belong to the connection or to the protocol.
const RESERVED: [&str; 13] = [
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What goes with every message: `headers` as they are, `token` as a bearer token.
///
/// # Errors
/// A header or the token cannot be sent.
pub(super) fn base_headers(
    token: Option<&str>,
    headers: &BTreeMap<String, String>,
) -> Result<HeaderMap, Failure> {
    let mut base = HeaderMap::with_capacity(12);
    for (name, value) in headers {
        let refuse = |why| {
            let message = format!("the connector's header {name:?} {why}");
            unsent(FailureKind::Credential, message)
        };
        let parsed = HeaderName::try_from(name).map_err(|_| refuse("is no header name"))?;
        if RESERVED.contains(&parsed.as_str()) || parsed.as_str().starts_with("mcp-") {
            return Err(refuse("belongs to the protocol and cannot be set"));
        }
        let value = secret_value(value).ok_or_else(|| refuse("has a value that cannot be sent"))?;
        base.insert(parsed, value);
    }
    if let Some(token) = token {
        let value = secret_value(&format!("Bearer {token}")).ok_or_else(|| {
            unsent(
                FailureKind::Credential,
                "the connector's token cannot be sent in a header",
            )
        })?;
        base.insert(AUTHORIZATION, value);
    }
    base.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    base.insert(
        ACCEPT,
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    Ok(base)
}

/// A value that is never printed.
fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The same for asking for a stream, taken up after `last_event` where there is one.
pub(super) fn stream_headers(mut headers: HeaderMap, last_event: Option<&str>) -> HeaderMap {
    headers.remove(CONTENT_TYPE);
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    // An id that no header can carry starts the stream anew.
    if let Some(event) = last_event.and_then(|event| HeaderValue::from_str(event).ok()) {
        headers.insert(LAST_EVENT_ID, event);
    }
    headers
}
