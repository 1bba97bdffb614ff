//! gRPC: `turnbuckle.admin.v1`, the same operations as REST, with health and reflection.
//!
//! Nothing but health answers without a key, reflection included: the guard stands before all
//! services, so that none can forget it. Errors carry the details of `google.rpc`.

mod accounts;
mod call;
mod connectors;
mod guard;
mod keys;
mod mask;
mod names;
mod nodes;
mod status;
mod tenants;
#[cfg(test)]
mod tests;
mod tools;
mod values;

use anyhow::Context;
use axum::Router;
use axum::middleware::from_fn_with_state;
use domain::limits::BODY_MAX_BYTES;
use proto::admin::v1::account_service_server::AccountServiceServer;
use proto::admin::v1::connector_service_server::ConnectorServiceServer;
use proto::admin::v1::key_service_server::KeyServiceServer;
use proto::admin::v1::node_service_server::NodeServiceServer;
use proto::admin::v1::tenant_service_server::TenantServiceServer;
use proto::admin::v1::tool_service_server::ToolServiceServer;
use runtime::Shutdown;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::server::Builder as Reflection;

use crate::operations::Operations;
use crate::service::ControlPlane;

/// All services speak for the same operations, so each is as healthy as the others.
const HEALTHY: [&str; 7] = [
    "",
    "turnbuckle.admin.v1.AccountService",
    "turnbuckle.admin.v1.ConnectorService",
    "turnbuckle.admin.v1.KeyService",
    "turnbuckle.admin.v1.NodeService",
    "turnbuckle.admin.v1.TenantService",
    "turnbuckle.admin.v1.ToolService",
];

/// What implements the services.
#[derive(Clone)]
struct Grpc {
    operations: Operations,
}

impl ControlPlane {
    /// gRPC as routes; serve them over HTTP/2. Wrap them with [`web::Observer`] for request ids.
    ///
    /// Health says "not serving" from the moment the process drains.
    pub async fn grpc_router(&self) -> anyhow::Result<Router> {
        let operations = self.operations().clone();
        let grpc = Grpc {
            operations: operations.clone(),
        };
        let reporter = HealthReporter::new();
        report(&reporter, ServingStatus::Serving).await;
        let health = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
        let reflection = || {
            Reflection::configure()
                .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let describe = "describe the gRPC services";
        let routes = Routes::new(
            TenantServiceServer::new(grpc.clone()).max_decoding_message_size(BODY_MAX_BYTES),
        )
        .add_service(
            ConnectorServiceServer::new(grpc.clone()).max_decoding_message_size(BODY_MAX_BYTES),
        )
        .add_service(
            AccountServiceServer::new(grpc.clone()).max_decoding_message_size(BODY_MAX_BYTES),
        )
        .add_service(ToolServiceServer::new(grpc.clone()).max_decoding_message_size(BODY_MAX_BYTES))
        .add_service(NodeServiceServer::new(grpc.clone()).max_decoding_message_size(BODY_MAX_BYTES))
        .add_service(KeyServiceServer::new(grpc).max_decoding_message_size(BODY_MAX_BYTES))
        .add_service(health)
        .add_service(reflection().build_v1().context(describe)?)
        // What most clients still ask first.
        .add_service(reflection().build_v1alpha().context(describe)?);

        let process = operations.process();
        let shutdown = process.shutdown.clone();
        process
            .tasks
            .disposable("grpc health", say_goodbye(reporter, shutdown));
        Ok(routes
            .into_axum_router()
            .layer(from_fn_with_state(operations, guard::require_key)))
    }
}

async fn report(reporter: &HealthReporter, status: ServingStatus) {
    for service in HEALTHY {
        reporter.set_service_status(service, status).await;
    }
}

/// Tells those who watch our health that we go, and ends their streams: they would hold the drain
/// up to its deadline. Whoever asks from then on is still answered.
async fn say_goodbye(mut reporter: HealthReporter, shutdown: Shutdown) -> anyhow::Result<()> {
    shutdown.draining().await;
    report(&reporter, ServingStatus::NotServing).await;
    for service in HEALTHY {
        reporter.clear_service_status(service).await;
    }
    report(&reporter, ServingStatus::NotServing).await;
    Ok(())
}
