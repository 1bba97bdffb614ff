//! REST: connectors, and the processes of hosted ones.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use web::{Json, PageQuery, Path, Problem};

use super::{ConnectorPatch, ConnectorView, NewConnector, ProcessView, StderrLineView};
use crate::api::{created, problem, tagged};
use crate::auth::Caller;
use crate::enforcement::Wait;
use crate::idempotency::Creation;
use crate::openapi::{Doc, Table};
use crate::operations::Operations;
use crate::tenants::Expected;

const ALL: &str = "/tenants/{tenant}/connectors";
const ONE: &str = "/tenants/{tenant}/connectors/{connector}";
const ENABLE: &str = "/tenants/{tenant}/connectors/{connector}/enable";
const DISABLE: &str = "/tenants/{tenant}/connectors/{connector}/disable";
const PROCESS: &str = "/tenants/{tenant}/connectors/{connector}/process";
const STDERR: &str = "/tenants/{tenant}/connectors/{connector}/process/stderr";
const RESTART: &str = "/tenants/{tenant}/connectors/{connector}/process/restart";

pub(crate) fn routes(table: Table) -> Table {
    let doc = |id, summary| Doc::new("connectors", id, summary);
    table
        .post(
            ALL,
            create,
            doc("createConnector", "Connect a service or an MCP server")
                .takes::<NewConnector>()
                .creates()
                .answers_tagged::<ConnectorView>(201)
                .problem(409, "slug-taken")
                .problem(409, "tool-name-collision")
                .problem(409, "limit-reached"),
        )
        .get(
            ALL,
            list,
            doc("listConnectors", "List a tenant's connectors")
                .paged()
                .answers::<Connectors>(200),
        )
        .get(
            ONE,
            read,
            doc("getConnector", "Read a connector").answers_tagged::<ConnectorView>(200),
        )
        .patch(
            ONE,
            update,
            doc("updateConnector", "Change a connector")
                .patches::<ConnectorPatch>()
                .answers_tagged::<ConnectorView>(200)
                .problem(409, "tool-name-collision"),
        )
        .delete(
            ONE,
            delete,
            doc("deleteConnector", "Delete a connector").if_match(),
        )
        .post(
            ENABLE,
            enable,
            doc("enableConnector", "Enable a connector")
                .if_match()
                .answers_tagged::<ConnectorView>(200)
                .problem(409, "tool-name-collision"),
        )
        .post(
            DISABLE,
            disable,
            doc("disableConnector", "Disable a connector")
                .if_match()
                .answers_tagged::<ConnectorView>(200),
        )
        .get(
            PROCESS,
            process,
            doc(
                "getProcess",
                "Read the state of a hosted MCP server's process",
            )
            .answers::<ProcessView>(200)
            .problem(409, "not-hosted"),
        )
        .get(
            STDERR,
            stderr,
            doc(
                "listStderr",
                "Read what a hosted MCP server wrote to its standard error",
            )
            .answers::<Stderr>(200)
            .problem(409, "not-hosted"),
        )
        .post(
            RESTART,
            restart,
            doc(
                "restartProcess",
                "End a hosted MCP server's process and start it anew",
            )
            .answers::<ProcessView>(200)
            .problem(409, "not-hosted")
            .problem(409, "connector-disabled")
            .problem(409, "tenant-inactive"),
        )
}

/// A page of connectors.
#[derive(Serialize, ToSchema)]
struct Connectors {
    connectors: Vec<ConnectorView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// The newest lines of a standard error, oldest first.
#[derive(Serialize, ToSchema)]
struct Stderr {
    lines: Vec<StderrLineView>,
}

async fn create(
    caller: Caller,
    State(operations): State<Operations>,
    Path(tenant): Path<String>,
    Extension(wait): Extension<Wait>,
    creation: Creation,
    Json(input): Json<NewConnector>,
) -> Result<Response, Problem> {
    // Gateways that wait for a connector wait for its tools.
    let read = wait.is_patient();
    let connector = operations
        .create_connector(&caller.principal(), &tenant, input, &creation, read)
        .await
        .map_err(problem)?;
    Ok(created(Some(connector.value.version), connector))
}

async fn list(
    caller: Caller,
    State(operations): State<Operations>,
    Path(tenant): Path<String>,
    page: PageQuery,
) -> Result<Json<Connectors>, Problem> {
    let page = operations
        .list_connectors(&caller.principal(), &tenant, &page.into())
        .await;
    let page = page.map_err(problem)?;
    Ok(Json(Connectors {
        connectors: page.items,
        next_page_token: page.next,
    }))
}

async fn read(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let found = operations
        .get_connector(&caller.principal(), &tenant, &connector)
        .await;
    let found = found.map_err(problem)?;
    Ok(tagged(found.version, found))
}

async fn update(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
    expected: Expected,
    Json(patch): Json<ConnectorPatch>,
) -> Result<Response, Problem> {
    let changed = operations
        .update_connector(&caller.principal(), &tenant, &connector, patch, &expected)
        .await
        .map_err(problem)?;
    Ok(tagged(changed.version, changed))
}

async fn delete(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
    expected: Expected,
) -> Result<StatusCode, Problem> {
    operations
        .delete_connector(&caller.principal(), &tenant, &connector, &expected)
        .await
        .map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn enable(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
    expected: Expected,
) -> Result<Response, Problem> {
    let changed = operations
        .enable_connector(&caller.principal(), &tenant, &connector, &expected)
        .await
        .map_err(problem)?;
    Ok(tagged(changed.version, changed))
}

async fn disable(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
    expected: Expected,
) -> Result<Response, Problem> {
    let changed = operations
        .disable_connector(&caller.principal(), &tenant, &connector, &expected)
        .await
        .map_err(problem)?;
    Ok(tagged(changed.version, changed))
}

async fn process(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
) -> Result<Json<ProcessView>, Problem> {
    let status = operations
        .process_status(&caller.principal(), &tenant, &connector)
        .await;
    status.map(Json).map_err(problem)
}

async fn stderr(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
) -> Result<Json<Stderr>, Problem> {
    let lines = operations
        .process_stderr(&caller.principal(), &tenant, &connector)
        .await;
    Ok(Json(Stderr {
        lines: lines.map_err(problem)?,
    }))
}

async fn restart(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
) -> Result<Json<ProcessView>, Problem> {
    let status = operations
        .restart_process(&caller.principal(), &tenant, &connector)
        .await;
    status.map(Json).map_err(problem)
}
