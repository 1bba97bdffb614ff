//! Streamable HTTP: the endpoints, and what each HTTP method means there.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use domain::Principal;
use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use web::Problem;

use super::authenticate::authenticate;
use super::session::Bound;
use crate::service::App;
use crate::snapshot::{Endpoint, Snapshot};

/// `/api/v1/{tenant}/mcp`: all tools of a tenant.
pub(crate) async fn aggregate(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    // A path that is no text names nothing that there is.
    let tenant = path.map(|Path(tenant)| tenant).unwrap_or_default();
    serve(app, &tenant, None, request).await
}

/// `/api/v1/{tenant}/connectors/{connector}/mcp`: one connector, names unchanged.
pub(crate) async fn single(
    State(app): State<Arc<App>>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let (tenant, connector) = path.map(|Path(names)| names).unwrap_or_default();
    serve(app, &tenant, Some(&connector), request).await
}

async fn serve(app: Arc<App>, tenant: &str, connector: Option<&str>, request: Request) -> Response {
    let (principal, snapshot) = match authenticate(&app, tenant, request.headers()).await {
        Ok(found) => found,
        Err(problem) => return problem.into_response(),
    };
    let Some(snapshot) = snapshot.as_ref() else {
        return Problem::unauthenticated(true).into_response();
    };
    let Some(endpoint) = snapshot.endpoint(connector) else {
        let detail = "there is no such connector, or it is disabled";
        return Problem::not_found("connector-not-found", detail).into_response();
    };
    let caller = Caller {
        app: &app,
        principal,
        snapshot,
        endpoint,
    };
    match *request.method() {
        Method::POST => caller.post(request).await,
        Method::DELETE => caller.delete(request.headers()).await,
        _ => method_not_allowed(),
    }
}

/// Who sends a request, and to which endpoint.
pub(super) struct Caller<'a> {
    pub(super) app: &'a Arc<App>,
    pub(super) principal: Principal,
    pub(super) snapshot: &'a Snapshot,
    pub(super) endpoint: &'a Endpoint,
}

impl Caller<'_> {
    /// What a session of this caller must be bound to.
    pub(super) fn bound(&self) -> Bound {
        Bound {
            tenant: self.snapshot.tenant,
            connector: self.endpoint.connector,
            key: self.principal.key,
        }
    }

    /// Ends a legacy session. The modern revision has none to end.
    async fn delete(&self, headers: &HeaderMap) -> Response {
        let version = headers.get(::mcp::header::PROTOCOL_VERSION);
        let version = version.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        if version.is_some_and(::mcp::ProtocolVersion::is_modern) {
            return method_not_allowed();
        }
        let session = match self.session(headers, "null").await {
            Ok(session) => session,
            Err(answer) => return super::send::whole(answer),
        };
        match self.app.sessions.end(session.id).await {
            Ok(_) => {
                self.app
                    .metrics
                    .sessions
                    .set(self.app.sessions.count() as i64);
                StatusCode::NO_CONTENT.into_response()
            }
            Err(error) => super::send::sessions_unavailable(&error, "null"),
        }
    }
}

fn method_not_allowed() -> Response {
    let mut response = StatusCode::METHOD_NOT_ALLOWED.into_response();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("POST, DELETE"));
    response
}
