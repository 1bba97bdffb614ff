//! One version of a connector, by its kind: where a call goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::ArcSwapOption;
use domain::{Connector, ConnectorId, ConnectorKind, TenantId, ToolDefinition};
use egress::{Client, Deadline};
use fabric::{Effect, Events, Failure, FailureKind, Lease, Outcome};
use runtime::Tasks;
use secrecy::ExposeSecret;

use crate::breaker::{Breaker, BreakerConfig};
use crate::failure::{sent, unsent};
use crate::hosted::{HostedServers, Spec};
use crate::metrics::{Kind, WorkerMetrics};
use crate::native::{Engine, redact};
use crate::upstream::{HttpTransport, Peer, ToolCall, UpstreamConfig};

/// What runners are made with; the same for all of them.
pub(crate) struct RunnerParts {
    pub(crate) egress: Client,
    pub(crate) native: Arc<Engine>,
    pub(crate) hosted: Arc<HostedServers>,
    pub(crate) upstream: Arc<UpstreamConfig>,
    pub(crate) breaker: BreakerConfig,
    pub(crate) tasks: Tasks,
    pub(crate) metrics: WorkerMetrics,
}

/// Runs the calls of one version of one connector.
pub(crate) enum Runner {
    Native(Box<NativeRunner>),
    Remote(Box<RemoteRunner>),
    Hosted(Box<HostedRunner>),
}

/// A manifest of the catalog, run with one tenant's credential.
pub(crate) struct NativeRunner {
    engine: Arc<Engine>,
    lease: Lease,
    breaker: Breaker,
}

/// A server somewhere else.
pub(crate) struct RemoteRunner {
    peer: Peer,
    breaker: Breaker,
}

/// A hosted server, which may be another process at each call.
pub(crate) struct HostedRunner {
    servers: Arc<HostedServers>,
    tenant: TenantId,
    connector: ConnectorId,
    spec: Spec,
    /// What was agreed with the process that ran the last time.
    peer: ArcSwapOption<Peer>,
    upstream: Arc<UpstreamConfig>,
    tasks: Tasks,
    /// Calls in a row that ran out of time.
    timeouts: AtomicU32,
    /// How many of them show that the process hangs.
    hung_after: u32,
}

impl Runner {
    /// # Errors
    /// The connector's settings or secrets cannot be used as they are.
    pub(crate) fn new(lease: Lease, parts: &RunnerParts) -> Result<Self, Failure> {
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
                lease,
            }))),
            ConnectorKind::RemoteMcp { url } => {
                let transport = HttpTransport::new(
                    parts.egress.clone(),
                    url,
                    secrets.token.as_deref(),
                    &secrets.headers,
                    parts.upstream.result_max_bytes,
                    parts.tasks.clone(),
                )?;
                let transport = Arc::new(transport);
                Ok(Self::Remote(Box::new(RemoteRunner {
                    peer: Peer::new(transport, parts.upstream.clone(), parts.tasks.clone()),
                    breaker: parts.breaker(),
                })))
            }
            ConnectorKind::HostedMcp {
                command,
                working_directory,
            } => {
                let (command, working_directory) = (command.clone(), working_directory.clone());
                let environment = secrets.env.clone();
                Ok(Self::Hosted(Box::new(HostedRunner {
                    servers: parts.hosted.clone(),
                    tenant,
                    connector: id,
                    spec: Spec {
                        version,
                        command,
                        working_directory,
                        environment,
                    },
                    peer: ArcSwapOption::empty(),
                    upstream: parts.upstream.clone(),
                    tasks: parts.tasks.clone(),
                    timeouts: AtomicU32::new(0),
                    hung_after: parts.breaker.failures,
                })))
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
        call: &ToolCall<'_>,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Outcome {
        match self {
            Self::Native(native) => {
                // Boxed, as is the hosted one below: its future is large, and room for it would be
                // made in every call of whatever kind.
                let work = Box::pin(native.engine.call(
                    &native.lease,
                    call.name,
                    call.arguments,
                    deadline.remaining(),
                ));
                let outcome = guarded(&native.breaker, work, deadline).await;
                let secrets = native.lease.secrets.expose_secret();
                redact(outcome, secrets.0.token.as_deref())
            }
            Self::Remote(remote) => {
                let work = remote.peer.call_tool(call, events, deadline);
                guarded(&remote.breaker, work, deadline).await
            }
            Self::Hosted(hosted) => match Box::pin(hosted.call(call, events, deadline)).await {
                // It ended, for want of calls say, before it got this one: the next one gets it.
                Outcome::Failed(Failure {
                    kind: FailureKind::Died,
                    effect: Effect::None,
                    ..
                }) => hosted.call(call, events, deadline).await,
                outcome => outcome,
            },
        }
    }

    /// Reads the whole tool list; an open breaker does not stand in the way, since somebody wants
    /// to know.
    pub(crate) async fn list_tools(
        &self,
        deadline: Deadline,
    ) -> Result<Vec<ToolDefinition>, Failure> {
        match self {
            Self::Native(native) => native.tools(),
            Self::Remote(remote) => {
                let admission = remote.breaker.insist();
                let listed = remote.peer.list_tools(deadline).await;
                match &listed {
                    Ok(_) => admission.succeeded(),
                    Err(failure) => admission.failed(failure),
                }
                listed
            }
            Self::Hosted(hosted) => hosted.peer(deadline).await?.list_tools(deadline).await,
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

impl NativeRunner {
    fn tools(&self) -> Result<Vec<ToolDefinition>, Failure> {
        let name = self.lease.connector.kind.type_name();
        match self.engine.connector(name) {
            Some(connector) => Ok(connector
                .tools
                .iter()
                .map(catalog::Tool::definition)
                .collect()),
            None => Err(unsent(
                FailureKind::Gone,
                format!("this version knows no connector type {name:?}"),
            )),
        }
    }
}

impl RunnerParts {
    fn breaker(&self) -> Breaker {
        Breaker::new(self.breaker.clone(), self.metrics.open_breakers.clone())
    }
}

impl HostedRunner {
    async fn call(
        &self,
        call: &ToolCall<'_>,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Outcome {
        let work = async {
            match self.peer(deadline).await {
                Ok(peer) => peer.call_tool(call, events, deadline).await,
                Err(failure) => Outcome::Failed(failure),
            }
        };
        let outcome = in_time(work, deadline).await;
        let timed_out = matches!(
            &outcome,
            Outcome::Failed(Failure {
                kind: FailureKind::Timeout,
                ..
            })
        );
        if !timed_out {
            self.timeouts.store(0, Ordering::Relaxed);
        } else if self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= self.hung_after {
            self.timeouts.store(0, Ordering::Relaxed);
            self.servers.give_up(self.tenant, self.connector);
        }
        outcome
    }

    /// The server, started when it does not run.
    async fn peer(&self, deadline: Deadline) -> Result<Arc<Peer>, Failure> {
        let process = self
            .servers
            .connect(self.tenant, self.connector, &self.spec, deadline)
            .await?;
        let known = self.peer.load();
        if let Some(peer) = &*known
            && peer.is_behind(&process)
        {
            return Ok(peer.clone());
        }
        let peer = Arc::new(Peer::new(
            process.clone(),
            self.upstream.clone(),
            self.tasks.clone(),
        ));
        // Of two calls that find a new process, both must use the same peer: one handshake.
        let before = self.peer.compare_and_swap(&*known, Some(peer.clone()));
        match &*before {
            Some(other) if other.is_behind(&process) => Ok(other.clone()),
            _ => Ok(peer),
        }
    }
}
