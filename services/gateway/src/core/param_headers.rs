//! `Mcp-Param-*` that a client sends and our view of the tool does not know: an intermediary hands
//! them on (2026-07-28, "Custom headers from tool parameters"), within bounds.

use ::mcp::{HeaderParams, header};
use http::HeaderMap;

/// Fields that are handed on; further ones stay behind.
const MAX_FIELDS: usize = 32;
/// Bytes of names and values together.
const MAX_BYTES: usize = 8 * 1024;

/// The unknown fields of a call, in visible ASCII; what is written otherwise stays behind.
pub(super) fn unknown(known: &HeaderParams, headers: &HeaderMap) -> Vec<(Box<str>, Box<str>)> {
    let mut left = MAX_BYTES;
    let mut unknown = Vec::new();
    for (name, value) in headers {
        let name = name.as_str();
        if !name.starts_with(header::PARAM_PREFIX) || known.has(name) {
            continue;
        }
        let Ok(value) = value.to_str() else { continue };
        let bytes = name.len() + value.len();
        if unknown.len() == MAX_FIELDS || bytes > left {
            break;
        }
        left -= bytes;
        unknown.push((name.into(), value.into()));
    }
    unknown
}
