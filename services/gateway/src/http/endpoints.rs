//! The endpoints, and what each HTTP method means there.

use std::sync::Arc;

use ::mcp::{ProtocolVersion, header};
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use web::Problem;

use super::authenticate::authenticate;
use super::respond::{refused, whole};
use super::{get, legacy_sse, post};
use crate::core::{self, Answer, Caller};
use crate::service::App;
use crate::websocket;

/// The endpoints: all of a tenant, and one connector alone; each with those of 2024-11-05, and a
/// second URL for WebSocket.
pub(crate) const ROUTES: [&str; 8] = [
    "/api/v1/{tenant}/mcp",
    "/api/v1/{tenant}/mcp/sse",
    "/api/v1/{tenant}/mcp/messages",
    "/api/v1/{tenant}/mcp/ws",
    "/api/v1/{tenant}/connectors/{connector}/mcp",
    "/api/v1/{tenant}/connectors/{connector}/mcp/sse",
    "/api/v1/{tenant}/connectors/{connector}/mcp/messages",
    "/api/v1/{tenant}/connectors/{connector}/mcp/ws",
];

pub(crate) fn routes() -> Router<Arc<App>> {
    let [
        all,
        all_sse,
        all_messages,
        all_ws,
        one,
        one_sse,
        one_messages,
        one_ws,
    ] = ROUTES;
    Router::new()
        .route(all, any(streamable))
        .route(one, any(streamable))
        .route(all_sse, any(sse))
        .route(one_sse, any(sse))
        .route(all_messages, any(messages))
        .route(one_messages, any(messages))
        .route(all_ws, any(ws))
        .route(one_ws, any(ws))
}

/// The endpoint that a path names.
#[derive(Default, serde::Deserialize)]
pub(super) struct Named {
    tenant: String,
    connector: Option<String>,
}

/// What a path names; one that is no text names nothing that there is.
type NamedPath = Result<Path<Named>, PathRejection>;

/// Streamable HTTP, and WebSocket.
async fn streamable(State(app): State<Arc<App>>, path: NamedPath, request: Request) -> Response {
    let caller = match enter(app, path, request.headers()).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if websocket::is_upgrade(&request) {
        return upgrade(caller, request).await;
    }
    match *request.method() {
        Method::POST => post::serve(caller, request).await,
        Method::GET => get::serve(caller, request.headers()).await,
        Method::DELETE => delete(&caller, request.headers()).await,
        _ => method_not_allowed("GET, POST, DELETE"),
    }
}

async fn upgrade(caller: Caller, request: Request) -> Response {
    let place = caller.place_in(None, Arc::default());
    websocket::upgrade(caller.app, place, request).await
}

/// `…/ws`: WebSocket and nothing else.
async fn ws(State(app): State<Arc<App>>, path: NamedPath, request: Request) -> Response {
    if request.method() != Method::GET {
        return method_not_allowed("GET");
    }
    match enter(app, path, request.headers()).await {
        Ok(caller) if websocket::is_upgrade(&request) => upgrade(caller, request).await,
        Ok(_) => websocket::upgrade_required().into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// `…/sse`: where a client of 2024-11-05 listens.
async fn sse(State(app): State<Arc<App>>, path: NamedPath, request: Request) -> Response {
    if request.method() != Method::GET {
        return method_not_allowed("GET");
    }
    match enter(app, path, request.headers()).await {
        Ok(caller) => legacy_sse::connect(caller, request).await,
        Err(problem) => problem.into_response(),
    }
}

/// `…/messages`: where it sends.
async fn messages(State(app): State<Arc<App>>, path: NamedPath, request: Request) -> Response {
    if request.method() != Method::POST {
        return method_not_allowed("POST");
    }
    match enter(app, path, request.headers()).await {
        Ok(caller) => legacy_sse::message(caller, request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn enter(app: Arc<App>, path: NamedPath, headers: &HeaderMap) -> Result<Caller, Problem> {
    let named = path.map(|Path(named)| named).unwrap_or_default();
    let (principal, snapshot) = authenticate(&app, &named.tenant, headers).await?;
    let snapshot = snapshot.as_ref().as_ref();
    let snapshot = snapshot.ok_or_else(|| Problem::unauthenticated(true))?;
    let Some(endpoint) = snapshot.endpoint(named.connector.as_deref()) else {
        let detail = "there is no such connector, or it is disabled";
        return Err(Problem::not_found("connector-not-found", detail));
    };
    Ok(Caller {
        principal,
        slug: snapshot.slug().clone(),
        tenant: snapshot.tenant,
        endpoint: endpoint.clone(),
        app,
    })
}

/// Ends a legacy session and its streams. The modern revision has none to end.
async fn delete(caller: &Caller, headers: &HeaderMap) -> Response {
    if let Err(response) = legacy_only(headers) {
        return *response;
    }
    let client = match session(caller, headers, "null").await {
        Ok(client) => client,
        Err(answer) => return whole(answer),
    };
    match core::end_for_good(caller, &client).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => whole(Answer::unavailable("null", &error)),
    }
}

/// Lets through what may be of a revision with sessions.
///
/// # Errors
/// 405 for the modern revision; 400 for a version that nobody knows, and for two.
pub(super) fn legacy_only(headers: &HeaderMap) -> Result<(), Box<Response>> {
    let mut versions = headers.get_all(header::PROTOCOL_VERSION).iter();
    let Some(version) = versions.next() else {
        return Ok(());
    };
    if versions.next().is_some() {
        return Err(Box::new(refused(VERSION_TWICE)));
    }
    let text = version.to_str().unwrap_or_default().trim();
    match text.parse::<ProtocolVersion>() {
        Ok(version) if version.is_modern() => Err(Box::new(method_not_allowed("POST"))),
        Ok(_) => Ok(()),
        Err(()) => {
            let requested = text.to_owned();
            let error = ::mcp::EraError::Unsupported { requested };
            Err(Box::new(whole(post::era_answer("null", &error))))
        }
    }
}

pub(super) const VERSION_TWICE: &str = "Invalid Request: MCP-Protocol-Version is given twice";

/// The client of the legacy session that a message names.
///
/// # Errors
/// 400 without one; 404 for one that is unknown, ended, expired or another's, all alike.
pub(super) async fn session(
    caller: &Caller,
    headers: &HeaderMap,
    id: &str,
) -> Result<Arc<core::LegacyClient>, Answer> {
    let mut values = headers.get_all(header::SESSION_ID).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        let message = "Bad Request: one Mcp-Session-Id is needed; begin with initialize";
        let code = ::mcp::codes::INVALID_REQUEST;
        return Err(Answer::bad_request(id, code, message));
    };
    let sealed = value.to_str().unwrap_or_default();
    let opened = core::open_session(caller, sealed).await;
    opened.map_err(|gone| gone.answer(id))
}

pub(super) fn method_not_allowed(allow: &'static str) -> Response {
    let mut response = StatusCode::METHOD_NOT_ALLOWED.into_response();
    let allow = HeaderValue::from_static(allow);
    response.headers_mut().insert(ALLOW, allow);
    response
}
