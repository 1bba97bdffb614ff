//! The W3C trace context of a `_meta` (2026-07-28, "Request metadata").

use std::borrow::Cow;

use serde::Deserialize;

use crate::object::members;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// What a `_meta` says of the trace that its request belongs to, as it was written.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct TraceContext<'a> {
    #[serde(borrow)]
    pub traceparent: Cow<'a, str>,
    #[serde(borrow, default)]
    pub tracestate: Option<Cow<'a, str>>,
}

impl<'a> TraceContext<'a> {
    /// Reads it from a whole `_meta` object; none where there is no `traceparent`.
    pub fn of(meta: &'a [u8]) -> Option<Self> {
        // Nearly no request has one: spare the others a reading.
        const NAME: &[u8] = b"\"traceparent\"";
        if !meta.windows(NAME.len()).any(|part| part == NAME) {
            return None;
        }
        serde_json::from_slice(meta).ok()
    }
}

/// A `_meta` with this `traceparent` in place of its own; its `tracestate` stays where
/// `keeps_state`. One that is no object counts as absent.
pub fn with_traceparent(meta: Option<&[u8]>, traceparent: &str, keeps_state: bool) -> String {
    let mut out = format!("{{\"{TRACEPARENT}\":\"{traceparent}\"");
    let text = meta.and_then(|meta| std::str::from_utf8(meta).ok());
    let all = text.and_then(|text| members(text).ok()).unwrap_or_default();
    for (name, value) in all {
        if name == TRACEPARENT || (name == TRACESTATE && !keeps_state) {
            continue;
        }
        out.push(',');
        out.push_str(&serde_json::to_string(&name).expect("a string is JSON"));
        out.push(':');
        out.push_str(value.get());
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_put_in_place_of_the_one_that_was_there() {
        let meta = br#" {"x.y/z":1.50,"traceparent":"old","tracestate":"a=1"} "#;
        let read = TraceContext::of(meta).unwrap();
        assert_eq!(
            (&*read.traceparent, read.tracestate.as_deref()),
            ("old", Some("a=1"))
        );
        assert_eq!(
            with_traceparent(Some(meta), "new", true),
            r#"{"traceparent":"new","x.y/z":1.50,"tracestate":"a=1"}"#
        );
        assert_eq!(
            with_traceparent(Some(meta), "new", false),
            r#"{"traceparent":"new","x.y/z":1.50}"#
        );
        assert_eq!(
            with_traceparent(None, "new", true),
            r#"{"traceparent":"new"}"#
        );
        assert_eq!(TraceContext::of(br#"{"tracestate":"a=1"}"#), None);
        assert_eq!(TraceContext::of(br#"{"traceparent":1}"#), None);
    }
}
