//! One JSON-RPC message, read just far enough to know what to do with it.

use std::borrow::Cow;

use domain::nests_within;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;

use crate::codes;

/// A JSON-RPC id: a string or an integer, kept as it was written.
#[derive(Clone, Copy, Debug)]
pub struct Id<'a>(&'a RawValue);

/// One message of a client or server.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    Request {
        id: Id<'a>,
        method: Cow<'a, str>,
        params: Option<&'a RawValue>,
    },
    Notification {
        method: Cow<'a, str>,
        params: Option<&'a RawValue>,
    },
    /// An answer with a result.
    Result { id: Id<'a>, result: &'a RawValue },
    /// An answer with an error. The id is absent when the sender could not read ours.
    Error {
        id: Option<Id<'a>>,
        error: &'a RawValue,
    },
    /// An array of messages; whether that is allowed depends on the revision.
    Batch(&'a RawValue),
}

/// Why a body is no message. Whoever answers uses `code` and a null id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    pub kind: ParseErrorKind,
    pub message: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseErrorKind {
    NotJson,
    TooDeep,
    NotAMessage,
}

impl ParseError {
    const fn not_a_message(message: &'static str) -> Self {
        Self {
            kind: ParseErrorKind::NotAMessage,
            message,
        }
    }

    pub const fn code(&self) -> i64 {
        match self.kind {
            ParseErrorKind::NotJson => codes::PARSE_ERROR,
            ParseErrorKind::TooDeep | ParseErrorKind::NotAMessage => codes::INVALID_REQUEST,
        }
    }
}

impl<'a> Id<'a> {
    /// The id as JSON text.
    pub fn raw(self) -> &'a str {
        self.0.get()
    }

    fn parse(raw: &'a RawValue) -> Option<Self> {
        let text = raw.get().as_bytes();
        match text[0] {
            b'"' => Some(Self(raw)),
            // 1.5, 1e2 and 1.0 are numbers, but no integers as they are written.
            b'-' | b'0'..=b'9' if !text.iter().any(|byte| b".eE".contains(byte)) => Some(Self(raw)),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<Cow<'a, str>>,
    // A null id must be told from an absent one.
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

fn present<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(from)
        .map(Some)
        .map_err(D::Error::custom)
}

/// Reads a body of at most `max_depth` nested arrays and objects.
pub fn parse(body: &[u8], max_depth: usize) -> Result<Message<'_>, ParseError> {
    if !nests_within(body, max_depth) {
        let message = "Invalid Request: JSON is nested too deeply";
        return Err(ParseError {
            kind: ParseErrorKind::TooDeep,
            message,
        });
    }
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => {}
        Some(b'[') => return raw(body).map(Message::Batch),
        _ => {
            raw(body)?;
            return Err(ParseError::not_a_message(
                "Invalid Request: not a JSON object",
            ));
        }
    }
    let wire: Wire<'_> = match serde_json::from_slice(body) {
        Ok(wire) => wire,
        // Either no JSON, or JSON whose members have the wrong types: tell them apart.
        Err(_) => {
            raw(body)?;
            let message = "Invalid Request: a JSON-RPC member is given twice or has the wrong type";
            return Err(ParseError::not_a_message(message));
        }
    };
    message_of(wire)
}

fn raw(body: &[u8]) -> Result<&RawValue, ParseError> {
    serde_json::from_slice(body).map_err(|_| ParseError {
        kind: ParseErrorKind::NotJson,
        message: "Parse error: the body is not valid JSON",
    })
}

