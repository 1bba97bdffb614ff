//! What a result gains or loses at the edge, by the era of the client.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::meta::keys;
use crate::object::members;

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default, rename = "resultType")]
    result_type: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MetaHead<'a> {
    #[serde(borrow, default, rename = "io.modelcontextprotocol/serverInfo")]
    server_info: Option<&'a RawValue>,
}

/// Adds what a modern client demands of every result: `resultType` (MUST) and
/// `_meta.serverInfo` (SHOULD), unless the upstream said them. The rest stays byte for byte.
///
/// # Errors
/// `result` is no JSON object.
pub fn complete_for_modern(result: &Bytes, server_info: &str) -> Result<Bytes, serde_json::Error> {
    let text: &str = std::str::from_utf8(result).map_err(serde::de::Error::custom)?;
    let head: Head<'_> = object(text)?;
    let meta_object = head.meta.filter(|meta| meta.get().starts_with('{'));
    let has_server_info = match meta_object {
        Some(meta) => object::<MetaHead<'_>>(meta.get())?.server_info.is_some(),
        None => false,
    };
    if head.result_type.is_some() && has_server_info {
        return Ok(result.clone());
    }

    let mut out = BytesMut::with_capacity(text.len() + server_info.len() + 96);
    out.put_u8(b'{');
    let mut first = true;
    let mut comma = |out: &mut BytesMut| {
        if !std::mem::take(&mut first) {
            out.put_u8(b',');
        }
    };
    if head.result_type.is_none() {
        comma(&mut out);
        out.put_slice(b"\"resultType\":\"complete\"");
    }
    // A `_meta` that is there is opened and extended in its place; an absent one stands in front.
    let open = text.find('{').expect("an object has a brace") + 1;
    match meta_object {
        None if head.meta.is_none() => {
            comma(&mut out);
            out.put_slice(b"\"_meta\":{\"");
            out.put_slice(keys::SERVER_INFO.as_bytes());
            out.put_slice(b"\":");
            out.put_slice(server_info.as_bytes());
            out.put_u8(b'}');
            append_members(&mut out, &text[open..], &mut comma);
        }
        Some(meta) if !has_server_info => {
            let inside = offset_of(text, meta.get()) + 1;
            comma(&mut out);
            out.put_slice(&text.as_bytes()[open..inside]);
            out.put_u8(b'"');
            out.put_slice(keys::SERVER_INFO.as_bytes());
            out.put_slice(b"\":");
            out.put_slice(server_info.as_bytes());
            if !is_empty_object(meta.get()) {
                out.put_u8(b',');
            }
            out.put_slice(&text.as_bytes()[inside..]);
        }
        _ => append_members(&mut out, &text[open..], &mut comma),
    }
    Ok(out.freeze())
}

/// Reads the members of a JSON object; serde would also take an array for a struct.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    if !text.trim_start().starts_with('{') {
        return Err(serde::de::Error::custom("not a JSON object"));
    }
    serde_json::from_str(text)
}

/// Appends the text of an object from behind its opening brace.
fn append_members(out: &mut BytesMut, rest: &str, comma: &mut impl FnMut(&mut BytesMut)) {
    if !rest.trim_start().starts_with('}') {
        comma(out);
    }
    out.put_slice(rest.as_bytes());
}

fn is_empty_object(text: &str) -> bool {
    text[1..].trim_start().starts_with('}')
}

/// Where `part`, a slice of `whole`, begins in it.
fn offset_of(whole: &str, part: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}

