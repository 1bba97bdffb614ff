//! WebSocket, a custom transport of the protocol: one text frame is one JSON-RPC message, in both
//! directions. Subprotocol `mcp`; either era, decided per message as everywhere, but without
//! header fields, since there are none. A legacy session belongs to its connection and ends with
//! it. A request is cancelled by `notifications/cancelled` in either era.
//!
//! The credential is checked at the upgrade, and again whenever the configuration changes: a
//! connection whose key is revoked is closed with 4401.

mod close;
mod connection;
mod flight;
mod incoming;
pub(crate) mod token;

use std::sync::Arc;

use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use web::{Problem, RequestId};

use crate::hub::{Dress, Filter, Place, Sink, TooMany};
use crate::service::App;
use connection::Connection;

/// The subprotocol's name, as the SDKs ask for it.
const SUBPROTOCOL: &str = "mcp";
/// Bytes that are read from a connection at once; the library's own default is 128 KiB, held by
/// every idle connection.
const READ_BUFFER: usize = 4 * 1024;
/// What tells a connection that its key is still good: nothing, until it ends.
const WATCH_QUEUE: usize = 64;

/// Whether a request asks for a WebSocket.
pub(crate) fn is_upgrade(request: &Request) -> bool {
    let upgrade = request.headers().get(UPGRADE);
    request.method() == Method::GET
        && upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answers an upgrade of an authenticated caller.
pub(crate) async fn upgrade(app: Arc<App>, place: Place, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    if let Err(problem) = acceptable(&parts.headers, parts.uri.query()) {
        return problem.into_response();
    }
    let request_id = match parts.extensions.get::<RequestId>() {
        Some(id) => id.clone(),
        None => RequestId::of(&parts.headers, app.ids.as_ref()),
    };
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return refused(&rejection).into_response(),
    };
    // Also what counts connections: each is a listener of the hub, if only for its own end.
    let (sender, notices) = tokio::sync::mpsc::channel(WATCH_QUEUE);
    let filter = Filter::default();
    let listening = app
        .hub
        .listen(place.clone(), filter, Sink::Channel(sender), Dress::Legacy);
    let listening = match listening {
        Ok(listening) => listening,
        Err(too_many) => return crowded(&too_many).into_response(),
    };
    let max = app.config.body_max_bytes;
    let tasks = app.process.tasks.clone();
    let connection = Connection::new(app, place, request_id, notices, listening);
    upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(max)
        .max_frame_size(max)
        .on_failed_upgrade(|error| tracing::debug!("an upgrade failed: {error}"))
        .on_upgrade(move |socket| async move {
            // Tracked, so that the process waits for its end.
            tasks.joinable(connection.run(socket)).await.ok();
        })
}

fn acceptable(headers: &HeaderMap, query: Option<&str>) -> Result<(), Problem> {
    let invalid = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, "invalid-request", detail);
    // What stands in an address stands in logs.
    if query.is_some_and(|query| !query.is_empty()) {
        return Err(invalid(
            "the URL takes no query: send the key as Authorization, a user token with auth/setUserToken",
        ));
    }
    let mut offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().peekable();
    if offered.peek().is_none() {
        return Ok(());
    }
    let ours = |value: &http::HeaderValue| {
        let value = value.to_str().unwrap_or_default();
        value.split(',').any(|name| name.trim() == SUBPROTOCOL)
    };
    match offered.any(ours) {
        true => Ok(()),
        false => Err(invalid("the WebSocket subprotocol here is mcp")),
    }
}

/// As many connections as there may be.
pub(crate) fn crowded(too_many: &TooMany) -> Problem {
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-streams", too_many);
    problem.with_header(RETRY_AFTER, HeaderValue::from_static("1"))
}

/// Here is nothing but WebSocket.
pub(crate) fn upgrade_required() -> Problem {
    let detail = "this URL speaks WebSocket: ask for an upgrade, subprotocol mcp";
    let problem = Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade-required", detail);
    let problem = problem.with_header(UPGRADE, HeaderValue::from_static("websocket"));
    problem.with_header(CONNECTION, HeaderValue::from_static("upgrade"))
}

fn refused(rejection: &WebSocketUpgradeRejection) -> Problem {
    let detail = format!("no WebSocket upgrade: {rejection}");
    Problem::new(StatusCode::BAD_REQUEST, "invalid-request", &detail)
}
