//! One version of a connector, by its kind: where a call goes.

mod native;
mod remote;

use std::sync::Arc;
use std::time::Duration;

use domain::{Connector, ConnectorId, ConnectorKind, TenantId};
use egress::{Client, Deadline};
use fabric::{Call, Events, Failure, FailureKind, Lease, Listing, Outcome, UpstreamListener};
use runtime::Tasks;
use secrecy::ExposeSecret;

use native::NativeRunner;
use remote::RemoteRunner;

use crate::breaker::{Breaker, BreakerConfig};
use crate::credentials::Credentials;
use crate::failure::{sent, unsent};
use crate::hosted::{HostedServers, Spec};
use crate::metrics::{Kind, WorkerMetrics};
use crate::native::Engine;
use crate::upstream::{
    Known, LaneParts, Notices, Parked, Source, ToolsChanged, UpstreamConfig, UpstreamServer,
};

/// What runners are made with; the same for all of them.
pub(crate) struct RunnerParts {
    pub(crate) egress: Client,
    pub(crate) native: Arc<Engine>,
    pub(crate) credentials: Arc<Credentials>,
    /// After so long without a call an account's sessions at a server are let go.
    pub(crate) idle: Duration,
    pub(crate) hosted: Arc<HostedServers>,
    pub(crate) upstream: Arc<UpstreamConfig>,
    pub(crate) parked: Arc<Parked>,
    pub(crate) listener: Option<Arc<dyn UpstreamListener>>,
    pub(crate) breaker: BreakerConfig,
    pub(crate) tasks: Tasks,
    pub(crate) metrics: WorkerMetrics,
}

/// Runs the calls of one version of one connector.
pub(crate) enum Runner {
    Native(Box<NativeRunner>),
    Remote(Box<RemoteRunner>),
    /// A server whose processes the worker runs.
    Hosted(Box<UpstreamServer>),
}

impl Runner {
    /// # Errors
    /// The connector's settings or secrets cannot be used as they are.
    pub(crate) fn new(lease: Lease, parts: &Arc<RunnerParts>) -> Result<Self, Failure> {
        let Connector {
            id,
            tenant,
            version,
            ref kind,
            ..
        } = lease.connector;
        let secrets = &lease.secrets.expose_secret().0;
        match kind {
            ConnectorKind::Native { .. } => Ok(Self::Native(Box::new(NativeRunner {
                engine: parts.native.clone(),
                breaker: parts.breaker(),
                credentials: parts.credentials.clone(),
                lease,
            }))),
            ConnectorKind::RemoteMcp { .. } => {
                Ok(Self::Remote(Box::new(RemoteRunner::new(lease, parts)?)))
            }
            ConnectorKind::HostedMcp {
                command,
                working_directory,
            } => {
                let spec = Spec {
                    version,
                    command: command.clone(),
                    working_directory: working_directory.clone(),
                    environment: secrets.env.clone(),
                };
                let source = Source::Hosted {
                    servers: parts.hosted.clone(),
                    tenant,
                    connector: id,
                    spec,
                    hung_after: parts.breaker.failures,
                };
                let server = parts.server(source, Arc::default(), tenant, id);
                Ok(Self::Hosted(Box::new(server)))
            }
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Native(_) => Kind::Native,
            Self::Remote(_) => Kind::Remote,
            Self::Hosted(_) => Kind::Hosted,
        }
    }

    pub(crate) async fn call(
        &self,
        call: &Call,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Outcome {
        match self {
            // Boxed, as is the hosted one below: its future is large, and room for it would be made
            // in every call of whatever kind.
            Self::Native(native) => Box::pin(native.call(call, events, deadline)).await,
            Self::Remote(remote) => remote.call(call, events, deadline).await,
            Self::Hosted(server) => Box::pin(server.run(call, events, deadline)).await,
        }
    }

    /// Tells of changes until it is dropped.
    pub(crate) async fn watch(&self, call: &Call, events: &Events) -> Outcome {
        match self {
            // What a native connector has changes with the platform's version.
            Self::Native(_) => Outcome::Failed(unsent(
                FailureKind::Gone,
                "a native connector has nothing to be watched",
            )),
            Self::Remote(remote) => remote.watch(call, events).await,
            Self::Hosted(server) => server.watch(call, events).await,
        }
    }

    /// Reads the whole tool list; an open breaker does not stand in the way, since somebody wants
    /// to know.
    pub(crate) async fn list_tools(&self, deadline: Deadline) -> Result<Listing, Failure> {
        match self {
            Self::Native(native) => native.listing(),
            Self::Remote(remote) => remote.list_tools(deadline).await,
            Self::Hosted(server) => server.list_tools(deadline).await,
        }
    }
}

/// Does `work` if the breaker lets it, and tells the breaker how it ended. The deadline is kept
/// here, so that the breaker hears of it too.
async fn guarded(
    breaker: &Breaker,
    work: impl Future<Output = Outcome>,
    deadline: Deadline,
) -> Outcome {
    let admission = match breaker.admit() {
        Ok(admission) => admission,
        Err(failure) => return Outcome::Failed(failure),
    };
    let outcome = in_time(work, deadline).await;
    admission.ended(&outcome);
    outcome
}

/// Does `work` until the deadline, and says so when that comes first.
async fn in_time(work: impl Future<Output = Outcome>, deadline: Deadline) -> Outcome {
    match tokio::time::timeout_at(deadline.instant(), work).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::Failed(sent(
            FailureKind::Timeout,
            "the tool did not answer in time",
        )),
    }
}

impl RunnerParts {
    fn server(
        &self,
        source: Source,
        known: Arc<Known>,
        tenant: TenantId,
        connector: ConnectorId,
    ) -> UpstreamServer {
        let tools_changed = self.listener.clone().map(|listener| -> ToolsChanged {
            Arc::new(move || listener.tools_changed(tenant, connector))
        });
        let parts = LaneParts {
            source,
            known,
            told: Arc::new(Notices::new(tools_changed.clone())),
            tools_changed,
            config: self.upstream.clone(),
            tasks: self.tasks.clone(),
        };
        UpstreamServer::new(parts, self.parked.clone())
    }

    fn breaker(&self) -> Breaker {
        Breaker::new(self.breaker.clone(), self.metrics.open_breakers.clone())
    }
}
