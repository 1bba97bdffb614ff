//! The HTTP side of messages: reading a body within bounds, and sending what comes of it as one
//! JSON document or as a stream of events.

use ::mcp::codes;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use cache::CacheError;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited, StreamBody};
use tokio::time::Instant;

use super::accept::{Accepts, is_json};
use super::call::{Running, Step};
use super::dispatch::Client;
use super::http::Caller;
use super::post::Received;
use super::reply::{Answer, Reply};
use super::stream::{CallStream, State};
use crate::config::Config;
use crate::metrics::{End, Era, GatewayMetrics, Method};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Checks the forms that a POST is in and asks for.
pub(super) fn acceptable(headers: &HeaderMap, accepts: Accepts) -> Result<(), Answer> {
    let refuse = |status, message| {
        Err(Answer::refused(
            status,
            "null",
            codes::INVALID_REQUEST,
            message,
            None,
        ))
    };
    if !is_json(headers) {
        let message = "Unsupported Media Type: Content-Type must be application/json";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    }
    let encoding = headers.get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let message = "Unsupported Media Type: Content-Encoding is not supported";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    }
    if accepts.nothing() {
        let message = "Not Acceptable: accept application/json and text/event-stream";
        return refuse(StatusCode::NOT_ACCEPTABLE, message);
    }
    Ok(())
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

/// An answer as one JSON document.
pub(super) fn whole(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// An answer as a stream of the one event that it is, for clients that take nothing else.
fn as_event(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(::mcp::sse::encode(&answer.body)));
    *response.status_mut() = answer.status;
    stream_headers(response.headers_mut());
    response
}

fn stream_headers(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, EVENTS);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies of the nginx kind would hold events back (2026-07-28, "Streaming").
    let buffering = HeaderName::from_static("x-accel-buffering");
    headers.insert(buffering, HeaderValue::from_static("no"));
}

/// Sessions cannot be reached: the client may come again.
pub(super) fn unavailable(error: &CacheError, id: &str) -> Answer {
    tracing::error!("could not reach sessions: {error}");
    let (status, code) = (StatusCode::SERVICE_UNAVAILABLE, codes::INTERNAL_ERROR);
    Answer::refused(
        status,
        id,
        code,
        "Sessions are unavailable; try again",
        None,
    )
}

pub(super) fn sessions_unavailable(error: &CacheError, id: &str) -> Response {
    let mut response = whole(unavailable(error, id));
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

impl Caller<'_> {
    pub(super) fn refuse(&self, received: &Received<'_>, answer: Answer) -> Response {
        self.count(received, Method::Other, None, answer.end);
        whole(answer)
    }

    pub(super) fn count(
        &self,
        received: &Received<'_>,
        method: Method,
        client: Option<Client>,
        end: End,
    ) {
        self.app
            .metrics
            .ended(method, era_of(client), end, received.begun.elapsed());
    }

    /// Sends a reply in the form that fits it and that the client takes.
    pub(super) async fn send(
        &self,
        received: &Received<'_>,
        method: Method,
        client: Client,
        reply: Reply,
    ) -> Response {
        match reply {
            Reply::Message(answer) => self.send_answer(received, method, client, answer),
            Reply::Call(running) => self.send_call(received, method, client, running).await,
        }
    }

    fn send_answer(
        &self,
        received: &Received<'_>,
        method: Method,
        client: Client,
        answer: Answer,
    ) -> Response {
        self.count(received, method, Some(client), answer.end);
        if received.accepts.json || answer.status != StatusCode::OK {
            whole(answer)
        } else {
            as_event(answer)
        }
    }

    /// A call that ends before anything else happens is answered by one document; otherwise the
    /// answer becomes a stream, at the first event or when the connection begins to look dead.
    async fn send_call(
        &self,
        received: &Received<'_>,
        method: Method,
        client: Client,
        mut running: Box<Running>,
    ) -> Response {
        if !received.accepts.stream {
            let outcome = running.outcome().await;
            return self.send_answer(received, method, client, running.answer(outcome));
        }
        let patience = self.app.config.stream_after;
        let first = match tokio::time::timeout(patience, running.step()).await {
            Ok(Step::End(outcome)) if running.is_quiet() => {
                let answer = running.answer(outcome);
                return self.send_answer(received, method, client, answer);
            }
            Ok(step) => Some(step),
            Err(_) => None,
        };
        let (metrics, begun) = (self.app.metrics.clone(), received.begun);
        let state = State {
            running,
            keep_alive: self.app.config.keep_alive,
            ended: Box::new(move |end| ended(&metrics, method, client, end, begun)),
        };
        let stream = CallStream::new(first, state, self.app.metrics.streams.clone());
        let mut response = Response::new(Body::new(StreamBody::new(stream)));
        stream_headers(response.headers_mut());
        response
    }
}

fn ended(metrics: &GatewayMetrics, method: Method, client: Client, end: End, begun: Instant) {
    metrics.ended(method, era_of(Some(client)), end, begun.elapsed());
}

fn era_of(client: Option<Client>) -> Era {
    match client {
        Some(Client::Legacy(_)) => Era::Legacy,
        Some(Client::Modern) => Era::Modern,
        None => Era::Unknown,
    }
}
