//! The methods of the worker service.

use domain::{ConnectorId, TenantId};
use fabric::{Call, Effect, Events, Failure, FailureKind, Method, Outcome};
use futures_util::StreamExt;
use prost::Message;
use proto::fabric::v1;
use proto::fabric::v1::worker_service_server::WorkerService;
use tonic::{Code, Request, Response, Status, Streaming};

use super::running::Running;
use super::{Place, Server, WorkerServer, counts};
use crate::convert::{self, Invalid, parse};
use crate::refusal::Refused;
use crate::{LISTING_MAX_BYTES, Role, peer};

impl Server {
    fn is_draining(&self) -> bool {
        self.drained.is_draining() || self.shutdown.is_draining()
    }

    /// Runs a call to its end. A watch, which has none, ends when no new calls are taken.
    async fn run(&self, call: Call, events: Option<Events>) -> Outcome {
        let is_watch = matches!(call.request.method, Method::Watch | Method::WatchTask);
        let run = self.execute.execute(call, events);
        if !is_watch {
            return run.await;
        }
        tokio::select! {
            outcome = run => outcome,
            () = self.drained.draining() => ending(),
            () = self.shutdown.draining() => ending(),
        }
    }

    /// Lets a call in, or says why not.
    fn admit(&self, call: &Call) -> Result<Option<Place>, Status> {
        let inputs = call.request.inputs.as_ref();
        let goes_on = inputs.is_some_and(|inputs| inputs.state.is_some());
        let method = call.request.method;
        let ends = matches!(
            method,
            Method::GiveUp | Method::Reply | Method::EndSession | Method::CancelTask
        );
        if self.is_draining() && !goes_on && !ends {
            let message = "the worker takes no new calls: it is about to end";
            return Err(Refused::Draining.status(Code::Unavailable, message));
        }
        if !counts(method) {
            return Ok(None);
        }
        // What waits here for its answer has had a place before, and nobody else can go on with it.
        let capacity = if goes_on { 0 } else { self.capacity };
        let place = self.load.enter(capacity);
        place.map(Some).ok_or_else(|| {
            let message = "the worker has as many calls as it takes";
            Refused::Busy.status(Code::ResourceExhausted, message)
        })
    }
}

fn ending() -> Outcome {
    Outcome::Failed(Failure {
        kind: FailureKind::Unreachable,
        message: "the worker is about to end".to_owned(),
        effect: Effect::None,
    })
}

fn malformed(status: impl Into<Status>) -> Status {
    Refused::Malformed.mark(status.into())
}

fn ids(tenant: &str, connector: &str) -> Result<(TenantId, ConnectorId), Status> {
    let ids = || {
        let tenant = parse(tenant, "tenant_id")?;
        Ok((tenant, parse(connector, "connector_id")?))
    };
    ids().map_err(|invalid: Invalid| malformed(invalid))
}

#[tonic::async_trait]
impl WorkerService for WorkerServer {
    type ExecuteStream = Running;

    async fn execute(
        &self,
        request: Request<Streaming<v1::ExecuteRequest>>,
    ) -> Result<Response<Running>, Status> {
        peer(&request, &[Role::Gateway])?;
        let first = request.into_inner().next().await;
        let Some(first) = first else {
            return Err(malformed(Invalid("call")));
        };
        let Some(v1::execute_request::Message::Call(call)) = first.map_err(malformed)?.message
        else {
            return Err(malformed(Invalid("call")));
        };
        let (call, heard) = convert::call_from(call).map_err(malformed)?;
        let place = self.0.admit(&call)?;
        let server = self.0.clone();
        let running = Running::new(heard, place, move |events| {
            Box::pin(async move { server.run(call, events).await })
        });
        Ok(Response::new(running))
    }

    async fn list_tools(
        &self,
        request: Request<v1::ListToolsRequest>,
    ) -> Result<Response<v1::ListToolsResponse>, Status> {
        use v1::list_tools_response::Outcome as Wire;
        peer(&request, &[Role::ControlPlane])?;
        let request = request.into_inner();
        let (tenant, connector) = ids(&request.tenant_id, &request.connector_id)?;
        if self.0.is_draining() {
            let message = "the worker reads no tools: it is about to end";
            return Err(Refused::Draining.status(Code::Unavailable, message));
        }
        let read = self
            .0
            .workers
            .list_tools(tenant, connector, request.version);
        let listing = read.await.map(convert::listing_to);
        let fits = listing.and_then(|listing| match listing.encoded_len() {
            // Room for what is around it.
            length if length < LISTING_MAX_BYTES - 1024 => Ok(listing),
            _ => Err(Failure {
                kind: FailureKind::TooLarge,
                message: "the tool list is larger than allowed".to_owned(),
                effect: Effect::None,
            }),
        });
        let outcome = match fits {
            Ok(listing) => Wire::Listing(listing),
            Err(failure) => Wire::Failed(convert::failure_to(failure)),
        };
        Ok(Response::new(v1::ListToolsResponse {
            outcome: Some(outcome),
        }))
    }

    async fn get_process(
        &self,
        request: Request<v1::GetProcessRequest>,
    ) -> Result<Response<v1::GetProcessResponse>, Status> {
        peer(&request, &[Role::ControlPlane])?;
        let request = request.into_inner();
        let (tenant, connector) = ids(&request.tenant_id, &request.connector_id)?;
        let process = self.0.workers.process(tenant, connector).await;
        Ok(Response::new(v1::GetProcessResponse {
            process: process.map(convert::process_to),
        }))
    }

    async fn get_stderr(
        &self,
        request: Request<v1::GetStderrRequest>,
    ) -> Result<Response<v1::GetStderrResponse>, Status> {
        peer(&request, &[Role::ControlPlane])?;
        let request = request.into_inner();
        let (tenant, connector) = ids(&request.tenant_id, &request.connector_id)?;
        let lines = self.0.workers.stderr(tenant, connector).await;
        Ok(Response::new(v1::GetStderrResponse {
            lines: lines.into_iter().map(convert::stderr_to).collect(),
        }))
    }

    async fn release(
        &self,
        request: Request<v1::ReleaseRequest>,
    ) -> Result<Response<v1::ReleaseResponse>, Status> {
        peer(&request, &[Role::ControlPlane])?;
        let request = request.into_inner();
        let (tenant, connector) = ids(&request.tenant_id, &request.connector_id)?;
        if request.forget {
            self.0.workers.forget(tenant, connector).await;
        } else {
            self.0.workers.release(tenant, connector).await;
        }
        Ok(Response::new(v1::ReleaseResponse {}))
    }
}
