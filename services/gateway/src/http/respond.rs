//! Responses: whole documents, and what all event streams share.

use std::convert::Infallible;

use ::mcp::{codes, sse};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};
use prometheus_client::metrics::gauge::Gauge;

use crate::core::Answer;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// An answer as one JSON document.
pub(super) fn whole(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    come_again(response.headers_mut(), answer.again);
    response
}

fn come_again(headers: &mut HeaderMap, again: Option<u64>) {
    if let Some(seconds) = again {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Refuses, with 400, what is no request at all.
pub(super) fn refused(message: &str) -> Response {
    let code = codes::INVALID_REQUEST;
    whole(Answer::bad_request("null", code, message))
}

/// An answer as a stream of the one event that it is, for clients that take nothing else.
pub(super) fn as_event(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(sse::encode(&answer.body)));
    *response.status_mut() = answer.status;
    stream_headers(response.headers_mut());
    come_again(response.headers_mut(), answer.again);
    response
}

/// A stream of nothing.
pub(super) fn no_events() -> Response {
    let mut response = Response::new(Body::empty());
    stream_headers(response.headers_mut());
    response
}

/// A stream of events as they come.
pub(super) fn events(stream: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let body = Body::from_stream(stream.map(Ok::<_, Infallible>));
    let mut response = Response::new(body);
    stream_headers(response.headers_mut());
    response
}

/// A stream of events that is mostly silent, and stays open while its client does.
pub(super) fn lasting_events(stream: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut response = events(stream);
    response.extensions_mut().insert(web::LongLived);
    response
}

fn stream_headers(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, EVENTS);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies of the nginx kind would hold events back (2026-07-28, "Streaming").
    let buffering = HeaderName::from_static("x-accel-buffering");
    headers.insert(buffering, HeaderValue::from_static("no"));
}

/// Counts a stream for as long as it is open.
pub(super) struct Open(Gauge);

impl Open {
    pub(super) fn count(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
