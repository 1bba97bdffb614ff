//! What a control-plane serves to nodes.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use domain::KeyId;
use fabric::{Changes, Cluster, ConfigSource, NodeInfo, NodeReport, Role, SourceError, Subject};
use proto::fabric::v1 as wire;
use runtime::Process;
use secrecy::ExposeSecret;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use super::convert;
use crate::convert::{platform_to, tenant_config_to};
use crate::trust::{Trust, peer};

/// How long a node may take to say who it is.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// How long a node may take to read what it is told.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// A node that said nothing for so long is gone; it speaks once a second.
const SILENT_FOR: Duration = Duration::from_secs(5);
/// Messages that wait for the node to read.
const UNREAD: usize = 8;

/// `ConfigService` over a control-plane.
#[derive(Clone)]
pub struct ConfigServer {
    source: Arc<dyn ConfigSource>,
    cluster: Arc<dyn Cluster>,
    process: Process,
}

type Told = Result<wire::WatchResponse, Status>;

impl ConfigServer {
    pub fn new(source: Arc<dyn ConfigSource>, cluster: Arc<dyn Cluster>, process: Process) -> Self {
        Self {
            source,
            cluster,
            process,
        }
    }

    /// The service, for nodes of all roles that prove theirs.
    pub fn router(self, trust: &Trust) -> Router {
        let service = wire::config_service_server::ConfigServiceServer::new(self);
        // What is none of its calls is for whoever shares the port.
        let router = Routes::new(service).into_axum_router().reset_fallback();
        trust.protect(router, &Role::ALL)
    }