/// Takes away what only modern clients know: `resultType`, `ttlMs`, `cacheScope` and
/// `_meta.serverInfo`. A result without them is passed on as it is.
///
/// # Errors
/// `result` is no JSON object.
pub fn strip_for_legacy(result: &Bytes) -> Result<Bytes, serde_json::Error> {
    const MODERN_ONLY: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];
    let text: &str = std::str::from_utf8(result).map_err(serde::de::Error::custom)?;
    let all = members(text)?;
    let meta_to_clean =
        |name: &str, raw: &RawValue| name == "_meta" && raw.get().contains(keys::SERVER_INFO);
    let modern = |(name, raw): &(Cow<'_, str>, &RawValue)| {
        MODERN_ONLY.contains(&name.as_ref()) || meta_to_clean(name, raw)
    };
    if !all.iter().any(modern) {
        return Ok(result.clone());
    }
    let mut out = BytesMut::with_capacity(text.len());
    for (name, raw) in &all {
        if MODERN_ONLY.contains(&name.as_ref()) {
            continue;
        }
        if meta_to_clean(name, raw) {
            let kept: Vec<_> = members(raw.get())?;
            let mut meta = BytesMut::new();
            for (key, value) in kept.iter().filter(|(key, _)| key != keys::SERVER_INFO) {
                put_member(&mut meta, key, value.get());
            }
            if !meta.is_empty() {
                meta.put_u8(b'}');
                let meta = std::str::from_utf8(&meta).expect("made of strings");
                put_member(&mut out, name, meta);
            }
            continue;
        }
        put_member(&mut out, name, raw.get());
    }
    if out.is_empty() {
        out.put_u8(b'{');
    }
    out.put_u8(b'}');
    Ok(out.freeze())
}

/// Appends a member to an object under construction, opening it with the first.
fn put_member(out: &mut BytesMut, name: &str, value: &str) {
    out.put_u8(if out.is_empty() { b'{' } else { b',' });
    out.put_slice(
        serde_json::to_string(name)
            .expect("a string is JSON")
            .as_bytes(),
    );
    out.put_u8(b':');
    out.put_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = r#"{"name":"t"}"#;

    fn modern(text: &'static str) -> String {
        let out = complete_for_modern(&Bytes::from_static(text.as_bytes()), INFO).unwrap();
        let out = String::from_utf8(out.to_vec()).unwrap();
        serde_json::from_str::<serde_json::Value>(&out).expect(&out);
        out
    }

    fn legacy(text: &'static str) -> String {
        let out = strip_for_legacy(&Bytes::from_static(text.as_bytes())).unwrap();
        let out = String::from_utf8(out.to_vec()).unwrap();
        serde_json::from_str::<serde_json::Value>(&out).expect(&out);
        out
    }

    #[test]
    fn a_result_is_completed_for_modern_clients_and_otherwise_left_alone() {
        let info = r#""io.modelcontextprotocol/serverInfo":{"name":"t"}"#;
        assert_eq!(
            modern("{ }"),
            format!(r#"{{"resultType":"complete","_meta":{{{info}}} }}"#)
        );
        assert_eq!(
            modern(r#"{"content":[ ]}"#),
            format!(r#"{{"resultType":"complete","_meta":{{{info}}},"content":[ ]}}"#)
        );
        assert_eq!(
            modern(r#"{"a":1.0,"_meta":{"x":1},"b":2}"#),
            format!(r#"{{"resultType":"complete","a":1.0,"_meta":{{{info},"x":1}},"b":2}}"#)
        );
        assert_eq!(
            modern(r#"{"_meta":{},"resultType":"task"}"#),
            format!(r#"{{"_meta":{{{info}}},"resultType":"task"}}"#)
        );
        let whole = r#"{"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"up"}}}"#;
        assert_eq!(modern(whole), whole);
        assert!(complete_for_modern(&Bytes::from_static(b"[]"), INFO).is_err());
        assert!(complete_for_modern(&Bytes::from_static(b"\xff"), INFO).is_err());
    }

    #[test]
    fn a_legacy_client_gets_no_modern_members() {
        assert_eq!(
            legacy(r#"{"content":[],"isError":false}"#),
            r#"{"content":[],"isError":false}"#
        );
        assert_eq!(
            legacy(r#"{"resultType":"complete","content":[],"ttlMs":1,"cacheScope":"private"}"#),
            r#"{"content":[]}"#
        );
        assert_eq!(
            legacy(r#"{"_meta":{"io.modelcontextprotocol/serverInfo":{},"k":1},"a":2}"#),
            r#"{"_meta":{"k":1},"a":2}"#
        );
        assert_eq!(legacy(r#"{"resultType":"complete"}"#), "{}");
    }
}
