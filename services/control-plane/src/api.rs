//! REST: the route table, and how errors, versions and idempotency keys are written there.

use axum::Router;
use axum::extract::FromRequestParts;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::header::{CACHE_CONTROL, ETAG, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use web::{FieldError, Json, PageQuery, Problem};

use crate::error::Error;
use crate::idempotency::{Created, Creation};
use crate::openapi::{PREFIX, Table};
use crate::operations::Operations;
use crate::page::PageRequest;
use crate::tenants::Expected;
use crate::{accounts, auth, connectors, docs, enforcement, keys, nodes, tenants, tools};

/// Seconds after which something unavailable may be asked for again.
const RETRY_AFTER: u32 = 1;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Every route of the administration.
pub(crate) fn table() -> Table {
    let mut table = Table::new();
    for routes in [
        tenants::api::routes,
        connectors::api::routes,
        tools::api::routes,
        accounts::routes,
        keys::api::routes,
        nodes::api::routes,
        auth::api::routes,
    ] {
        table = routes(table);
    }
    table
}

pub(crate) fn router(operations: Operations) -> Router {
    table()
        .into_router()
        .route_layer(from_fn_with_state(
            operations.clone(),
            enforcement::follow_rest,
        ))
        .route(&format!("{PREFIX}/{{*rest}}"), any(web::not_found))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response(uncached))
        .with_state(operations.clone())
        .merge(accounts::pages(operations))
        .merge(docs::router())
}

/// What administrators see is nobody else's, and true for the moment only.
async fn uncached(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The fallback of routes: axum adds `Allow`.
pub(crate) async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "this address does not take this method: see /docs",
    )
}

/// An error as REST says it. Internal causes are logged here, and nowhere else.
pub(crate) fn problem(error: Error) -> Problem {
    let name = error.name();
    match &error {
        Error::Unauthenticated { token_sent } => Problem::unauthenticated(*token_sent),
        Error::Forbidden => Problem::forbidden(&error),
        Error::NotFound(_) => Problem::not_found(name, &error),
        Error::Invalid(violations) => {
            let errors = violations
                .iter()
                .map(|v| FieldError::new(&*v.field, &*v.rule));
            Problem::invalid_request(errors.collect())
        }
        Error::InvalidPageToken => Problem::new(StatusCode::BAD_REQUEST, name, &error),
        Error::VersionMismatch => Problem::new(StatusCode::PRECONDITION_FAILED, name, &error),
        Error::ConcurrentChange
        | Error::SlugTaken { .. }
        | Error::ToolNameCollision(_)
        | Error::LimitReached(_)
        | Error::DefinitionChanged
        | Error::NotHosted
        | Error::TakesNoAccounts(_)
        | Error::OAuthClientMissing(_)
        | Error::PublicUrlMissing
        | Error::NameTaken
        | Error::TenantInactive
        | Error::ConnectorDisabled => Problem::conflict(name, &error),
        Error::IdempotencyKeyReused => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, name, &error),
        Error::UnknownTools(names) => {
            let unknown = names.iter().map(|tool| {
                FieldError::new("updates", format!("{tool:?} is no tool of the connector"))
            });
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, name, &error)
                .with_errors(unknown.collect())
        }
        Error::UpstreamFailed(_) | Error::ProviderFailed(_) => {
            Problem::new(StatusCode::BAD_GATEWAY, name, &error)
        }
        Error::Unavailable { doing, cause } => {
            tracing::error!(error = %cause, "failed to {doing}");
            Problem::unavailable("something it needs is away: try again", RETRY_AFTER)
        }
        Error::InDoubt { doing, cause } => {
            tracing::error!(error = %cause, "failed to {doing}, or not: the database went away");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, name, &error)
        }
        Error::Internal { doing, cause } => Problem::internal(doing, cause),
    }
}

/// Answers with one resource and its version.
pub(crate) fn tagged<T: Serialize>(version: i64, resource: T) -> Response {
    let mut response = Json(resource).into_response();
    // Digits in quotes are always a header value.
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Answers to a creation; says so when the answer is a kept one.
pub(crate) fn created<T: Serialize>(version: Option<i64>, created: Created<T>) -> Response {
    let mut response = match version {
        Some(version) => tagged(version, created.value),
        None => Json(created.value).into_response(),
    };
    *response.status_mut() = StatusCode::CREATED;
    if created.replayed {
        let yes = HeaderValue::from_static("true");
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, yes);
    }
    response
}

impl FromRequestParts<Operations> for Expected {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Operations) -> Result<Self, Problem> {
        let Some(field) = joined(&parts.headers, &IF_MATCH) else {
            return Ok(Self::ANY);
        };
        Ok(Self::if_match(&field))
    }
}

impl FromRequestParts<Operations> for Creation {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Operations) -> Result<Self, Problem> {
        Ok(Self {
            idempotency_key: joined(&parts.headers, &IDEMPOTENCY_KEY),
        })
    }
}

/// All fields of a name as one. What is not ASCII is kept as a character that no rule allows.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let fields = headers.get_all(name).iter();
    fields
        .map(|field| String::from_utf8_lossy(field.as_bytes()).into_owned())
        .reduce(|all, field| all + ", " + &field)
}

impl From<PageQuery> for PageRequest {
    fn from(query: PageQuery) -> Self {
        Self {
            size: query.size,
            token: query.token,
        }
    }
}
