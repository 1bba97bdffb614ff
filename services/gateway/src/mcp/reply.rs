//! What comes of a message, before any transport has its say.

use ::mcp::{codes, error_response, result_response};
use bytes::Bytes;
use http::StatusCode;

use super::call::Running;
use crate::metrics::End;

/// What comes of a message.
pub(crate) enum Reply {
    /// An answer that stands already.
    Message(Answer),
    /// A call that is under way.
    Call(Box<Running>),
}

/// A whole JSON-RPC answer.
pub(crate) struct Answer {
    /// What HTTP says of it; other transports have no such thing.
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    pub(crate) end: End,
}

impl Answer {
    pub(crate) fn result(id: &str, result: &[u8]) -> Self {
        let body = result_response(id, result);
        Self {
            status: StatusCode::OK,
            body,
            end: End::Ok,
        }
    }

    /// An error inside a message exchange that works: HTTP 200, as for any answer.
    pub(crate) fn error(id: &str, code: i64, message: &str, data: Option<&[u8]>) -> Self {
        let body = error_response(id, code, message, data);
        Self {
            status: StatusCode::OK,
            body,
            end: End::Error,
        }
    }

    /// A message that is refused as such, with an HTTP status of its own.
    pub(crate) fn refused(
        status: StatusCode,
        id: &str,
        code: i64,
        message: &str,
        data: Option<&[u8]>,
    ) -> Self {
        let body = error_response(id, code, message, data);
        Self {
            status,
            body,
            end: End::Refused,
        }
    }

    pub(crate) fn bad_request(id: &str, code: i64, message: &str) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, id, code, message, None)
    }

    pub(crate) fn invalid_params(id: &str, message: &str) -> Self {
        Self::error(id, codes::INVALID_PARAMS, message, None)
    }

    pub(crate) fn method_not_found(id: &str, method: &str) -> Self {
        let message = format!("Method not found: {}", shortened(method));
        Self::error(id, codes::METHOD_NOT_FOUND, &message, None)
    }
}

/// A name of the client's as an error may repeat it.
pub(crate) fn shortened(text: &str) -> &str {
    const MAX: usize = 200;
    match text.char_indices().nth(MAX) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
