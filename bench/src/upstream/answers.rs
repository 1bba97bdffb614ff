//! What the upstream says, made once.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{LazyLock, Mutex};

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;

/// The one session that there is.
pub(crate) const SESSION: &str = "bench";

/// The answer to the legacy handshake.
pub(crate) const INITIALIZED: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"bench-upstream","version":"1"}}"#;

/// Bytes of text that the tool `large` answers with.
const LARGE: usize = 64 * 1024;
/// Progress events of the tool `steps`.
const STEPS: usize = 20;

const MODERN: &str = r#""resultType":"complete","ttlMs":0,"cacheScope":"private""#;

/// The answer to `server/discover`.
pub(crate) fn discovered() -> &'static str {
    r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"bench-upstream","version":"1"}}}"#
}

/// The tools of the server itself.
pub(crate) fn own_tools() -> &'static str {
    static TOOLS: LazyLock<String> = LazyLock::new(|| {
        let tools = ["echo", "large", "steps"].map(tool);
        format!(r#"{{"tools":[{}],{MODERN}}}"#, tools.join(","))
    });
    &TOOLS
}

/// A list of `count` tools; the same text each time.
pub(crate) fn many(count: usize) -> String {
    static LISTS: LazyLock<Mutex<HashMap<usize, String>>> = LazyLock::new(Mutex::default);
    let mut lists = LISTS.lock().expect("no panic while held");
    let list = lists.entry(count.min(10_000)).or_insert_with_key(|count| {
        let tools: Vec<String> = (0..*count).map(|n| tool(&format!("tool_{n:04}"))).collect();
        format!(r#"{{"tools":[{}],{MODERN}}}"#, tools.join(","))
    });
    list.clone()
}

fn tool(name: &str) -> String {
    format!(
        r#"{{"name":"{name}","description":"Does what its name says, as a tool of a bench should, with a description of the usual length that tells a model when to call it.","inputSchema":{{"type":"object","properties":{{"message":{{"type":"string","description":"What to say."}},"count":{{"type":"integer","minimum":1,"maximum":100}}}},"required":["message"]}}}}"#
    )
}

/// The answer of `echo`.
pub(crate) fn echo(arguments: &str) -> String {
    format!(
        r#"{{"content":[{{"type":"text","text":"echo"}}],"structuredContent":{arguments},"resultType":"complete"}}"#
    )
}

/// The answer of `large`.
pub(crate) fn large() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let text = "x".repeat(LARGE);
        format!(r#"{{"content":[{{"type":"text","text":"{text}"}}],"resultType":"complete"}}"#)
    });
    &TEXT
}

/// The whole stream of `steps`.
pub(crate) fn steps(id: &str, token: &str) -> String {
    let mut out = String::new();
    for step in 1..=STEPS {
        let params = format!(r#"{{"progressToken":{token},"progress":{step},"total":{STEPS}}}"#);
        let message =
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#);
        write!(out, "data: {message}\n\n").expect("a string takes all");
    }
    let result = echo("{}");
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    write!(out, "data: {answer}\n\n").expect("a string takes all");
    out
}

/// The answer to a method that there is not.
pub(crate) fn method_unknown(id: &str) -> Response {
    let error = r#"{"code":-32601,"message":"no such method"}"#;
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
    let headers = [(CONTENT_TYPE, "application/json")];
    (StatusCode::NOT_FOUND, headers, body).into_response()
}
