//! REST: the tools of a connector.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{Json, PageQuery, Path, Problem};

use super::{ToolChange, ToolChangesView, ToolView};
use crate::api::{problem, tagged};
use crate::auth::Caller;
use crate::body::Optional;
use crate::connectors::ConnectorView;
use crate::openapi::{Doc, Table};
use crate::operations::Operations;

const ALL: &str = "/tenants/{tenant}/connectors/{connector}/tools";
const ONE: &str = "/tenants/{tenant}/connectors/{connector}/tools/{tool}";
const BULK: &str = "/tenants/{tenant}/connectors/{connector}/tools/bulk-update";
const ENABLE_ALL: &str = "/tenants/{tenant}/connectors/{connector}/tools/enable-all";
const DISABLE_ALL: &str = "/tenants/{tenant}/connectors/{connector}/tools/disable-all";
const CHANGES: &str = "/tenants/{tenant}/connectors/{connector}/tools/{tool}/changes";
const APPROVE: &str = "/tenants/{tenant}/connectors/{connector}/tools/{tool}/approve";
const APPROVE_ALL: &str = "/tenants/{tenant}/connectors/{connector}/tools/approve-all";
const SYNC: &str = "/tenants/{tenant}/connectors/{connector}/tools/sync";

pub(crate) fn routes(table: Table) -> Table {
    let doc = |id, summary| Doc::new("tools", id, summary);
    table
        .get(
            ALL,
            list,
            doc("listTools", "List a connector's tools")
                .paged()
                .answers::<Tools>(200),
        )
        .get(
            ONE,
            read,
            doc("getTool", "Read a tool").answers::<ToolView>(200),
        )
        .patch(
            ONE,
            update,
            doc("updateTool", "Enable or disable a tool")
                .takes::<ToolPatch>()
                .answers::<ToolView>(200),
        )
        .post(
            BULK,
            bulk_update,
            doc(
                "bulkUpdateTools",
                "Enable and disable many tools, all of them or none",
            )
            .takes::<BulkUpdate>()
            .answers::<Updated>(200)
            .problem(422, "unknown-tools"),
        )
        .post(
            ENABLE_ALL,
            enable_all,
            doc("enableAllTools", "Enable all tools of a connector").answers::<Updated>(200),
        )
        .post(
            DISABLE_ALL,
            disable_all,
            doc("disableAllTools", "Disable all tools of a connector").answers::<Updated>(200),
        )
        .get(
            CHANGES,
            changes,
            doc(
                "getToolChanges",
                "Read how a tool's definition differs from the approved one",
            )
            .answers::<ToolChangesView>(200),
        )
        .post(
            APPROVE,
            approve,
            doc("approveTool", "Approve the definition that a tool has now")
                .may_take::<Approval>()
                .answers::<ToolView>(200)
                .problem(409, "definition-changed"),
        )
        .post(
            APPROVE_ALL,
            approve_all,
            doc(
                "approveAllTools",
                "Approve the definitions that all tools of a connector have now",
            )
            .answers::<Updated>(200),
        )
        .post(
            SYNC,
            sync,
            doc(
                "syncTools",
                "Read a connector's tools anew, and wait for it",
            )
            .answers_tagged::<ConnectorView>(200)
            .problem(409, "connector-disabled")
            .problem(409, "tenant-inactive")
            .problem(502, "upstream-failed"),
        )
}

/// A page of tools.
#[derive(Serialize, ToSchema)]
struct Tools {
    tools: Vec<ToolView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// The tools that a change was about.
#[derive(Serialize, ToSchema)]
struct Updated {
    tools: Vec<ToolView>,
}

/// Which of a tool's fields change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ToolPatch {
    enabled: Option<bool>,
}

/// Which definition is approved.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Approval {
    /// The `pending_hash` that was looked at: the approval is refused when the definition is
    /// another by now. Without, the definition is approved whatever it is.
    #[serde(default)]
    hash: Option<String>,
}

/// What many tools are to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BulkUpdate {
    updates: Vec<ToolChange>,
}

async fn list(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
    page: PageQuery,
) -> Result<Json<Tools>, Problem> {
    let page = operations
        .list_tools(&caller.principal(), &tenant, &connector, &page.into())
        .await
        .map_err(problem)?;
    Ok(Json(Tools {
        tools: page.items,
        next_page_token: page.next,
    }))
}

async fn read(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector, tool)): Path<(String, String, String)>,
) -> Result<Json<ToolView>, Problem> {
    let tool = operations
        .get_tool(&caller.principal(), &tenant, &connector, &tool)
        .await;
    tool.map(Json).map_err(problem)
}

async fn update(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector, tool)): Path<(String, String, String)>,
    Json(patch): Json<ToolPatch>,
) -> Result<Json<ToolView>, Problem> {
    let caller = caller.principal();
    let view = match patch.enabled {
        Some(enabled) => {
            operations
                .set_tool_enabled(&caller, &tenant, &connector, &tool, enabled)
                .await
        }
        // An empty patch changes nothing.
        None => {
            operations
                .get_tool(&caller, &tenant, &connector, &tool)
                .await
        }
    };
    view.map(Json).map_err(problem)
}

async fn bulk_update(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
    Json(bulk): Json<BulkUpdate>,
) -> Result<Json<Updated>, Problem> {
    let tools = operations
        .set_tools_enabled(&caller.principal(), &tenant, &connector, bulk.updates)
        .await
        .map_err(problem)?;
    Ok(Json(Updated { tools }))
}

async fn enable_all(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
) -> Result<Json<Updated>, Problem> {
    switch_all(&caller, &operations, &tenant, &connector, true).await
}

async fn disable_all(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
) -> Result<Json<Updated>, Problem> {
    switch_all(&caller, &operations, &tenant, &connector, false).await
}

async fn switch_all(
    caller: &Caller,
    operations: &Operations,
    tenant: &str,
    connector: &str,
    enabled: bool,
) -> Result<Json<Updated>, Problem> {
    let tools = operations
        .set_all_tools_enabled(&caller.principal(), tenant, connector, enabled)
        .await
        .map_err(problem)?;
    Ok(Json(Updated { tools }))
}

async fn changes(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector, tool)): Path<(String, String, String)>,
) -> Result<Json<ToolChangesView>, Problem> {
    let changes = operations
        .get_tool_changes(&caller.principal(), &tenant, &connector, &tool)
        .await;
    changes.map(Json).map_err(problem)
}

async fn approve(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector, tool)): Path<(String, String, String)>,
    Optional(Approval { hash }): Optional<Approval>,
) -> Result<Json<ToolView>, Problem> {
    let caller = caller.principal();
    let approved = operations
        .approve_tool(&caller, &tenant, &connector, &tool, hash.as_deref())
        .await;
    approved.map(Json).map_err(problem)
}

async fn approve_all(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
) -> Result<Json<Updated>, Problem> {
    let tools = operations
        .approve_all_tools(&caller.principal(), &tenant, &connector)
        .await
        .map_err(problem)?;
    Ok(Json(Updated { tools }))
}

async fn sync(
    caller: Caller,
    State(operations): State<Operations>,
    Path((tenant, connector)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let connector = operations
        .sync_tools(&caller.principal(), &tenant, &connector)
        .await;
    let connector = connector.map_err(problem)?;
    Ok(tagged(connector.version, connector))
}
