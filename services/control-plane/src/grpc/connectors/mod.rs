//! ConnectorService.

mod input;
mod view;

use proto::admin::v1 as pb;
use proto::admin::v1::connector_service_server::ConnectorService;
use tonic::Request;

use super::call::{Answer, Call};
use super::mask::Mask;
use super::status::Fields;
use super::values::{creation, expected, page};
use super::{Grpc, names};
use crate::tenants::Expected;
use input::{is_changeable, new_connector, patch, replaces_secrets};
pub(super) use view::connector;
use view::{connector_type, process, stderr_line};

const FIELDS: Fields = &[
    ("slug", "connector_id"),
    ("type", "connector.type"),
    ("display_name", "connector.display_name"),
    ("prefix", "connector.prefix"),
    ("on_change", "connector.on_change"),
    ("config.base_url", "connector.native.base_url"),
    ("config.url", "connector.remote_mcp.url"),
    ("config.", "connector.hosted_mcp."),
    ("secrets.", "connector.secrets."),
    ("Idempotency-Key", "request_id"),
];
const NAMED: Fields = &[];

#[tonic::async_trait]
impl ConnectorService for Grpc {
    async fn list_connector_types(
        &self,
        request: Request<pb::ListConnectorTypesRequest>,
    ) -> Answer<pb::ListConnectorTypesResponse> {
        let (call, _) = Call::begin(request, NAMED)?;
        let types = self.operations.connector_types(&call.principal());
        call.end(types.map(|types| pb::ListConnectorTypesResponse {
            types: types.into_iter().map(connector_type).collect(),
        }))
    }

    async fn create_connector(
        &self,
        request: Request<pb::CreateConnectorRequest>,
    ) -> Answer<pb::Connector> {
        let (call, input) = Call::begin(request, FIELDS)?;
        let done = async {
            let tenant = names::tenant("parent", &input.parent)?;
            let new = new_connector(input.connector_id, input.connector.unwrap_or_default());
            let (who, creation) = (call.principal(), creation(input.request_id));
            let created = self
                .operations
                .create_connector(&who, tenant, new, &creation, input.wait_for_sync)
                .await?;
            Ok(connector(tenant, created.value))
        };
        call.end(done.await)
    }

    async fn get_connector(
        &self,
        request: Request<pb::GetConnectorRequest>,
    ) -> Answer<pb::Connector> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, slug) = names::connector("name", &input.name)?;
            let view = self
                .operations
                .get_connector(&call.principal(), tenant, slug)
                .await?;
            Ok(connector(tenant, view))
        };
        call.end(done.await)
    }

    async fn list_connectors(
        &self,
        request: Request<pb::ListConnectorsRequest>,
    ) -> Answer<pb::ListConnectorsResponse> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let tenant = names::tenant("parent", &input.parent)?;
            let request = page(input.page_size, input.page_token)?;
            let page = self
                .operations
                .list_connectors(&call.principal(), tenant, &request)
                .await?;
            Ok(pb::ListConnectorsResponse {
                connectors: page
                    .items
                    .into_iter()
                    .map(|view| connector(tenant, view))
                    .collect(),
                next_page_token: page.next.unwrap_or_default(),
            })
        };
        call.end(done.await)
    }

    async fn update_connector(
        &self,
        request: Request<pb::UpdateConnectorRequest>,
    ) -> Answer<pb::Connector> {
        let (call, input) = Call::begin(request, FIELDS)?;
        let done = async {
            let mask = Mask::read(input.update_mask, is_changeable)?;
            let given = input.connector.unwrap_or_default();
            let name = given.name.clone();
            let (tenant, slug) = names::connector("connector.name", &name)?;
            let (who, mut expected) = (call.principal(), expected(&given.etag));
            let mut known = None;
            if replaces_secrets(mask.as_ref()) {
                // What is there and not given goes. Nobody may add to it in between.
                let view = self.operations.get_connector(&who, tenant, slug).await?;
                if !expected.is_given() {
                    expected = Expected::version(view.version);
                }
                known = Some(view);
            }
            let patch = patch(given, mask.as_ref(), known.as_ref());
            let view = self
                .operations
                .update_connector(&who, tenant, slug, patch, &expected)
                .await?;
            Ok(connector(tenant, view))
        };
        call.end(done.await)
    }

    async fn delete_connector(&self, request: Request<pb::DeleteConnectorRequest>) -> Answer<()> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, slug) = names::connector("name", &input.name)?;
            let expected = expected(&input.etag);
            self.operations
                .delete_connector(&call.principal(), tenant, slug, &expected)
                .await
        };
        call.end(done.await)
    }

    async fn enable_connector(
        &self,
        request: Request<pb::EnableConnectorRequest>,
    ) -> Answer<pb::Connector> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, slug) = names::connector("name", &input.name)?;
            let (who, expected) = (call.principal(), expected(&input.etag));
            let view = self
                .operations
                .enable_connector(&who, tenant, slug, &expected)
                .await?;
            Ok(connector(tenant, view))
        };
        call.end(done.await)
    }

    async fn disable_connector(
        &self,
        request: Request<pb::DisableConnectorRequest>,
    ) -> Answer<pb::Connector> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, slug) = names::connector("name", &input.name)?;
            let (who, expected) = (call.principal(), expected(&input.etag));
            let view = self
                .operations
                .disable_connector(&who, tenant, slug, &expected)
                .await?;
            Ok(connector(tenant, view))
        };
        call.end(done.await)
    }

    async fn get_process(&self, request: Request<pb::GetProcessRequest>) -> Answer<pb::Process> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, slug) = names::process("name", &input.name)?;
            self.operations
                .process_status(&call.principal(), tenant, slug)
                .await
        };
        call.end(done.await.map(process))
    }

    async fn restart_process(
        &self,
        request: Request<pb::RestartProcessRequest>,
    ) -> Answer<pb::Process> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, slug) = names::process("name", &input.name)?;
            self.operations
                .restart_process(&call.principal(), tenant, slug)
                .await
        };
        call.end(done.await.map(process))
    }

    async fn list_stderr(
        &self,
        request: Request<pb::ListStderrRequest>,
    ) -> Answer<pb::ListStderrResponse> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, slug) = names::process("parent", &input.parent)?;
            self.operations
                .process_stderr(&call.principal(), tenant, slug)
                .await
        };
        call.end(done.await.map(|lines| pb::ListStderrResponse {
            lines: lines.into_iter().map(stderr_line).collect(),
        }))
    }
}
