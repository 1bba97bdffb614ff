//! Whole answers, before any transport has its say.
//!
//! On HTTP an answer inside a message exchange that works has status 200, errors included
//! (2026-07-28, "Sending Messages"). The exceptions are those that the protocol names: 400 for
//! messages that are no request of their era at all (envelope, headers, required `_meta`) and for
//! a missing client capability, 404 for a modern method that there is not and for a session that
//! is gone; and 429 and 503 where nothing was begun and the client may come again. What is busy
//! further inside has status 200, because SDKs take another one for the end of the transport; it
//! has the same `Retry-After`.

use ::mcp::{codes, error_response, raw_error_response, result_response};
use bytes::Bytes;
use http::StatusCode;

use crate::limits::Limited;
use crate::metrics::End;

/// A whole JSON-RPC answer.
pub(crate) struct Answer {
    /// What HTTP says of it; other transports have no such thing.
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    pub(crate) end: End,
    /// In how many seconds the client is told to come again, where there is a place for that.
    pub(crate) again: Option<u64>,
}

impl Answer {
    pub(crate) fn result(id: &str, result: &[u8]) -> Self {
        let body = result_response(id, result);
        Self {
            status: StatusCode::OK,
            body,
            end: End::Ok,
            again: None,
        }
    }

    /// An error inside a message exchange that works: HTTP 200, as for any answer.
    pub(crate) fn error(id: &str, code: i64, message: &str, data: Option<&[u8]>) -> Self {
        let body = error_response(id, code, message, data);
        Self {
            status: StatusCode::OK,
            body,
            end: End::Error,
            again: None,
        }
    }

    /// An error of an upstream, the whole object as it is to be said.
    pub(crate) fn raw_error(id: &str, error: &[u8]) -> Self {
        Self {
            status: StatusCode::OK,
            body: raw_error_response(id, error),
            end: End::Error,
            again: None,
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
            again: of_a_moment(status),
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

    /// Nothing was begun, because too much is under way: the client may come again.
    pub(crate) fn too_many(id: &str, message: &str) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self::refused(status, id, codes::INTERNAL_ERROR, message, None)
    }

    /// Nothing was begun, because too much has been: the client may come again in the next window.
    pub(crate) fn limited(id: &str, limited: &Limited) -> Self {
        Self {
            again: Some(limited.again_seconds()),
            ..Self::too_many(id, &format!("Too many requests: {limited}"))
        }
    }

    /// Sessions, streams, mailboxes or marks cannot be reached: the client may come again.
    pub(crate) fn unavailable(id: &str, error: &cache::CacheError) -> Self {
        match error.is_unavailable() {
            true => tracing::warn!("could not reach what sessions are kept in: {error}"),
            false => tracing::error!("what sessions are kept in fails: {error}"),
        }
        let (status, code) = (StatusCode::SERVICE_UNAVAILABLE, codes::INTERNAL_ERROR);
        let message = "Sessions are unavailable; try again";
        Self::refused(status, id, code, message, None)
    }

    /// An answer of a moment: all that could serve the request was in use.
    pub(crate) fn with_again(self) -> Self {
        Self {
            again: Some(SOON),
            ..self
        }
    }

    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with_end(self, end: End) -> Self {
        Self { end, ..self }
    }
}

/// When to come again where a moment may mend it, in seconds.
const SOON: u64 = 1;

/// When to come again, if a status says that the client may.
pub(crate) fn of_a_moment(status: StatusCode) -> Option<u64> {
    let passes = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    passes.then_some(SOON)
}

/// `params` or its `_meta` cannot be read: no request of any method.
pub(crate) fn bad_params(id: &str, error: &serde_json::Error) -> Answer {
    // Where in our parser's view of the text the fault lies helps nobody.
    let text = error.to_string();
    let reason = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(reason, _)| reason);
    let message = format!("Invalid params: {reason}");
    Answer::bad_request(id, codes::INVALID_PARAMS, &message)
}

/// A name of the client's as an error may repeat it.
pub(crate) fn shortened(text: &str) -> &str {
    const MAX: usize = 200;
    match text.char_indices().nth(MAX) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
