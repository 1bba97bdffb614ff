//! ToolService.

use proto::admin::v1 as pb;
use proto::admin::v1::tool_service_server::ToolService;
use serde_json::value::RawValue;
use tonic::Request;

use super::call::{Answer, Call};
use super::connectors::connector;
use super::mask::Mask;
use super::status::Fields;
use super::values::{given, page};
use super::{Grpc, names};
use crate::error::Error;
use crate::tools::{DifferenceView, ToolChange, ToolChangesView, ToolView};

const NAMED: Fields = &[];

fn text(raw: &RawValue) -> String {
    raw.get().to_owned()
}

fn name((tenant, connector): (&str, &str), tool: &str) -> String {
    format!("tenants/{tenant}/connectors/{connector}/tools/{tool}")
}

fn state(name: &str) -> i32 {
    let state = match name {
        "approved" => pb::tool::State::Approved,
        "changed" => pb::tool::State::Changed,
        "held" => pb::tool::State::Held,
        _ => pb::tool::State::Unspecified,
    };
    state.into()
}

fn tool(parent: (&str, &str), view: ToolView) -> pb::Tool {
    let json = |raw: Option<Box<RawValue>>| raw.as_deref().map(text).unwrap_or_default();
    pb::Tool {
        name: name(parent, &view.name),
        state: state(&view.state),
        hash: view.hash,
        pending_hash: view.pending_hash.unwrap_or_default(),
        enabled: view.enabled,
        exposed_name: view.exposed_name,
        title: view.title.unwrap_or_default(),
        description: view.description.unwrap_or_default(),
        annotations_json: json(view.annotations),
        input_schema_json: json(view.input_schema),
        output_schema_json: json(view.output_schema),
    }
}

fn changes_of(parent: (&str, &str), view: ToolChangesView) -> pb::ToolChanges {
    let difference = |found: DifferenceView| pb::Difference {
        path: found.path,
        before_json: found.before.as_deref().map(text),
        after_json: found.after.as_deref().map(text),
    };
    pb::ToolChanges {
        name: name(parent, &view.name),
        state: state(&view.state),
        hash: view.hash,
        pending_hash: view.pending_hash.unwrap_or_default(),
        approved_json: text(&view.approved),
        pending_json: view.pending.as_deref().map(text).unwrap_or_default(),
        diff: view.diff.into_iter().map(difference).collect(),
        diff_complete: view.diff_complete,
    }
}

fn tools(parent: (&str, &str), views: Vec<ToolView>) -> Vec<pb::Tool> {
    views.into_iter().map(|view| tool(parent, view)).collect()
}

/// The changes of a bulk update, all of which must be to tools of `parent`.
fn changes(parent: (&str, &str), updates: Vec<pb::ToolUpdate>) -> Result<Vec<ToolChange>, Error> {
    let change = |update: pb::ToolUpdate| {
        let (tenant, connector, tool) = names::tool("updates.name", &update.name)?;
        if (tenant, connector) != parent {
            return Err(Error::invalid(
                "updates.name",
                "must be a tool of the request's parent",
            ));
        }
        Ok(ToolChange {
            name: tool.to_owned(),
            enabled: update.enabled,
        })
    };
    updates.into_iter().map(change).collect()
}

