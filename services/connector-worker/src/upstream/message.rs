//! The few messages that we write. Raw parts are placed as they came.

use std::fmt::Write as _;

use bytes::{BufMut, Bytes, BytesMut};
use fabric::Request;
use mcp::{ClientCapabilities, ClientProfile, ProtocolVersion};

/// Who we are, as a JSON object.
const CLIENT_INFO: &str = concat!(
    r#"{"name":"turnbuckle","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
);

/// Told after a legacy handshake.
pub(super) const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// How a request is to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style<'a> {
    /// Whom the request is made for.
    pub(super) client: &'a ClientProfile,
    /// Whether it carries the metadata of 2026-07-28.
    pub(super) modern: bool,
    /// Whether a tool is asked to run as a task (2025-11-25).
    pub(super) as_task: bool,
}

pub(super) fn initialize(id: u64, capabilities: &ClientCapabilities) -> Bytes {
    let version = ProtocolVersion::LATEST_LEGACY;
    let capabilities = capabilities.to_json(version);
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{CLIENT_INFO}}}}}"#
    ))
}

pub(super) fn discover(id: u64) -> Bytes {
    let mut out = open(id, "server/discover", 0);
    put_meta(
        &mut out,
        &Meta {
            modern: Some(&ClientProfile::default()),
            progress: None,
            travelling: None,
        },
    );
    close(out)
}

pub(super) fn list_tools(id: u64, cursor: Option<&str>, style: Style<'_>) -> Bytes {
    let mut out = open(id, "tools/list", cursor.map_or(0, str::len));
    let mut comma = Comma::default();
    if let Some(cursor) = cursor {
        comma.put(&mut out);
        out.put_slice(b"\"cursor\":");
        put_text(&mut out, cursor);
    }
    let meta = Meta {
        modern: style.modern.then_some(style.client),
        progress: None,
        travelling: None,
    };
    if !meta.is_empty() {
        comma.put(&mut out);
        put_meta(&mut out, &meta);
    }
    close(out)
}

/// A request of a client, by its raw parts.
pub(super) fn request(id: u64, request: &Request, style: Style<'_>) -> Bytes {
    let arguments = request.arguments.as_deref();
    let inputs = request.inputs.as_ref().filter(|_| style.modern);
    let responses = inputs.and_then(|inputs| inputs.responses.as_deref());
    let state = inputs.and_then(|inputs| inputs.state.as_deref());
    let size = request.name.as_deref().map_or(0, str::len)
        + arguments.map_or(0, <[u8]>::len)
        + request.rest.len()
        + request.meta.as_deref().map_or(0, <[u8]>::len)
        + responses.map_or(0, <[u8]>::len)
        + state.map_or(0, str::len);
    let mut out = open(id, request.method.as_str(), size);
    let mut comma = Comma::default();
    if let (Some(key), Some(name)) = (request.method.name_key(), &request.name) {
        comma.put(&mut out);
        out.put_u8(b'"');
        out.put_slice(key.as_bytes());
        out.put_slice(b"\":");
        put_text(&mut out, name);
    }
    let raw_members = [
        ("\"arguments\":", arguments),
        ("", Some(&*request.rest).filter(|rest| !rest.is_empty())),
        ("\"task\":", style.as_task.then_some(&b"{}"[..])),
        ("\"inputResponses\":", responses),
    ];
    for (name, value) in raw_members {
        if let Some(value) = value {
            comma.put(&mut out);
            out.put_slice(name.as_bytes());
            out.put_slice(value);
        }
    }
    if let Some(state) = state {
        comma.put(&mut out);
        out.put_slice(b"\"requestState\":");
        put_text(&mut out, state);
    }
    let meta = Meta {
        modern: style.modern.then_some(style.client),
        progress: request.progress.then_some(id),
        travelling: request.meta.as_deref().and_then(inside),
    };
    if !meta.is_empty() {
        comma.put(&mut out);
        put_meta(&mut out, &meta);
    }
    close(out)
}

/// A request of our own, `params` being the inside of an object.
pub(super) fn own(id: u64, method: &str, params: &str, style: Style<'_>) -> Bytes {
    let mut out = open(id, method, params.len());
    out.put_slice(params.as_bytes());
    let meta = Meta {
        modern: style.modern.then_some(style.client),
        progress: None,
        travelling: None,
    };
    if !meta.is_empty() {
        if !params.is_empty() {
            out.put_u8(b',');
        }
        put_meta(&mut out, &meta);
    }
    close(out)
}

pub(super) fn cancelled(id: u64) -> Bytes {
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"the caller gave up"}}}}"#
    ))
}

/// Puts commas between the members of an object, none before the first.
#[derive(Default)]
struct Comma(bool);

impl Comma {
    fn put(&mut self, out: &mut BytesMut) {
        if std::mem::replace(&mut self.0, true) {
            out.put_u8(b',');
        }
    }
}

struct Meta<'a> {
    /// Whom a modern request is made for.
    modern: Option<&'a ClientProfile>,
    progress: Option<u64>,
    /// Members without the braces around them.
    travelling: Option<&'a [u8]>,
}

impl Meta<'_> {
    fn is_empty(&self) -> bool {
        self.modern.is_none() && self.progress.is_none() && self.travelling.is_none()
    }
}

