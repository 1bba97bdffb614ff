//! REST: the processes of the installation.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use web::{Json, PageQuery, Problem};

use super::NodeView;
use crate::api::problem;
use crate::auth::Caller;
use crate::openapi::{Doc, Table};
use crate::operations::Operations;

pub(crate) fn routes(table: Table) -> Table {
    table.get(
        "/nodes",
        list,
        Doc::new(
            "nodes",
            "listNodes",
            "List the processes of the installation",
        )
        .paged()
        .answers::<NodeList>(200),
    )
}

/// A page of nodes, by role.
#[derive(Serialize, ToSchema)]
#[schema(as = Nodes)]
struct NodeList {
    nodes: Vec<NodeView>,
    /// The revision of the last change there is.
    newest_revision: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

async fn list(
    caller: Caller,
    State(operations): State<Operations>,
    page: PageQuery,
) -> Result<Json<NodeList>, Problem> {
    let found = operations
        .list_nodes(&caller.principal(), &page.into())
        .await
        .map_err(problem)?;
    Ok(Json(NodeList {
        nodes: found.page.items,
        newest_revision: found.newest_revision,
        next_page_token: found.page.next,
    }))
}
