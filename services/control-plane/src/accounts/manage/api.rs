//! REST: accounts.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;
use web::{FieldError, Json, PageQuery, Path, Problem};

use super::{AccountPatch, AccountView, DisconnectedView, NewAccountInput};
use crate::api::problem;
use crate::auth::Caller;
use crate::openapi::{Doc, Table};
use crate::operations::Operations;

const ALL: &str = "/tenants/{tenant}/connectors/{connector}/accounts";
const ONE: &str = "/tenants/{tenant}/connectors/{connector}/accounts/{account}";

pub(crate) fn routes(table: Table) -> Table {
    let doc = |id, summary| Doc::new("accounts", id, summary);
    table
        .get(
            ALL,
            list,
            doc("listAccounts", "List accounts that the caller may manage")
                .query("key", Type::String, "Only those of the key with this id.")
                .paged()
                .answers::<Accounts>(200),
        )
        .post(
            ALL,
            create,
            doc(
                "createAccount",
                "Make an account of a token that somebody has, or of what a program signs in with",
            )
            .takes::<NewAccountInput>()
            .answers::<AccountView>(201)
            .problem(404, "key-not-found")
            .problem(409, "name-taken")
            .problem(409, "limit-reached")
            .problem(409, "takes-no-accounts")
            .problem(502, "provider-failed"),
        )
        .get(
            ONE,
            read,
            doc("getAccount", "Read an account").answers::<AccountView>(200),
        )
        .patch(
            ONE,
            update,
            doc(
                "updateAccount",
                "Rename an account, prefer it, or replace what its program signs in with",
            )
            .merges::<AccountPatch>()
            .answers::<AccountView>(200)
            .problem(409, "name-taken")
            .problem(502, "provider-failed"),
        )
        .delete(
            ONE,
            disconnect,
            doc(
                "disconnectAccount",
                "End an account: here at once, and at its provider if that answers in time",
            )
            .answers::<DisconnectedView>(200),
        )
}

/// A page of accounts.
#[derive(Serialize, ToSchema)]
struct Accounts {
    accounts: Vec<AccountView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Filter {
    key: Option<String>,
}

async fn list(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
    filter: Result<Query<Filter>, QueryRejection>,
    page: PageQuery,
) -> Result<Json<Accounts>, Problem> {
    let Ok(Query(Filter { key })) = filter else {
        let errors = vec![FieldError::new("key", "must be the id of one key")];
        return Err(Problem::invalid_request(errors));
    };
    let page = operations
        .list_accounts(
            &caller.principal(),
            &tenant,
            &connector,
            key.as_deref(),
            &page.into(),
        )
        .await
        .map_err(problem)?;
    Ok(Json(Accounts {
        accounts: page.items,
        next_page_token: page.next,
    }))
}

async fn create(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
    Json(input): Json<NewAccountInput>,
) -> Result<Response, Problem> {
    let account = operations
        .create_account(&caller.principal(), &tenant, &connector, input)
        .await
        .map_err(problem)?;
    Ok((StatusCode::CREATED, Json(account)).into_response())
}

async fn read(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector, account)): Path<(String, String, String)>,
) -> Result<Json<AccountView>, Problem> {
    operations
        .get_account(&caller.principal(), &tenant, &connector, &account)
        .await
        .map(Json)
        .map_err(problem)
}

async fn update(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector, account)): Path<(String, String, String)>,
    Json(change): Json<AccountPatch>,
) -> Result<Json<AccountView>, Problem> {
    operations
        .update_account(&caller.principal(), &tenant, &connector, &account, change)
        .await
        .map(Json)
        .map_err(problem)
}

async fn disconnect(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector, account)): Path<(String, String, String)>,
) -> Result<Json<DisconnectedView>, Problem> {
    operations
        .disconnect_account(&caller.principal(), &tenant, &connector, &account)
        .await
        .map(Json)
        .map_err(problem)
}
