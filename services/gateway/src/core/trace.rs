//! What of a request's `_meta` travels on: trace context and extensions, nothing that belongs to
//! the hop before us. The body goes before the HTTP headers of the same names. Where the request
//! is recorded, what travels on names our span; where it is not, what the client's says.

use std::borrow::Cow;

use ::mcp::{Meta, TraceContext, keys, members, with_traceparent};
use bytes::Bytes;
use http::HeaderMap;
use runtime::telemetry::SpanContext;
use serde_json::value::RawValue;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// Characters of a `tracestate` (W3C Trace Context, "Tracestate limits").
const TRACESTATE_MAX: usize = 512;
/// Bytes of a `baggage`.
const BAGGAGE_MAX: usize = 8 * 1024;

/// The `_meta` of the request to the upstream; none when it would be empty. Members of baggage
/// travel when their names are in `baggage`. `own` is the span that the request is recorded as,
/// and says whether it continues the client's trace.
pub(super) fn travelling(
    meta: Option<&RawValue>,
    headers: Option<&HeaderMap>,
    baggage: &[String],
    own: Option<(SpanContext, bool)>,
) -> Option<Bytes> {
    let mut out = Meta::travelling(meta);
    let known = meta
        .and_then(|meta| members(meta.get()).ok())
        .unwrap_or_default();
    let has_parent = known.iter().any(|(name, _)| name == TRACEPARENT);
    let parent = headers.filter(|_| !has_parent).and_then(|headers| {
        let parent = only(headers, TRACEPARENT)?;
        is_traceparent(parent).then_some((headers, parent))
    });
    if let Some((headers, parent)) = parent {
        push(&mut out, TRACEPARENT, parent);
        let state = only(headers, TRACESTATE);
        let taken = known.iter().any(|(name, _)| name == TRACESTATE);
        if let Some(state) = state.filter(|s| !taken && s.len() <= TRACESTATE_MAX) {
            push(&mut out, TRACESTATE, state);
        }
    }
    let carried = known.iter().find(|(name, _)| name == keys::BAGGAGE);
    if let Some((_, raw)) = carried.filter(|_| !baggage.is_empty()) {
        let text: String = serde_json::from_str(raw.get()).unwrap_or_default();
        let kept = allowed(&text, baggage);
        if !kept.is_empty() && kept.len() <= BAGGAGE_MAX {
            push(&mut out, keys::BAGGAGE, &kept);
        }
    }
    if let Some((own, continues)) = own {
        let meta = out.as_deref().map(str::as_bytes);
        out = Some(with_traceparent(meta, &own.to_traceparent(), continues));
    }
    out.map(Bytes::from)
}

/// The trace that a request says that it belongs to: the span, and the vendors' part of it.
pub(super) fn parent<'r>(
    meta: Option<&'r RawValue>,
    headers: Option<&'r HeaderMap>,
) -> Option<(SpanContext, Option<Cow<'r, str>>)> {
    if let Some(meta) = meta
        && let Some(told) = TraceContext::of(meta.get().as_bytes())
    {
        let parent = SpanContext::parse(&told.traceparent)?;
        let state = told.tracestate;
        return Some((parent, state.filter(|state| state.len() <= TRACESTATE_MAX)));
    }
    let headers = headers?;
    let parent = SpanContext::parse(only(headers, TRACEPARENT)?)?;
    let state = only(headers, TRACESTATE).filter(|state| state.len() <= TRACESTATE_MAX);
    Some((parent, state.map(Cow::Borrowed)))
}

fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>` (W3C Trace Context, "Traceparent").
fn is_traceparent(text: &str) -> bool {
    let lengths = [2, 32, 16, 2];
    let parts: Vec<&str> = text.split('-').collect();
    let is_hex = |part: &str| {
        part.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    parts.len() == lengths.len()
        && parts
            .iter()
            .zip(lengths)
            .all(|(part, length)| part.len() == length && is_hex(part))
}

fn allowed(baggage: &str, names: &[String]) -> String {
    let members = baggage.split(',').filter(|member| {
        let name = member.split(['=', ';']).next().unwrap_or_default().trim();
        names.iter().any(|allowed| allowed == name)
    });
    members.map(str::trim).collect::<Vec<_>>().join(",")
}

fn push(object: &mut Option<String>, name: &str, value: &str) {
    let value = serde_json::to_string(value).expect("a string is JSON");
    match object {
        Some(text) => {
            text.pop();
            text.push_str(&format!(",\"{name}\":{value}}}"));
        }
        None => *object = Some(format!("{{\"{name}\":{value}}}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(meta: &str, headers: &[(&'static str, &str)], baggage: &[&str]) -> Option<String> {
        let meta = RawValue::from_string(meta.to_owned()).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let baggage: Vec<String> = baggage.iter().map(|&name| name.to_owned()).collect();
        travelling(Some(&meta), Some(&map), &baggage, None)
            .map(|meta| String::from_utf8(meta.to_vec()).unwrap())
    }

    #[test]
    fn the_body_goes_before_the_headers_and_baggage_stays_behind_unless_it_is_named() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let headers = [("traceparent", parent), ("tracestate", "a=1")];

        assert_eq!(
            sent(r#"{"x":1.0,"progressToken":1}"#, &headers, &[]).unwrap(),
            format!(r#"{{"x":1.0,"traceparent":"{parent}","tracestate":"a=1"}}"#)
        );
        let own = r#"{"traceparent":"mine"}"#;
        assert_eq!(sent(own, &headers, &[]).unwrap(), own);
        assert_eq!(sent("{}", &[("traceparent", "00-zz-1-01")], &[]), None);
        assert_eq!(
            sent("{}", &[headers[0], headers[0]], &[]),
            None,
            "two of them"
        );
        let baggage = r#"{"baggage":"a=1, b=2;p,c=3"}"#;
        assert_eq!(sent(baggage, &[], &[]), None);
        assert_eq!(
            sent(baggage, &[], &["b", "c"]).unwrap(),
            r#"{"baggage":"b=2;p,c=3"}"#
        );
    }
}
