//! What a strict server of each era checks before it looks at a request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::{Value, json};

use super::Script;
use super::serve::Refusal;

const MODERN: &str = "2026-07-28";

/// The rules of every revision.
pub(super) fn check_request(script: &Script, headers: &HeaderMap) -> Result<(), Refusal> {
    if let Some(token) = script.bearer
        && text(headers, "authorization") != format!("Bearer {token}")
    {
        return Err(Refusal::status(401));
    }
    let accept = text(headers, "accept");
    if !accept.contains("application/json") || !accept.contains("text/event-stream") {
        return Err(Refusal::error(406, -32_000, "Not Acceptable"));
    }
    if text(headers, "content-type") != "application/json" {
        return Err(Refusal::error(415, -32_000, "Unsupported Media Type"));
    }
    Ok(())
}

/// A legacy server does not know modern metadata: it must not be sent any after the handshake.
pub(super) fn check_legacy(script: &Script, headers: &HeaderMap) -> Result<(), Refusal> {
    let sent = text(headers, "mcp-protocol-version");
    let expected = if script.version >= "2025-06-18" {
        script.version
    } else {
        ""
    };
    if sent != expected || headers.contains_key("mcp-method") {
        return Err(Refusal::error(
            400,
            -32_600,
            "Bad Request: wrong protocol headers",
        ));
    }
    Ok(())
}

/// Headers and body of a modern request must say the same.
pub(super) fn check_modern(headers: &HeaderMap, body: &Value) -> Result<(), Refusal> {
    let meta = &body["params"]["_meta"];
    let version = &meta["io.modelcontextprotocol/protocolVersion"];
    if version.is_null() || !meta["io.modelcontextprotocol/clientCapabilities"].is_object() {
        return Err(Refusal::error(
            400,
            -32_602,
            "Invalid params: _meta is incomplete",
        ));
    }
    if version != MODERN {
        return Err(Refusal::error(400, -32_022, "Unsupported protocol version")
            .with_data(json!({"supported": [MODERN], "requested": version})));
    }
    let mismatch = |what: &str| {
        Err(Refusal::error(
            400,
            -32_020,
            &format!("Header mismatch: {what}"),
        ))
    };
    if text(headers, "mcp-protocol-version") != MODERN {
        return mismatch("MCP-Protocol-Version");
    }
    if headers.contains_key("mcp-session-id") {
        return mismatch("Mcp-Session-Id has no place here");
    }
    if body["method"] != text(headers, "mcp-method").as_str() {
        return mismatch("Mcp-Method");
    }
    if body["method"] == "tools/call" {
        let name = decoded(&text(headers, "mcp-name"));
        if name.map(Value::from).as_ref() != Some(&body["params"]["name"]) {
            return mismatch("Mcp-Name");
        }
        if body["params"]["name"] == "region" {
            let sent = headers
                .get("mcp-param-region")
                .map(|_| text(headers, "mcp-param-region"));
            let sent = sent
                .and_then(|sent| decoded(&sent))
                .map_or(Value::Null, Value::from);
            if sent != body["params"]["arguments"]["region"] {
                return mismatch("Mcp-Param-Region");
            }
        }
    }
    Ok(())
}

fn decoded(value: &str) -> Option<String> {
    let Some(inner) = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="))
    else {
        return Some(value.to_owned());
    };
    String::from_utf8(STANDARD.decode(inner).ok()?).ok()
}

pub(super) fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}
