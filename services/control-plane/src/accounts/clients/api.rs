//! REST: what is registered at providers.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use web::{Json, Path, Problem};

use super::{OAuthClientInput, OAuthClientView, OAuthProviderView};
use crate::api::{problem, tagged};
use crate::auth::Caller;
use crate::openapi::{Doc, Table};
use crate::operations::Operations;
use crate::tenants::Expected;

const OPERATORS: &str = "/oauth-clients";
const OPERATORS_ONE: &str = "/oauth-clients/{provider}";
const TENANTS: &str = "/tenants/{tenant}/oauth-clients";
const TENANTS_ONE: &str = "/tenants/{tenant}/oauth-clients/{provider}";

pub(crate) fn routes(table: Table) -> Table {
    let doc = |id, summary| Doc::new("accounts", id, summary);
    let puts = |id, summary| {
        doc(id, summary)
            .takes::<OAuthClientInput>()
            .if_match()
            .answers_tagged::<OAuthClientView>(200)
            .problem(409, "limit-reached")
    };
    let deletes = |id, summary| {
        doc(id, summary)
            .if_match()
            .problem(404, "oauth-client-not-found")
    };
    table
        .get(
            "/oauth-providers",
            providers,
            doc(
                "listOAuthProviders",
                "List the types of connectors that people sign in for",
            )
            .answers::<OAuthProviders>(200),
        )
        .get(
            OPERATORS,
            list,
            doc("listOAuthClients", "List the operator's OAuth clients")
                .answers::<OAuthClients>(200),
        )
        .put(
            OPERATORS_ONE,
            put,
            puts(
                "putOAuthClient",
                "Register an OAuth client for all tenants, or change it",
            ),
        )
        .delete(
            OPERATORS_ONE,
            delete,
            deletes(
                "deleteOAuthClient",
                "Forget an OAuth client of the operator's",
            ),
        )
        .get(
            TENANTS,
            list_of_tenant,
            doc(
                "listTenantOAuthClients",
                "List the OAuth clients that serve a tenant: its own and the operator's",
            )
            .answers::<OAuthClients>(200),
        )
        .put(
            TENANTS_ONE,
            put_of_tenant,
            puts(
                "putTenantOAuthClient",
                "Register a tenant's own OAuth client, or change it",
            ),
        )
        .delete(
            TENANTS_ONE,
            delete_of_tenant,
            deletes(
                "deleteTenantOAuthClient",
                "Forget a tenant's own OAuth client",
            ),
        )
}

/// What people can sign in for.
#[derive(Serialize, ToSchema)]
struct OAuthProviders {
    providers: Vec<OAuthProviderView>,
}

/// OAuth clients, by provider.
#[derive(Serialize, ToSchema)]
struct OAuthClients {
    clients: Vec<OAuthClientView>,
}

async fn providers(
    caller: Caller,
    State(operations): State<Operations>,
) -> Result<Json<OAuthProviders>, Problem> {
    let providers = operations.list_oauth_providers(&caller.principal()).await;
    let providers = providers.map_err(problem)?;
    Ok(Json(OAuthProviders { providers }))
}

async fn list(
    caller: Caller,
    State(operations): State<Operations>,
) -> Result<Json<OAuthClients>, Problem> {
    let clients = operations
        .list_oauth_clients(&caller.principal(), None)
        .await
        .map_err(problem)?;
    Ok(Json(OAuthClients { clients }))
}

async fn put(
    caller: Caller,
    State(operations): State<Operations>,
    Path(provider): Path<String>,
    expected: Expected,
    Json(input): Json<OAuthClientInput>,
) -> Result<Response, Problem> {
    let client = operations
        .put_oauth_client(&caller.principal(), None, &provider, input, &expected)
        .await
        .map_err(problem)?;
    Ok(tagged(client.version, client))
}

async fn delete(
    caller: Caller,
    State(operations): State<Operations>,
    Path(provider): Path<String>,
    expected: Expected,
) -> Result<StatusCode, Problem> {
    operations
        .delete_oauth_client(&caller.principal(), None, &provider, &expected)
        .await
        .map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_of_tenant(
    caller: Caller,
    State(operations): State<Operations>,
    Path(tenant): Path<String>,
) -> Result<Json<OAuthClients>, Problem> {
    let clients = operations
        .list_oauth_clients(&caller.principal(), Some(&tenant))
        .await
        .map_err(problem)?;
    Ok(Json(OAuthClients { clients }))
}

async fn put_of_tenant(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, provider)): Path<(String, String)>,
    expected: Expected,
    Json(input): Json<OAuthClientInput>,
) -> Result<Response, Problem> {
    let client = operations
        .put_oauth_client(
            &caller.principal(),
            Some(&tenant),
            &provider,
            input,
            &expected,
        )
        .await
        .map_err(problem)?;
    Ok(tagged(client.version, client))
}

async fn delete_of_tenant(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, provider)): Path<(String, String)>,
    expected: Expected,
) -> Result<StatusCode, Problem> {
    operations
        .delete_oauth_client(&caller.principal(), Some(&tenant), &provider, &expected)
        .await
        .map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}
