//! NodeService.

use ::fabric::Role;
use proto::admin::v1 as pb;
use proto::admin::v1::node_service_server::NodeService;
use tonic::Request;

use super::Grpc;
use super::call::{Answer, Call};
use super::status::AS_IN_REST;
use super::values::{page, timestamp};
use crate::nodes::{ALL_IN_ONE, NodeView};

fn node(view: NodeView) -> pb::Node {
    let role = match Role::named(&view.role) {
        Some(Role::ControlPlane) => pb::node::Role::ControlPlane,
        Some(Role::Gateway) => pb::node::Role::Gateway,
        Some(Role::Worker) => pb::node::Role::Worker,
        None if view.role == ALL_IN_ONE => pb::node::Role::AllInOne,
        None => pb::node::Role::Unspecified,
    };
    let state = match view.state.as_str() {
        "ready" => pb::node::State::Ready,
        "draining" => pb::node::State::Draining,
        "silent" => pb::node::State::Silent,
        _ => pb::node::State::Unspecified,
    };
    pb::Node {
        name: format!("nodes/{}", view.id),
        role: role.into(),
        state: state.into(),
        version: view.version,
        address: view.address.unwrap_or_default(),
        enforced_revision: view.enforced_revision,
        load: view.load,
        capacity: view.capacity,
        start_time: Some(timestamp(view.started_at)),
        last_seen_time: Some(timestamp(view.last_seen_at)),
    }
}

#[tonic::async_trait]
impl NodeService for Grpc {
    async fn list_nodes(
        &self,
        request: Request<pb::ListNodesRequest>,
    ) -> Answer<pb::ListNodesResponse> {
        let (call, input) = Call::begin(request, AS_IN_REST)?;
        let done = async {
            let request = page(input.page_size, input.page_token)?;
            let found = self
                .operations
                .list_nodes(&call.principal(), &request)
                .await?;
            Ok(pb::ListNodesResponse {
                nodes: found.page.items.into_iter().map(node).collect(),
                next_page_token: found.page.next.unwrap_or_default(),
                newest_revision: found.newest_revision,
            })
        };
        call.end(done.await)
    }
}
