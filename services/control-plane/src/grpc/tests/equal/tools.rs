//! Tools and processes.

use http::Method;
use proto::admin::v1 as pb;
use serde_json::{Value, json};

use super::{AT, Both, NONE, PATH, at};
use crate::grpc::tests::rest_of;

fn shown(tools: Vec<pb::Tool>) -> Value {
    json!({"tools": tools.into_iter().map(rest_of::tool).collect::<Vec<_>>()})
}

pub(super) async fn tools(both: &mut Both) {
    let list = format!("{PATH}/tools?page_size=1");
    both.same("listTools", (Method::GET, &list, NONE), async |mut c| {
        let request = pb::ListToolsRequest {
            parent: at(),
            page_size: 1,
            ..Default::default()
        };
        let page = c.tools.list_tools(request).await?.into_inner();
        let tools = page.tools.into_iter().map(rest_of::tool).collect();
        Ok(rest_of::list("tools", tools, page.next_page_token))
    })
    .await;
    let name = format!("{AT}/tools/a/b");
    let path = format!("{PATH}/tools/a%2Fb");
    both.same(
        "updateTool",
        (Method::PATCH, &path, json!({"enabled": false})),
        async |mut c| {
            let tool = Some(pb::Tool {
                name: name.clone(),
                ..Default::default()
            });
            let request = pb::UpdateToolRequest {
                tool,
                update_mask: None,
            };
            Ok(rest_of::tool(
                c.tools.update_tool(request).await?.into_inner(),
            ))
        },
    )
    .await;
    both.same("getTool", (Method::GET, &path, NONE), async |mut c| {
        let request = pb::GetToolRequest { name: name.clone() };
        Ok(rest_of::tool(c.tools.get_tool(request).await?.into_inner()))
    })
    .await;
    let body = json!({"updates": [
        {"name": "echo", "enabled": false}, {"name": "a/b", "enabled": true},
    ]});
    let bulk = format!("{PATH}/tools/bulk-update");
    both.same(
        "bulkUpdateTools",
        (Method::POST, &bulk, body),
        async |mut c| {
            let update = |tool, enabled| pb::ToolUpdate {
                name: format!("{AT}/tools/{tool}"),
                enabled,
            };
            let updates = vec![update("echo", false), update("a/b", true)];
            let request = pb::BulkUpdateToolsRequest {
                parent: at(),
                updates,
            };
            Ok(shown(
                c.tools.bulk_update_tools(request).await?.into_inner().tools,
            ))
        },
    )
    .await;
    let disable = format!("{PATH}/tools/disable-all");
    both.same(
        "disableAllTools",
        (Method::POST, &disable, NONE),
        async |mut c| {
            let request = pb::DisableAllToolsRequest { parent: at() };
            Ok(shown(
                c.tools.disable_all_tools(request).await?.into_inner().tools,
            ))
        },
    )
    .await;
    let enable = format!("{PATH}/tools/enable-all");
    both.same(
        "enableAllTools",
        (Method::POST, &enable, NONE),
        async |mut c| {
            let request = pb::EnableAllToolsRequest { parent: at() };
            Ok(shown(
                c.tools.enable_all_tools(request).await?.into_inner().tools,
            ))
        },
    )
    .await;
}

pub(super) async fn approvals(both: &mut Both) {
    let name = format!("{AT}/tools/turned");
    let path = format!("{PATH}/tools/turned/changes");
    let changes = both
        .same(
            "getToolChanges",
            (Method::GET, &path, NONE),
            async |mut c| {
                let request = pb::GetToolChangesRequest { name: name.clone() };
                Ok(rest_of::tool_changes(
                    c.tools.get_tool_changes(request).await?.into_inner(),
                ))
            },
        )
        .await;
    assert_eq!(changes["state"], "held");
    assert_eq!(
        changes["diff"],
        json!([{"path": "/description", "before": "is", "after": "was"}])
    );
    let path = format!("{PATH}/tools/turned/approve");
    let (approved, pending) = (&changes["hash"], &changes["pending_hash"]);
    for hash in [json!("x"), approved.clone(), pending.clone()] {
        let body = json!({"hash": hash});
        both.same("approveTool", (Method::POST, &path, body), async |mut c| {
            let hash = hash.as_str().unwrap().to_owned();
            let request = pb::ApproveToolRequest {
                name: name.clone(),
                hash,
            };
            Ok(rest_of::tool(
                c.tools.approve_tool(request).await?.into_inner(),
            ))
        })
        .await;
    }
    let path = format!("{PATH}/tools/approve-all");
    let none = both
        .same(
            "approveAllTools",
            (Method::POST, &path, NONE),
            async |mut c| {
                let request = pb::ApproveAllToolsRequest { parent: at() };
                Ok(shown(
                    c.tools.approve_all_tools(request).await?.into_inner().tools,
                ))
            },
        )
        .await;
    assert_eq!(none, json!({"tools": []}), "there was one to approve");
}

pub(super) async fn processes(both: &mut Both) {
    let name = || format!("{AT}/process");
    let path = format!("{PATH}/process");
    both.same("getProcess", (Method::GET, &path, NONE), async |mut c| {
        let request = pb::GetProcessRequest { name: name() };
        Ok(rest_of::process(
            c.connectors.get_process(request).await?.into_inner(),
        ))
    })
    .await;
    both.same(
        "restartProcess",
        (Method::POST, &format!("{path}/restart"), NONE),
        async |mut c| {
            let request = pb::RestartProcessRequest { name: name() };
            Ok(rest_of::process(
                c.connectors.restart_process(request).await?.into_inner(),
            ))
        },
    )
    .await;
    both.same(
        "listStderr",
        (Method::GET, &format!("{path}/stderr"), NONE),
        async |mut c| {
            let request = pb::ListStderrRequest { parent: name() };
            let lines = c.connectors.list_stderr(request).await?.into_inner().lines;
            Ok(json!({"lines": lines.into_iter().map(rest_of::stderr_line).collect::<Vec<_>>()}))
        },
    )
    .await;
}