fn put_meta(out: &mut BytesMut, meta: &Meta<'_>) {
    out.put_slice(b"\"_meta\":{");
    let mut comma = Comma::default();
    if let Some(client) = meta.modern {
        comma.put(out);
        out.put_slice(b"\"io.modelcontextprotocol/protocolVersion\":\"");
        out.put_slice(ProtocolVersion::LATEST.as_str().as_bytes());
        out.put_slice(b"\",\"io.modelcontextprotocol/clientInfo\":");
        out.put_slice(CLIENT_INFO.as_bytes());
        out.put_slice(b",\"io.modelcontextprotocol/clientCapabilities\":");
        if client.capabilities == ClientCapabilities::default() {
            out.put_slice(b"{}");
        } else {
            let capabilities = client.capabilities.to_json(ProtocolVersion::LATEST);
            out.put_slice(capabilities.as_bytes());
        }
        if let Some(level) = client.log_level {
            out.put_slice(b",\"io.modelcontextprotocol/logLevel\":\"");
            out.put_slice(level.as_str().as_bytes());
            out.put_u8(b'"');
        }
    }
    if let Some(token) = meta.progress {
        comma.put(out);
        put_number(out, "", "\"progressToken\":", token);
    }
    if let Some(members) = meta.travelling {
        comma.put(out);
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
    use fabric::Method;
    use serde_json::{Value, json};

    use super::*;

    fn value(message: &Bytes) -> Value {
        serde_json::from_slice(message).unwrap()
    }

    const MODERN: Style<'_> = Style {
        modern: true,
        ..LEGACY
    };
    const LEGACY: Style<'_> = Style {
        client: &NOBODY,
        modern: false,
        as_task: false,
    };
    const NOBODY: ClientProfile = ClientProfile {
        capabilities: ClientCapabilities {
            roots: false,
            roots_list_changed: false,
            sampling: false,
            sampling_tools: false,
            sampling_context: false,
            elicitation_form: false,
            elicitation_url: false,
            tasks: false,
            ui: None,
        },
        log_level: None,
        log_default: false,
    };

    #[test]
    fn a_request_carries_its_raw_parts_and_only_the_metadata_of_its_era() {
        let call = Request {
            arguments: Some(Bytes::from_static(b"{\"a\": 1.50}")),
            rest: Bytes::from_static(b"\"x\": 1.0"),
            meta: Some(Bytes::from_static(b" { \"traceparent\":\"00\" } ")),
            progress: true,
            inputs: Some(fabric::Inputs {
                responses: Some(Bytes::from_static(b"{\"k\":{}}")),
                state: Some("s\"".to_owned()),
            }),
            ..Request::new(Method::CallTool, Some("say \"hi\"".to_owned()))
        };

        let legacy = request(7, &call, LEGACY);
        let client = ClientProfile {
            capabilities: ClientCapabilities {
                roots: true,
                ..ClientCapabilities::default()
            },
            log_level: Some(mcp::LogLevel::Notice),
            log_default: false,
        };
        let modern = request(
            7,
            &call,
            Style {
                client: &client,
                ..MODERN
            },
        );

        assert_eq!(
            legacy,
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"say \"hi\"","arguments":{"a": 1.50},"x": 1.0,"_meta":{"progressToken":7,"traceparent":"00"}}}"#
        );
        let params = &value(&modern)["params"];
        assert_eq!(
            (&params["inputResponses"], &params["requestState"]),
            (&json!({"k": {}}), &json!("s\""))
        );
        let meta = &params["_meta"];
        assert_eq!(
            meta["io.modelcontextprotocol/protocolVersion"],
            "2026-07-28"
        );
        assert_eq!(
            meta["io.modelcontextprotocol/clientCapabilities"],
            json!({"roots": {}})
        );
        assert_eq!(meta["io.modelcontextprotocol/logLevel"], "notice");
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
        let mut bare = Request::new(Method::CallTool, Some("t".to_owned()));
        bare.meta = Some(Bytes::from_static(b"{}"));

        assert_eq!(
            value(&request(1, &bare, LEGACY)),
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                   "params": {"name": "t"}})
        );
        let prompt = Request::new(Method::GetPrompt, Some("p".to_owned()));
        assert_eq!(
            value(&request(1, &prompt, LEGACY))["params"],
            json!({"name": "p"})
        );
        let list = Request::new(Method::ListPrompts, None);
        assert_eq!(value(&request(1, &list, LEGACY))["params"], json!({}));
        let read = Request::new(Method::ReadResource, Some("a:b".to_owned()));
        assert_eq!(
            value(&request(1, &read, LEGACY))["params"],
            json!({"uri": "a:b"})
        );
        assert_eq!(
            value(&list_tools(2, None, LEGACY)),
            json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}})
        );
        assert_eq!(
            value(&list_tools(3, Some(""), MODERN))["params"]["cursor"],
            ""
        );
        let initialize = initialize(4, &NOBODY.capabilities);
        assert_eq!(
            value(&initialize)["params"]["protocolVersion"],
            "2025-11-25"
        );
        assert_eq!(value(&initialize)["params"]["capabilities"], json!({}));
        assert_eq!(value(&discover(5))["method"], "server/discover");
        assert_eq!(value(&cancelled(6))["params"]["requestId"], 6);
        assert_eq!(
            value(&own(7, "logging/setLevel", r#""level":"debug""#, LEGACY))["params"],
            json!({"level": "debug"})
        );
    }
}
