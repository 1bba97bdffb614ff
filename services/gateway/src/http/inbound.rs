//! What is known of an HTTP request beside its messages, and the reading of its body.

use std::sync::Arc;

use ::mcp::codes;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use secrecy::SecretString;
use tokio::time::Instant;
use web::RequestId;

use super::accept::{Accepts, is_json};
use super::respond::whole;
use crate::config::Config;
use crate::core::{Answer, Caller, Client};
use crate::metrics::{End, Era, Method};
use crate::websocket::token::{UserToken, is_sendable};

/// The caller's own provider token, for this request alone.
const USER_TOKEN: &str = "x-user-oauth-token";

/// A request that is being served, and what is known of it.
pub(super) struct Inbound {
    pub(super) caller: Caller,
    pub(super) headers: HeaderMap,
    pub(super) accepts: Accepts,
    pub(super) request_id: RequestId,
    pub(super) begun: Instant,
}

impl Inbound {
    pub(super) fn new(caller: Caller, parts: Parts) -> Self {
        let request_id = match parts.extensions.get::<RequestId>() {
            Some(id) => id.clone(),
            None => RequestId::of(&parts.headers, caller.app.ids.as_ref()),
        };
        Self {
            caller,
            accepts: Accepts::of(&parts.headers),
            headers: parts.headers,
            request_id,
            begun: Instant::now(),
        }
    }

    /// The user token that the request brings.
    ///
    /// # Errors
    /// It is none that a field can hold, or there are two. What it was is not repeated.
    pub(super) fn user_token(&self, id: &str) -> Result<Option<UserToken>, Answer> {
        let mut values = self.headers.get_all(USER_TOKEN).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let text = value.to_str().ok().filter(|text| is_sendable(text));
        match (text, values.next()) {
            (Some(text), None) => Ok(Some(Arc::new(SecretString::from(text)))),
            _ => {
                let message = "Invalid Request: X-User-OAuth-Token must be one value of 1 to 8192 visible ASCII characters";
                Err(Answer::bad_request(id, codes::INVALID_REQUEST, message))
            }
        }
    }

    pub(super) fn count(&self, method: Method, era: Era, end: End) {
        let metrics = &self.caller.app.metrics;
        metrics.ended(method, era, end, self.begun.elapsed());
    }

    /// Answers a message that is refused before anybody looks at what it wants.
    pub(super) fn refuse(&self, answer: Answer) -> Response {
        self.count(Method::Other, Era::Unknown, answer.end);
        whole(answer)
    }

    /// What counts the end of a request of this kind.
    pub(super) fn counted(&self, method: Method, era: Era) -> Counted {
        let (metrics, begun) = (self.caller.app.metrics.clone(), self.begun);
        Box::new(move |end| metrics.ended(method, era, end, begun.elapsed()))
    }
}

/// Is told how a request ended.
pub(super) type Counted = Box<dyn FnOnce(End) + Send>;

pub(super) fn era_of(client: &Client) -> Era {
    match client {
        Client::Legacy(_) => Era::Legacy,
        Client::Modern(_) => Era::Modern,
    }
}

/// Checks that a body is in the one form that is read.
pub(super) fn check_form(headers: &HeaderMap) -> Result<(), Answer> {
    let refuse = |message| {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let code = codes::INVALID_REQUEST;
        Err(Answer::refused(status, "null", code, message, None))
    };
    if !is_json(headers) {
        return refuse("Unsupported Media Type: Content-Type must be application/json");
    }
    let encoding = headers.get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return refuse("Unsupported Media Type: Content-Encoding is not supported");
    }
    Ok(())
}

/// The answer to a client that takes nothing of what there is.
pub(super) fn not_acceptable(message: &str) -> Answer {
    let (status, code) = (StatusCode::NOT_ACCEPTABLE, codes::INVALID_REQUEST);
    Answer::refused(status, "null", code, message, None)
}

/// Reads a whole body within the bounds of `config`. One that says that it is too large is not
/// even begun.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    config: &Config,
) -> Result<Bytes, Answer> {
    let max = config.body_max_bytes;
    let too_large = || {
        let message = format!("Payload Too Large: a message may have {max} bytes");
        let (status, code) = (StatusCode::PAYLOAD_TOO_LARGE, codes::INVALID_REQUEST);
        Answer::refused(status, "null", code, &message, None)
    };
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let declared = declared.and_then(|text| text.parse::<u64>().ok());
    if declared.is_some_and(|length| length > max as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(config.body_timeout, Limited::new(body, max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        // The client went away or broke its own framing; nobody reads this.
        Ok(Err(_)) => {
            let message = "Parse error: the body ended early";
            Err(Answer::bad_request("null", codes::PARSE_ERROR, message))
        }
        Err(_) => {
            let (status, code) = (StatusCode::REQUEST_TIMEOUT, codes::INVALID_REQUEST);
            let message = "Request Timeout: the message did not arrive in time";
            Err(Answer::refused(status, "null", code, message, None))
        }
    }
}
