//! Multi-round-trip requests (2026-07-28): what a server asks of the client in mid-call, and the
//! same as the server requests of older revisions.

mod answers;
mod legacy;

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::value::RawValue;

pub use answers::InputKind;
pub use legacy::request_for_legacy;

use crate::edge::ServerInfo;
use crate::edit::{Edits, member, quoted, string};
use crate::meta::keys;
use crate::object::members;

/// One of the things that a server asks.
#[derive(Clone, Debug)]
pub struct InputRequest<'a> {
    /// Names the answer.
    pub key: Cow<'a, str>,
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: Cow<'a, str>,
    /// A JSON object.
    pub params: Option<&'a RawValue>,
}

/// How an elicitation wants its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElicitationMode {
    /// By a form that the client shows.
    Form,
    /// By a page that the user opens.
    Url,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

/// Reads the `inputRequests` of a result, in their order.
///
/// # Errors
/// It is no object of requests: one has no method, has params that are no object, or has the key
/// of another.
pub fn input_requests(raw: &str) -> Result<Vec<InputRequest<'_>>, serde_json::Error> {
    let mut requests: Vec<InputRequest<'_>> = Vec::new();
    for (key, request) in members(raw)? {
        if !request.get().starts_with('{') {
            return Err(serde_json::Error::custom(
                "an input request must be an object",
            ));
        }
        let Wire { method, params } = serde_json::from_str(request.get())?;
        if params.is_some_and(|params| !params.get().starts_with('{')) {
            return Err(serde_json::Error::custom("params must be an object"));
        }
        if requests.iter().any(|known| known.key == key) {
            return Err(serde_json::Error::custom("two input requests have one key"));
        }
        requests.push(InputRequest {
            key,
            method,
            params,
        });
    }
    Ok(requests)
}

/// Writes a modern result that asks for input. `requests` and `meta` are JSON objects.
pub fn write_input_required<'a>(
    requests: Option<&[u8]>,
    state: Option<&str>,
    meta: Option<&[u8]>,
    server: impl Into<ServerInfo<'a>>,
) -> Bytes {
    let server = server.into();
    let mut out = r#"{"resultType":"input_required""#.to_owned();
    if let Some(requests) = requests.and_then(|json| std::str::from_utf8(json).ok()) {
        out.push_str(",\"inputRequests\":");
        out.push_str(requests);
    }
    if let Some(state) = state {
        out.push_str(",\"requestState\":");
        out.push_str(&quoted(state));
    }
    out.push_str(",\"_meta\":{");
    let meta = meta.and_then(|json| std::str::from_utf8(json).ok());
    let meta = meta.and_then(|json| members(json).ok()).unwrap_or_default();
    let named = member(&meta, keys::SERVER_INFO).is_some();
    if !named || server.is_always() {
        out.push_str(&format!("\"{}\":{}", keys::SERVER_INFO, server.json()));
    }
    for (name, raw) in meta {
        if server.is_always() && name == keys::SERVER_INFO {
            continue;
        }
        if !out.ends_with('{') {
            out.push(',');
        }
        out.push_str(&quoted(&name));
        out.push(':');
        out.push_str(raw.get());
    }
    out.push_str("}}");
    Bytes::from(out)
}

/// How the params of an `elicitation/create` want their answer; by a form unless they say
/// otherwise.
pub fn elicitation_mode(params: Option<&RawValue>) -> ElicitationMode {
    let all = params
        .and_then(|raw| members(raw.get()).ok())
        .unwrap_or_default();
    let mode = member(&all, "mode").and_then(|raw| string(raw.get()));
    match mode.as_deref() {
        Some("url") => ElicitationMode::Url,
        _ => ElicitationMode::Form,
    }
}

/// `inputRequests` made of a legacy server's requests, as 2026-07-28 has them: elicitations have
/// no `elicitationId`. The rest stays byte for byte.
pub fn requests_for_modern(raw: &str) -> Bytes {
    let mut edits = Edits::new(raw);
    for request in input_requests(raw).unwrap_or_default() {
        if request.method != "elicitation/create" {
            continue;
        }
        if let Some(params) = request.params
            && let Ok(all) = members(params.get())
        {
            let is_id = |name: &str, _: &RawValue| name == "elicitationId";
            edits.reshape(params.get(), &all, String::new(), is_id);
        }
    }
    let changed = edits.apply();
    changed.map_or_else(|| Bytes::copy_from_slice(raw.as_bytes()), Bytes::from)
}

#[cfg(test)]
mod tests;