#[tonic::async_trait]
impl ToolService for Grpc {
    async fn list_tools(
        &self,
        request: Request<pb::ListToolsRequest>,
    ) -> Answer<pb::ListToolsResponse> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let at = names::connector("parent", &input.parent)?;
            let request = page(input.page_size, input.page_token)?;
            let page = self
                .operations
                .list_tools(&call.principal(), at.0, at.1, &request)
                .await?;
            Ok(pb::ListToolsResponse {
                tools: tools(at, page.items),
                next_page_token: page.next.unwrap_or_default(),
            })
        };
        call.end(done.await)
    }

    async fn get_tool(&self, request: Request<pb::GetToolRequest>) -> Answer<pb::Tool> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, connector, name) = names::tool("name", &input.name)?;
            let view = self
                .operations
                .get_tool(&call.principal(), tenant, connector, name)
                .await?;
            Ok(tool((tenant, connector), view))
        };
        call.end(done.await)
    }

    async fn update_tool(&self, request: Request<pb::UpdateToolRequest>) -> Answer<pb::Tool> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            Mask::read(input.update_mask, |path| matches!(path, "*" | "enabled"))?;
            let given = input.tool.unwrap_or_default();
            let (tenant, connector, name) = names::tool("tool.name", &given.name)?;
            let who = call.principal();
            let view = self
                .operations
                .set_tool_enabled(&who, tenant, connector, name, given.enabled)
                .await?;
            Ok(tool((tenant, connector), view))
        };
        call.end(done.await)
    }

    async fn bulk_update_tools(
        &self,
        request: Request<pb::BulkUpdateToolsRequest>,
    ) -> Answer<pb::BulkUpdateToolsResponse> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let at = names::connector("parent", &input.parent)?;
            let changes = changes(at, input.updates)?;
            let who = call.principal();
            let views = self
                .operations
                .set_tools_enabled(&who, at.0, at.1, changes)
                .await?;
            Ok(pb::BulkUpdateToolsResponse {
                tools: tools(at, views),
            })
        };
        call.end(done.await)
    }

    async fn enable_all_tools(
        &self,
        request: Request<pb::EnableAllToolsRequest>,
    ) -> Answer<pb::EnableAllToolsResponse> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let at = names::connector("parent", &input.parent)?;
            let who = call.principal();
            let views = self
                .operations
                .set_all_tools_enabled(&who, at.0, at.1, true)
                .await?;
            Ok(pb::EnableAllToolsResponse {
                tools: tools(at, views),
            })
        };
        call.end(done.await)
    }

    async fn disable_all_tools(
        &self,
        request: Request<pb::DisableAllToolsRequest>,
    ) -> Answer<pb::DisableAllToolsResponse> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let at = names::connector("parent", &input.parent)?;
            let who = call.principal();
            let views = self
                .operations
                .set_all_tools_enabled(&who, at.0, at.1, false)
                .await?;
            Ok(pb::DisableAllToolsResponse {
                tools: tools(at, views),
            })
        };
        call.end(done.await)
    }

    async fn get_tool_changes(
        &self,
        request: Request<pb::GetToolChangesRequest>,
    ) -> Answer<pb::ToolChanges> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, connector, name) = names::tool("name", &input.name)?;
            let view = self
                .operations
                .get_tool_changes(&call.principal(), tenant, connector, name)
                .await?;
            Ok(changes_of((tenant, connector), view))
        };
        call.end(done.await)
    }

    async fn approve_tool(&self, request: Request<pb::ApproveToolRequest>) -> Answer<pb::Tool> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, connector, name) = names::tool("name", &input.name)?;
            let (who, hash) = (call.principal(), given(input.hash));
            let view = self
                .operations
                .approve_tool(&who, tenant, connector, name, hash.as_deref())
                .await?;
            Ok(tool((tenant, connector), view))
        };
        call.end(done.await)
    }

    async fn approve_all_tools(
        &self,
        request: Request<pb::ApproveAllToolsRequest>,
    ) -> Answer<pb::ApproveAllToolsResponse> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let at = names::connector("parent", &input.parent)?;
            let views = self
                .operations
                .approve_all_tools(&call.principal(), at.0, at.1)
                .await?;
            Ok(pb::ApproveAllToolsResponse {
                tools: tools(at, views),
            })
        };
        call.end(done.await)
    }

    async fn sync_tools(&self, request: Request<pb::SyncToolsRequest>) -> Answer<pb::Connector> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, slug) = names::connector("parent", &input.parent)?;
            let view = self
                .operations
                .sync_tools(&call.principal(), tenant, slug)
                .await?;
            Ok(connector(tenant, view))
        };
        call.end(done.await)
    }
}
