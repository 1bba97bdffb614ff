//! REST: API keys.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;
use web::{FieldError, Json, PageQuery, Path, Problem};

use super::{CreatedKey, KeyView, NewKey};
use crate::api::{created, problem};
use crate::auth::Caller;
use crate::idempotency::Creation;
use crate::openapi::{Doc, Table};
use crate::operations::Operations;

pub(crate) fn routes(table: Table) -> Table {
    let doc = |id, summary| Doc::new("keys", id, summary);
    table
        .post(
            "/keys",
            create,
            doc(
                "createKey",
                "Create an API key; its secret is shown this once",
            )
            .takes::<NewKey>()
            .creates()
            .answers::<CreatedKey>(201)
            .problem(404, "tenant-not-found")
            .problem(409, "limit-reached"),
        )
        .get(
            "/keys",
            list,
            doc("listKeys", "List the API keys that the caller may manage")
                .query(
                    "tenant",
                    Type::String,
                    "Only those of the tenant with this slug.",
                )
                .paged()
                .answers::<Keys>(200)
                .problem(404, "tenant-not-found"),
        )
        .get(
            "/keys/{id}",
            read,
            doc("getKey", "Read an API key").answers::<KeyView>(200),
        )
        .delete(
            "/keys/{id}",
            revoke,
            doc("revokeKey", "Revoke an API key").answers::<KeyView>(200),
        )
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
struct Keys {
    keys: Vec<KeyView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Filter {
    tenant: Option<String>,
}

async fn create(
    caller: Caller,
    State(operations): State<Operations>,
    creation: Creation,
    Json(input): Json<NewKey>,
) -> Result<Response, Problem> {
    let key = operations
        .create_key(&caller.principal(), input, &creation)
        .await;
    Ok(created(None, key.map_err(problem)?))
}

async fn list(
    caller: Caller,
    State(operations): State<Operations>,
    filter: Result<Query<Filter>, QueryRejection>,
    page: PageQuery,
) -> Result<Json<Keys>, Problem> {
    let Ok(Query(filter)) = filter else {
        let rule = "must be the slug of one tenant";
        return Err(Problem::invalid_request(vec![FieldError::new(
            "tenant", rule,
        )]));
    };
    let page = operations
        .list_keys(&caller.principal(), filter.tenant.as_deref(), &page.into())
        .await
        .map_err(problem)?;
    Ok(Json(Keys {
        keys: page.items,
        next_page_token: page.next,
    }))
}

async fn read(
    caller: Caller,
    State(operations): State<Operations>,
    Path(id): Path<String>,
) -> Result<Json<KeyView>, Problem> {
    operations
        .get_key(&caller.principal(), &id)
        .await
        .map(Json)
        .map_err(problem)
}

async fn revoke(
    caller: Caller,
    State(operations): State<Operations>,
    Path(id): Path<String>,
) -> Result<Json<KeyView>, Problem> {
    operations
        .revoke_key(&caller.principal(), &id)
        .await
        .map(Json)
        .map_err(problem)
}