    /// Runs a node's line to its end.
    async fn converse(
        &self,
        node: &NodeInfo,
        mut known: i64,
        inbound: &mut Streaming<wire::WatchRequest>,
        outbound: &mpsc::Sender<Told>,
    ) -> Result<(), Status> {
        let mut latest = self.cluster.latest();
        let mut workers = self.cluster.workers();
        workers.mark_changed();
        let mut behind = true;
        let mut retry = tokio::time::interval(Duration::from_secs(1));
        loop {
            if behind {
                // What cannot be read now is tried again a second later.
                behind = match self.catch_up(known, outbound).await {
                    Ok(reached) => std::mem::replace(&mut known, reached) < reached,
                    Err(Unsent::Source(error)) => {
                        tracing::warn!("cannot read the log of changes: {error}");
                        false
                    }
                    Err(Unsent::Gone) => return Ok(()),
                };
                if behind {
                    continue;
                }
            }
            tokio::select! {
                () = self.process.shutdown.draining() => return Ok(()),
                message = tokio::time::timeout(SILENT_FOR, inbound.message()) => {
                    let Ok(Some(message)) = message
                        .map_err(|_| Status::deadline_exceeded("nothing was said for too long"))?
                    else {
                        return Ok(());
                    };
                    let Some(wire::watch_request::Message::Report(report)) = message.message else {
                        return Err(Status::invalid_argument("only reports follow the hello"));
                    };
                    self.report(node, &report).await;
                }
                changed = latest.changed() => {
                    changed.map_err(|_| Status::unavailable("the control-plane ends"))?;
                    behind = *latest.borrow_and_update() > known;
                }
                changed = workers.changed() => {
                    changed.map_err(|_| Status::unavailable("the control-plane ends"))?;
                    let all = convert::workers_to(&workers.borrow_and_update());
                    let told = wire::watch_response::Message::Workers(all);
                    if tell(outbound, Some(told)).await.is_err() {
                        return Ok(());
                    }
                }
                _ = retry.tick() => {
                    behind = *latest.borrow() > known;
                    // A sign of life, so that a node knows how old its configuration may be.
                    if tell(outbound, None).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Tells what changed after `known`, and up to where that is.
    async fn catch_up(&self, known: i64, outbound: &mpsc::Sender<Told>) -> Result<i64, Unsent> {
        let changes = self.cluster.changes_since(known).await;
        let changes = changes.map_err(Unsent::Source)?;
        let reached = changes.revision;
        // The first message tells even a node that knows all how far it is.
        if reached > known || known == 0 {
            let told = wire::watch_response::Message::Changes(changes_to_wire(changes));
            tell(outbound, Some(told)).await?;
        }
        Ok(reached.max(known))
    }

    async fn report(&self, node: &NodeInfo, report: &wire::Report) {
        let report = NodeReport {
            enforced: report.enforced_revision,
            load: report.load,
            draining: report.draining,
        };
        if let Err(error) = self.cluster.report(node, report).await {
            tracing::warn!(node = node.id, "cannot note how the node does: {error}");
        }
    }
}

/// Why a node was not told.
enum Unsent {
    Source(SourceError),
    /// It does not read, or is gone.
    Gone,
}

async fn tell(
    outbound: &mpsc::Sender<Told>,
    message: Option<wire::watch_response::Message>,
) -> Result<(), Unsent> {
    let message = wire::WatchResponse { message };
    let sent = tokio::time::timeout(READ_WITHIN, outbound.send(Ok(message))).await;
    match sent {
        Ok(Ok(())) => Ok(()),
        _ => Err(Unsent::Gone),
    }
}

fn changes_to_wire(changes: Changes) -> wire::Changes {
    let change = |change: fabric::Change| wire::Change {
        revision: change.revision,
        tenant: match change.subject {
            Subject::Platform => None,
            Subject::Tenant(slug) => Some(slug),
        },
    };
    wire::Changes {
        changes: changes.changes.into_iter().map(change).collect(),
        revision: changes.revision,
        start_over: changes.start_over,
    }
}

fn unavailable(error: SourceError) -> Status {
    tracing::warn!("configuration cannot be read: {error}");
    Status::unavailable("configuration cannot be read at the moment")
}

#[tonic::async_trait]
impl wire::config_service_server::ConfigService for ConfigServer {
    type WatchStream = Pin<Box<ReceiverStream<Told>>>;

    async fn watch(
        &self,
        request: Request<Streaming<wire::WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let role = peer(&request, &Role::ALL)?.role;
        let mut inbound = request.into_inner();
        let first = tokio::time::timeout(HELLO_WITHIN, inbound.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no hello came"))??;
        let Some(wire::watch_request::Message::Hello(hello)) = first.and_then(|m| m.message) else {
            return Err(Status::invalid_argument("the first message is a hello"));
        };
        let known = hello.known_revision;
        let node = convert::node(hello)?;
        if node.role != role {
            return Err(Status::permission_denied("the role is another's"));
        }

        let (outbound, told) = mpsc::channel(UNREAD);
        let server = self.clone();
        self.process.tasks.disposable("a node's line", async move {
            tracing::info!(node = node.id, role = node.role.as_str(), "a node has come");
            let ended = server.converse(&node, known, &mut inbound, &outbound).await;
            if let Err(status) = ended {
                tracing::info!(node = node.id, "a node's line ended: {}", status.message());
                outbound.try_send(Err(status)).ok();
            }
            server.cluster.lost(&node.id).await;
            Ok(())
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(told))))
    }

    async fn get_platform(
        &self,
        request: Request<wire::GetPlatformRequest>,
    ) -> Result<Response<wire::GetPlatformResponse>, Status> {
        peer(&request, &[Role::Gateway])?;
        let platform = self.source.platform().await.map_err(unavailable)?;
        let keys = self.cluster.gateway_keys();
        Ok(Response::new(wire::GetPlatformResponse {
            hashing_key: keys.hashing.expose_secret().to_vec().into(),
            sealing_key: keys.sealing.expose_secret().to_vec().into(),
            ..platform_to(&platform)
        }))
    }

    async fn get_tenant(
        &self,
        request: Request<wire::GetTenantRequest>,
    ) -> Result<Response<wire::GetTenantResponse>, Status> {
        peer(&request, &[Role::Gateway])?;
        let slug = request.into_inner().slug;
        let config = self.source.tenant(&slug).await.map_err(unavailable)?;
        Ok(Response::new(wire::GetTenantResponse {
            config: config.as_ref().map(tenant_config_to),
        }))
    }

    async fn note_key_uses(
        &self,
        request: Request<wire::NoteKeyUsesRequest>,
    ) -> Result<Response<wire::NoteKeyUsesResponse>, Status> {
        peer(&request, &[Role::Gateway])?;
        let ids = request.into_inner().key_ids;
        let keys: Result<Vec<KeyId>, _> = ids.iter().map(|id| id.parse()).collect();
        let keys = keys.map_err(|_| Status::invalid_argument("key_ids must be ids of keys"))?;
        self.source.keys_used(&keys).await.map_err(unavailable)?;
        Ok(Response::new(wire::NoteKeyUsesResponse {}))
    }
}
