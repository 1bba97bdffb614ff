use super::*;
use crate::fuzz;

#[test]
fn no_bytes_break_the_envelope() {
    let words = [
        "\"notifications/x\"",
        "\"initialize\"",
        "[",
        "]",
        "{\"jsonrpc\":\"2.0\",",
    ];
    fuzz("envelope", &words, envelope);
}

#[test]
fn no_bytes_break_a_batch() {
    fuzz("batch", &["[", "]", "{}", "1,", "[],"], batch);
}

#[test]
fn no_bytes_break_server_sent_events() {
    let words = [
        "data: ",
        "data:",
        "data",
        "event: message\n",
        "id: 1\n",
        "id\n",
        "id: \0\n",
        "retry: 10\n",
        "retry: -1\n",
        ": comment\n",
        "\n\n",
        "\r\n",
        "\r",
        "\r\r\n",
        "\u{feff}",
    ];
    fuzz("sse", &words, sse);
}

#[test]
fn no_bytes_break_header_values() {
    let words = [
        "=?base64?",
        "?=",
        "=?BASE64?",
        "w6Q=",
        "====",
        "2026-07-28",
        "2025-11-25",
        "\t",
    ];
    fuzz("header_value", &words, header_value);
}

#[test]
fn no_bytes_break_header_params() {
    let words = [
        "\"x-mcp-header\":\"A\"",
        "\"type\":\"integer\"",
        "\"type\":\"string\"",
        "\"type\":\"boolean\"",
        "\"properties\":{",
        "\"items\":{",
        "\"$ref\":\"#\"",
        "\n",
    ];
    fuzz("header_params", &words, header_params);
}

#[test]
fn no_bytes_break_params() {
    let words = [
        "\"name\":\"n\"",
        "\"uri\":\"a:b\"",
        "\"taskId\":\"t\"",
        "\"arguments\":{}",
        "\"cursor\":\"c\"",
        "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"n\"}",
        "\"level\":\"info\"",
        "\"notifications\":{}",
        "\"toolsListChanged\":true",
        "\"resourceSubscriptions\":[\"a:b\"]",
        "\"inputResponses\":{}",
        "\"requestState\":\"s\"",
        "\"progressToken\":1",
        "\"traceparent\":\"00\"",
        "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"",
        "\"io.modelcontextprotocol/clientCapabilities\":{}",
        "\"elicitation\":{\"url\":{}}",
        "\"sampling\":{}",
        "\"roots\":{}",
        "\"extensions\":{}",
        "\"listChanged\":true",
    ];
    fuzz("params", &words, params);
}

#[test]
fn no_bytes_break_renaming() {
    let words = [
        "\"uri\":\"a:b\"",
        "\"name\":\"n\"",
        "\"type\":\"resource_link\"",
        "\"type\":\"resource\"",
        "\"type\":\"tool_result\"",
        "\"resource\":{",
        "\"content\":[",
        "\"messages\":[",
        "\"contents\":[",
        "\"prompts\":[",
        "\"resources\":[",
        "\"resourceTemplates\":[",
        "\"uriTemplate\":\"a:{b}\"",
        "\"ui\":{\"resourceUri\":\"ui://a\"}",
        "\"ui/resourceUri\":\"ui://a\"",
        "\"ref\":{",
        "\"method\":\"sampling/createMessage\"",
    ];
    fuzz("rename", &words, rename);
}

#[test]
fn no_bytes_break_the_edge() {
    let words = [
        "\"resultType\":\"complete\"",
        "\"resultType\":\"input_required\"",
        "\"ttlMs\":1",
        "\"ttlMs\":-1",
        "\"cacheScope\":\"public\"",
        "\"structuredContent\":[1]",
        "\"structuredContent\":{}",
        "\"content\":[]",
        "\"type\":\"resource_link\"",
        "\"type\":\"audio\"",
        "\"data\":\"AA==\"",
        "\"mimeType\":\"a/b\"",
        "\"uri\":\"a:b\"",
        "\"io.modelcontextprotocol/serverInfo\":{}",
        "\"outputSchema\":{",
        "\"execution\":{}",
        "\"$ref\":\"#/$defs/a\"",
        "\"$id\":\"i\"",
        "\"$schema\":\"s\"",
        "\"type\":\"object\"",
        "\"method\":\"elicitation/create\"",
        "\"method\":\"sampling/createMessage\"",
        "\"method\":\"roots/list\"",
        "\"elicitationId\":\"e\"",
        "\"mode\":\"url\"",
        "\"mode\":\"form\"",
        "\"messages\":[",
        "\"role\":\"user\"",
    ];
    fuzz("edge", &words, edge);
}

#[test]
fn no_bytes_break_canonical_forms() {
    let words = [
        "\n",
        "\"name\":\"t\"",
        "\"inputSchema\":{\"type\":\"object\"}",
        "10e-1",
        "-0.0e5",
        "\\/",
        "\\u000a",
    ];
    fuzz("canonical", &words, canonical);
}

#[test]
fn no_bytes_open_a_token() {
    fuzz("tokens", &["A", "=", "_", "-"], tokens);
}

#[test]
fn no_bytes_break_web_socket_frames() {
    // Headers of masked frames; with this mask the payload stands there as it is.
    let words = [
        "\u{1}\0",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
        "\0\0\0\0",
    ];
    fuzz("websocket", &words, websocket);
}
