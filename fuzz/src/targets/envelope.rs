use mcp::{Message, ParseErrorKind, error_response, parse, result_response};

use super::json::{MAX_DEPTH, assert_json, value};

/// Bodies of a POST, frames of a WebSocket, lines of a stdio server. What is valid JSON is never
/// called invalid; an id is fit for an answer; a refusal is an answer itself.
pub fn envelope(input: &[u8]) -> (&'static str, bool, bool) {
    match parse(input, MAX_DEPTH) {
        Ok(Message::Request { id, method, params }) => {
            assert!(id.raw().starts_with('"') || id.raw().parse::<f64>().is_ok());
            assert_json(&result_response(id.raw(), b"{}"));
            if let Some(value) = value(input) {
                assert_eq!(value["method"].as_str(), Some(&*method));
                assert_eq!(value["jsonrpc"].as_str(), Some("2.0"));
            }
            ("request", params.is_some(), id.raw().starts_with('"'))
        }
        Ok(Message::Notification { params, .. }) => ("notification", params.is_some(), false),
        Ok(Message::Result { id, result }) => {
            assert_json(&result_response(id.raw(), result.get().as_bytes()));
            ("result", result.get().starts_with('{'), false)
        }
        Ok(Message::Error { id, error }) => {
            assert_json(error.get().as_bytes());
            ("error", id.is_some(), error.get().starts_with('{'))
        }
        Ok(Message::Batch(raw)) => {
            assert!(raw.get().starts_with('['));
            ("batch", false, false)
        }
        Err(error) => {
            assert!(error.kind != ParseErrorKind::NotJson || value(input).is_none());
            assert_json(&error_response("null", error.code(), error.message, None));
            (error.message, false, false)
        }
    }
}
