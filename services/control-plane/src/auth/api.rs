//! REST: the key of a request, and what it opens.

use axum::extract::{FromRequestParts, State};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;
use web::{Json, Problem};

use crate::api::problem;
use crate::auth::Caller;
use crate::catalog::ConnectorType;
use crate::keys::KeyView;
use crate::openapi::{Doc, Table};
use crate::operations::Operations;

pub(crate) fn routes(table: Table) -> Table {
    table
        .get(
            "/whoami",
            whoami,
            Doc::new("auth", "whoami", "Read the key that asks").answers::<WhoAmI>(200),
        )
        .get(
            "/connector-types",
            connector_types,
            Doc::new(
                "connectors",
                "listConnectorTypes",
                "List what can be connected",
            )
            .answers::<ConnectorTypes>(200),
        )
}

/// The key that asks.
#[derive(Serialize, ToSchema)]
struct WhoAmI {
    key: KeyView,
}

/// What can be connected.
#[derive(Serialize, ToSchema)]
struct ConnectorTypes {
    types: Vec<ConnectorType>,
}

async fn whoami(
    caller: Caller,
    State(operations): State<Operations>,
) -> Result<Json<WhoAmI>, Problem> {
    let key = operations.whoami(&caller).await.map_err(problem)?;
    Ok(Json(WhoAmI { key }))
}

async fn connector_types(
    caller: Caller,
    State(operations): State<Operations>,
) -> Result<Json<ConnectorTypes>, Problem> {
    let types = operations
        .connector_types(&caller.principal())
        .map_err(problem)?;
    Ok(Json(ConnectorTypes { types }))
}

impl FromRequestParts<Operations> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Operations) -> Result<Self, Problem> {
        state
            .authenticate(bearer(&parts.headers))
            .await
            .map_err(problem)
    }
}

/// What the one Authorization field says; `None` when there is none. Whatever is no bearer token,
/// or is said twice, opens nothing.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next()?;
    if fields.next().is_some() {
        return Some("");
    }
    let token = field.to_str().ok().and_then(|text| text.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Some(token.map_or("", |(_, token)| token.trim()))
}
