//! The lease service.

use std::sync::Arc;

use axum::Router;
use fabric::{LeaseError, Leases, UpstreamListener};
use proto::fabric::v1;
use proto::fabric::v1::lease_service_server::{LeaseService, LeaseServiceServer};
use secrecy::ExposeSecret;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::convert::{Invalid, connector_to, credential_request_from, credential_to, parse};
use crate::{Role, Trust};

/// Serves leases to workers.
#[derive(Clone)]
pub struct LeaseServer {
    leases: Arc<dyn Leases>,
    listener: Arc<dyn UpstreamListener>,
}

impl LeaseServer {
    pub fn new(leases: Arc<dyn Leases>, listener: Arc<dyn UpstreamListener>) -> Self {
        Self { leases, listener }
    }

    /// The routes, for workers only.
    pub fn router(self, trust: &Trust) -> Router {
        let router = Routes::new(LeaseServiceServer::new(self)).into_axum_router();
        trust.protect(router, &[Role::Worker])
    }
}

#[tonic::async_trait]
impl LeaseService for LeaseServer {
    async fn lease(
        &self,
        request: Request<v1::LeaseRequest>,
    ) -> Result<Response<v1::LeaseResponse>, Status> {
        crate::peer(&request, &[Role::Worker])?;
        let request = request.into_inner();
        let tenant = parse(&request.tenant_id, "tenant_id")?;
        let connector = parse(&request.connector_id, "connector_id")?;
        let lease = self.leases.lease(tenant, connector).await;
        let lease = lease.map_err(|error| match error {
            LeaseError::Gone => Status::not_found(error.to_string()),
            LeaseError::Sealed => Status::failed_precondition(error.to_string()),
            LeaseError::Unavailable(why) => Status::unavailable(why),
        })?;
        let secrets = serde_json::to_vec(&lease.secrets.expose_secret().0);
        let secrets = secrets.map_err(|_| Status::from(Invalid("secrets_json")))?;
        Ok(Response::new(v1::LeaseResponse {
            connector: Some(connector_to(&lease.connector)),
            secrets_json: secrets.into(),
            takes_accounts: lease.takes_accounts,
        }))
    }

    async fn credential(
        &self,
        request: Request<v1::CredentialRequest>,
    ) -> Result<Response<v1::CredentialResponse>, Status> {
        crate::peer(&request, &[Role::Worker])?;
        let request = credential_request_from(request.into_inner())?;
        let credential = self.leases.credential(request).await;
        credential_to(credential).map(Response::new)
    }

    async fn note_tools_changed(
        &self,
        request: Request<v1::NoteToolsChangedRequest>,
    ) -> Result<Response<v1::NoteToolsChangedResponse>, Status> {
        crate::peer(&request, &[Role::Worker])?;
        let request = request.into_inner();
        let tenant = parse(&request.tenant_id, "tenant_id")?;
        let connector = parse(&request.connector_id, "connector_id")?;
        self.listener.tools_changed(tenant, connector);
        Ok(Response::new(v1::NoteToolsChangedResponse {}))
    }
}