fn message_of(wire: Wire<'_>) -> Result<Message<'_>, ParseError> {
    const BAD_ID: ParseError =
        ParseError::not_a_message("Invalid Request: id must be a string or an integer");
    if wire.jsonrpc.as_deref() != Some("2.0") {
        return Err(ParseError::not_a_message(
            "Invalid Request: jsonrpc must be \"2.0\"",
        ));
    }
    match wire {
        Wire {
            method: Some(_),
            result: Some(_),
            ..
        }
        | Wire {
            method: Some(_),
            error: Some(_),
            ..
        } => Err(ParseError::not_a_message(
            "Invalid Request: both a request and a response",
        )),
        Wire {
            method: Some(method),
            id: None,
            params,
            ..
        } => Ok(Message::Notification { method, params }),
        Wire {
            method: Some(method),
            id: Some(id),
            params,
            ..
        } => {
            let id = Id::parse(id).ok_or(BAD_ID)?;
            Ok(Message::Request { id, method, params })
        }
        Wire {
            result: Some(result),
            error: None,
            id: Some(id),
            ..
        } => Ok(Message::Result {
            id: Id::parse(id).ok_or(BAD_ID)?,
            result,
        }),
        Wire {
            error: Some(error),
            result: None,
            id,
            ..
        } => {
            let id = match id {
                Some(raw) if raw.get() != "null" => Some(Id::parse(raw).ok_or(BAD_ID)?),
                _ => None,
            };
            Ok(Message::Error { id, error })
        }
        _ => Err(ParseError::not_a_message(
            "Invalid Request: method is missing",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> (i64, &'static str) {
        let error = parse(body.as_bytes(), 64).unwrap_err();
        (error.code(), error.message)
    }

    #[test]
    fn the_four_kinds_of_messages_are_told_apart() {
        let request = br#" {"jsonrpc":"2.0","id":"a\"b","method":"tools/call","params":{"x":1.0}}"#;
        let Message::Request { id, method, params } = parse(request, 64).unwrap() else {
            panic!()
        };
        assert_eq!((id.raw(), &*method), (r#""a\"b""#, "tools/call"));
        assert_eq!(params.unwrap().get(), r#"{"x":1.0}"#);

        let one = |body: &'static str| parse(body.as_bytes(), 64).unwrap();
        assert!(matches!(
            one(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
            Message::Notification { params: None, .. }
        ));
        assert!(matches!(
            one(r#"{"jsonrpc":"2.0","id":-7,"result":null}"#),
            Message::Result { result, .. } if result.get() == "null"
        ));
        assert!(matches!(
            one(r#"{"jsonrpc":"2.0","id":null,"error":{"code":1}}"#),
            Message::Error { id: None, .. }
        ));
        assert!(matches!(one("[]"), Message::Batch(_)));
    }

    #[test]
    fn what_is_no_message_gets_the_code_that_says_why() {
        assert_eq!(error("{").0, codes::PARSE_ERROR);
        assert_eq!(error("").0, codes::PARSE_ERROR);
        assert_eq!(
            error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\u{1}\"}").0,
            codes::PARSE_ERROR
        );
        assert_eq!(error("[1").0, codes::PARSE_ERROR);
        assert_eq!(error("1").0, codes::INVALID_REQUEST);
        assert_eq!(error("{}").0, codes::INVALID_REQUEST);
        assert_eq!(
            error(r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#).0,
            codes::INVALID_REQUEST
        );
        assert_eq!(
            error(r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#).0,
            codes::INVALID_REQUEST
        );
        for id in ["[1]", "true", "1.5", "1e2", "-1.0"] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x"}}"#);
            assert_eq!(error(&body).0, codes::INVALID_REQUEST, "{id}");
        }
        assert_eq!(
            error(r#"{"jsonrpc":"2.0","id":1,"method":7}"#).0,
            codes::INVALID_REQUEST
        );
        assert_eq!(
            error(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}"#).0,
            codes::INVALID_REQUEST
        );
        assert_eq!(
            error(r#"{"jsonrpc":"2.0","id":1,"method":"x","result":1}"#).0,
            codes::INVALID_REQUEST
        );
    }

    #[test]
    fn nesting_is_bounded_and_brackets_in_strings_do_not_count() {
        let nested = |n: usize| {
            let (open, close) = ("[".repeat(n), "]".repeat(n));
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"a":{open}"[[[\""{close}}}}}"#
            )
        };

        assert!(parse(nested(62).as_bytes(), 64).is_ok());
        assert_eq!(
            parse(nested(63).as_bytes(), 64).unwrap_err().kind,
            ParseErrorKind::TooDeep
        );
    }
}
