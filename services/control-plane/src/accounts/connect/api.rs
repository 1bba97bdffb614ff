//! REST: attempts to connect accounts.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use web::{Json, Path, Problem};

use super::{ConnectionView, NewConnection};
use crate::api::problem;
use crate::auth::Caller;
use crate::body::Optional;
use crate::openapi::{Doc, Table};
use crate::operations::Operations;

const ALL: &str = "/tenants/{tenant}/connectors/{connector}/connections";
const ONE: &str = "/tenants/{tenant}/connectors/{connector}/connections/{connection}";

pub(crate) fn routes(table: Table) -> Table {
    let doc = |id, summary| Doc::new("accounts", id, summary);
    table
        .post(
            ALL,
            create,
            doc(
                "createConnection",
                "Get a link by which a person connects an account; it works once",
            )
            .may_take::<NewConnection>()
            .answers::<ConnectionView>(201)
            .problem(404, "key-not-found")
            .problem(404, "account-not-found")
            .problem(409, "takes-no-accounts")
            .problem(409, "oauth-client-missing")
            .problem(409, "public-url-missing")
            .problem(409, "limit-reached"),
        )
        .get(
            ONE,
            read,
            doc(
                "getConnection",
                "Read how far an attempt to connect an account is",
            )
            .answers::<ConnectionView>(200),
        )
}

async fn create(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
    Optional(input): Optional<NewConnection>,
) -> Result<Response, Problem> {
    let connection = operations
        .create_connection(&caller.principal(), &tenant, &connector, input)
        .await
        .map_err(problem)?;
    Ok((StatusCode::CREATED, Json(connection)).into_response())
}

async fn read(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector, connection)): Path<(String, String, String)>,
) -> Result<Json<ConnectionView>, Problem> {
    operations
        .get_connection(&caller.principal(), &tenant, &connector, &connection)
        .await
        .map(Json)
        .map_err(problem)
}
