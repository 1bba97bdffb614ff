//! REST: tenants.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use web::{Json, PageQuery, Path, Problem};

use super::{Expected, NewTenant, TenantPatch, TenantView};
use crate::api::{created, problem, tagged};
use crate::auth::Caller;
use crate::idempotency::Creation;
use crate::openapi::{Doc, Table};
use crate::operations::Operations;

const ONE: &str = "/tenants/{tenant}";

pub(crate) fn routes(table: Table) -> Table {
    let doc = |id, summary| Doc::new("tenants", id, summary);
    table
        .post(
            "/tenants",
            create,
            doc("createTenant", "Create a tenant")
                .takes::<NewTenant>()
                .creates()
                .answers_tagged::<TenantView>(201)
                .problem(409, "slug-taken"),
        )
        .get(
            "/tenants",
            list,
            doc("listTenants", "List tenants")
                .paged()
                .answers::<Tenants>(200),
        )
        .get(
            ONE,
            read,
            doc("getTenant", "Read a tenant").answers_tagged::<TenantView>(200),
        )
        .patch(
            ONE,
            update,
            doc("updateTenant", "Change a tenant")
                .patches::<TenantPatch>()
                .answers_tagged::<TenantView>(200),
        )
        .delete(
            ONE,
            delete,
            doc("deleteTenant", "Delete a tenant with all it has").if_match(),
        )
        .post(
            "/tenants/{tenant}/activate",
            activate,
            doc("activateTenant", "Let a tenant's keys open things again")
                .if_match()
                .answers_tagged::<TenantView>(200),
        )
        .post(
            "/tenants/{tenant}/deactivate",
            deactivate,
            doc(
                "deactivateTenant",
                "Keep all of a tenant and let nothing of it be used",
            )
            .if_match()
            .answers_tagged::<TenantView>(200),
        )
}

/// A page of tenants.
#[derive(Serialize, ToSchema)]
struct Tenants {
    tenants: Vec<TenantView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

async fn create(
    caller: Caller,
    State(operations): State<Operations>,
    creation: Creation,
    Json(input): Json<NewTenant>,
) -> Result<Response, Problem> {
    let tenant = operations
        .create_tenant(&caller.principal(), input, &creation)
        .await;
    let tenant = tenant.map_err(problem)?;
    Ok(created(Some(tenant.value.version), tenant))
}

async fn list(
    caller: Caller,
    State(operations): State<Operations>,
    page: PageQuery,
) -> Result<Json<Tenants>, Problem> {
    let page = operations
        .list_tenants(&caller.principal(), &page.into())
        .await;
    let page = page.map_err(problem)?;
    Ok(Json(Tenants {
        tenants: page.items,
        next_page_token: page.next,
    }))
}

async fn read(
    caller: Caller,
    State(operations): State<Operations>,
    Path(tenant): Path<String>,
) -> Result<Response, Problem> {
    let tenant = operations
        .get_tenant(&caller.principal(), &tenant)
        .await
        .map_err(problem)?;
    Ok(tagged(tenant.version, tenant))
}

async fn update(
    caller: Caller,
    State(operations): State<Operations>,
    Path(tenant): Path<String>,
    expected: Expected,
    Json(patch): Json<TenantPatch>,
) -> Result<Response, Problem> {
    let tenant = operations
        .update_tenant(&caller.principal(), &tenant, patch, &expected)
        .await;
    let tenant = tenant.map_err(problem)?;
    Ok(tagged(tenant.version, tenant))
}

async fn delete(
    caller: Caller,
    State(operations): State<Operations>,
    Path(tenant): Path<String>,
    expected: Expected,
) -> Result<StatusCode, Problem> {
    let deleted = operations
        .delete_tenant(&caller.principal(), &tenant, &expected)
        .await;
    deleted.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn activate(
    caller: Caller,
    State(operations): State<Operations>,
    Path(tenant): Path<String>,
    expected: Expected,
) -> Result<Response, Problem> {
    let tenant = operations
        .activate_tenant(&caller.principal(), &tenant, &expected)
        .await;
    let tenant = tenant.map_err(problem)?;
    Ok(tagged(tenant.version, tenant))
}

async fn deactivate(
    caller: Caller,
    State(operations): State<Operations>,
    Path(tenant): Path<String>,
    expected: Expected,
) -> Result<Response, Problem> {
    let tenant = operations
        .deactivate_tenant(&caller.principal(), &tenant, &expected)
        .await;
    let tenant = tenant.map_err(problem)?;
    Ok(tagged(tenant.version, tenant))
}
