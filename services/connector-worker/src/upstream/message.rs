//! The few messages that we write. Raw parts are placed as they came.

use std::fmt::Write as _;

use bytes::{BufMut, Bytes, BytesMut};
use mcp::ProtocolVersion;

/// Who we are, as a JSON object.
const CLIENT_INFO: &str = concat!(
    r#"{"name":"turnbuckle","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
);

/// Told after a legacy handshake.
pub(super) const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A tool call, by its raw parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ToolCall<'a> {
    pub(crate) name: &'a str,
    /// A JSON object; absent means `{}`.
    pub(crate) arguments: Option<&'a [u8]>,
    /// A JSON object of members that travel on.
    pub(crate) meta: Option<&'a [u8]>,
    /// Whether progress notifications are wanted.
    pub(crate) progress: bool,
}

pub(super) fn initialize(id: u64) -> Bytes {
    let version = ProtocolVersion::LATEST_LEGACY;
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{}},"clientInfo":{CLIENT_INFO}}}}}"#
    ))
}

pub(super) fn discover(id: u64) -> Bytes {
    let mut out = open(id, "server/discover", 0);
    put_meta(
        &mut out,
        &Meta {
            modern: true,
            progress: None,
            travelling: None,
        },
    );
    close(out)
}

pub(super) fn list_tools(id: u64, cursor: Option<&str>, modern: bool) -> Bytes {
    let mut out = open(id, "tools/list", cursor.map_or(0, str::len));
    if let Some(cursor) = cursor {
        out.put_slice(b"\"cursor\":");
        put_text(&mut out, cursor);
        if modern {
            out.put_u8(b',');
        }
    }
    put_meta(
        &mut out,
        &Meta {
            modern,
            progress: None,
            travelling: None,
        },
    );
    close(out)
}

pub(super) fn call_tool(id: u64, call: &ToolCall<'_>, modern: bool) -> Bytes {
    let arguments = call.arguments.unwrap_or(b"{}");
    let size = call.name.len() + arguments.len() + call.meta.map_or(0, <[u8]>::len);
    let mut out = open(id, "tools/call", size);
    out.put_slice(b"\"name\":");
    put_text(&mut out, call.name);
    out.put_slice(b",\"arguments\":");
    out.put_slice(arguments);
    let meta = Meta {
        modern,
        progress: call.progress.then_some(id),
        travelling: call.meta.and_then(inside),
    };
    if !meta.is_empty() {
        out.put_u8(b',');
        put_meta(&mut out, &meta);
    }
    close(out)
}

pub(super) fn cancelled(id: u64) -> Bytes {
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"the caller gave up"}}}}"#
    ))
}

struct Meta<'a> {
    modern: bool,
    progress: Option<u64>,
    /// Members without the braces around them.
    travelling: Option<&'a [u8]>,
}

impl Meta<'_> {
    fn is_empty(&self) -> bool {
        !self.modern && self.progress.is_none() && self.travelling.is_none()
    }
}

fn put_meta(out: &mut BytesMut, meta: &Meta<'_>) {
    if meta.is_empty() {
        return;
    }
    out.put_slice(b"\"_meta\":{");
    let mut comma = "";
    if meta.modern {
        out.put_slice(b"\"io.modelcontextprotocol/protocolVersion\":\"");
        out.put_slice(ProtocolVersion::LATEST.as_str().as_bytes());
        out.put_slice(b"\",\"io.modelcontextprotocol/clientInfo\":");
        out.put_slice(CLIENT_INFO.as_bytes());
        out.put_slice(b",\"io.modelcontextprotocol/clientCapabilities\":{}");
        comma = ",";
    }
    if let Some(token) = meta.progress {
        put_number(out, comma, "\"progressToken\":", token);
        comma = ",";
    }
    if let Some(members) = meta.travelling {
        out.put_slice(comma.as_bytes());
        out.put_slice(members);
    }
    out.put_u8(b'}');
}

/// The members of a JSON object's text, if it has any.
fn inside(object: &[u8]) -> Option<&[u8]> {
    let members = object
        .trim_ascii()
        .strip_prefix(b"{")?
        .strip_suffix(b"}")?
        .trim_ascii();
    (!members.is_empty()).then_some(members)
}

fn open(id: u64, method: &str, size: usize) -> BytesMut {
    let mut out = BytesMut::with_capacity(size + 384);
    put_number(&mut out, r#"{"jsonrpc":"2.0","#, "\"id\":", id);
    out.put_slice(b",\"method\":\"");
    out.put_slice(method.as_bytes());
    out.put_slice(b"\",\"params\":{");
    out
}

fn close(mut out: BytesMut) -> Bytes {
    out.put_slice(b"}}");
    out.freeze()
}

fn put_number(out: &mut BytesMut, before: &str, name: &str, number: u64) {
    write!(out, "{before}{name}{number}").expect("a growing buffer takes everything");
}

fn put_text(out: &mut BytesMut, text: &str) {
    serde_json::to_writer(out.writer(), text).expect("a string is JSON");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn value(message: &Bytes) -> Value {
        serde_json::from_slice(message).unwrap()
    }

    #[test]
    fn a_call_carries_its_raw_parts_and_only_the_metadata_of_its_era() {
        let call = ToolCall {
            name: "say \"hi\"",
            arguments: Some(b"{\"a\": 1.50}"),
            meta: Some(b" { \"traceparent\":\"00\" } "),
            progress: true,
        };

        let legacy = call_tool(7, &call, false);
        let modern = call_tool(7, &call, true);

        assert!(
            std::str::from_utf8(&legacy)
                .unwrap()
                .contains("{\"a\": 1.50}")
        );
        assert_eq!(
            value(&legacy)["params"],
            json!({
                "name": "say \"hi\"", "arguments": {"a": 1.50},
                "_meta": {"progressToken": 7, "traceparent": "00"}
            })
        );
        let meta = &value(&modern)["params"]["_meta"];
        assert_eq!(
            meta["io.modelcontextprotocol/protocolVersion"],
            "2026-07-28"
        );
        assert_eq!(
            meta["io.modelcontextprotocol/clientCapabilities"],
            json!({})
        );
        assert_eq!(
            meta["io.modelcontextprotocol/clientInfo"]["name"],
            "turnbuckle"
        );
        assert_eq!(
            (&meta["progressToken"], &meta["traceparent"]),
            (&json!(7), &json!("00"))
        );
    }

    #[test]
    fn what_is_absent_leaves_no_trace() {
        let bare = ToolCall {
            name: "t",
            arguments: None,
            meta: Some(b"{}"),
            progress: false,
        };

        assert_eq!(
            value(&call_tool(1, &bare, false)),
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                   "params": {"name": "t", "arguments": {}}})
        );
        assert_eq!(
            value(&list_tools(2, None, false)),
            json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}})
        );
        assert_eq!(
            value(&list_tools(3, Some(""), true))["params"]["cursor"],
            ""
        );
        assert_eq!(
            value(&initialize(4))["params"]["protocolVersion"],
            "2025-11-25"
        );
        assert_eq!(value(&discover(5))["method"], "server/discover");
        assert_eq!(value(&cancelled(6))["params"]["requestId"], 6);
    }
}
