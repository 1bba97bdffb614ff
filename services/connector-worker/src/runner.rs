//! One version of a connector, by its kind: where a call goes.

use std::sync::Arc;

use domain::{Connector, ConnectorId, ConnectorKind, TenantId, ToolDefinition};
use egress::{Client, Deadline};
use fabric::{
    Call, Events, Failure, FailureKind, Lease, Listing, Method, Outcome, Request, RpcError,
    UpstreamListener,
};
use mcp::codes;
use runtime::Tasks;
use secrecy::{ExposeSecret, SecretBox, SecretString};

use crate::breaker::{Breaker, BreakerConfig};
use crate::failure::{sent, unsent};
use crate::hosted::{HostedServers, Spec};
use crate::metrics::{Kind, WorkerMetrics};
use crate::native::{Engine, redact};
use crate::upstream::{
    LaneParts, Notices, Parked, RemoteServer, Source, ToolsChanged, UpstreamConfig, UpstreamServer,
};

/// What runners are made with; the same for all of them.
pub(crate) struct RunnerParts {
    pub(crate) egress: Client,
    pub(crate) native: Arc<Engine>,
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

/// A manifest of the catalog, run with one tenant's credential.
pub(crate) struct NativeRunner {
    engine: Arc<Engine>,
    lease: Lease,
    breaker: Breaker,
}

/// A server somewhere else.
pub(crate) struct RemoteRunner {
    server: UpstreamServer,
    breaker: Breaker,
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
                let server = RemoteServer::new(
                    parts.egress.clone(),
                    url,
                    secrets.token.as_deref(),
                    &secrets.headers,
                    parts.upstream.result_max_bytes,
                    parts.tasks.clone(),
                )?;
                Ok(Self::Remote(Box::new(RemoteRunner {
                    server: parts.server(Source::Remote(Box::new(server)), tenant, id),
                    breaker: parts.breaker(),
                })))
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
                Ok(Self::Hosted(Box::new(parts.server(source, tenant, id))))
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
            Self::Native(native) => {
                let Some(tool) = native_tool(&call.request) else {
                    return Outcome::Error(RpcError {
                        code: codes::METHOD_NOT_FOUND,
                        message: "Method not found: this connector has nothing but tools"
                            .to_owned(),
                        data: None,
                        raw: None,
                    });
                };
                // Boxed, as is the hosted one below: its future is large, and room for it would be
                // made in every call of whatever kind.
                let work = Box::pin(native.run(call, tool, deadline));
                guarded(&native.breaker, work, deadline).await
            }
            Self::Remote(remote) => {
                let work = remote.server.run(call, events, deadline);
                guarded(&remote.breaker, work, deadline).await
            }
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
            Self::Remote(remote) => remote.server.watch(call, events).await,
            Self::Hosted(server) => server.watch(call, events).await,
        }
    }

    /// Reads the whole tool list; an open breaker does not stand in the way, since somebody wants
    /// to know.
    pub(crate) async fn list_tools(&self, deadline: Deadline) -> Result<Listing, Failure> {
        match self {
            Self::Native(native) => Ok(Listing {
                tools: native.tools()?,
                server: None,
            }),
            Self::Remote(remote) => {
                let admission = remote.breaker.insist();
                let listed = remote.server.list_tools(deadline).await;
                match &listed {
                    Ok(_) => admission.succeeded(),
                    Err(failure) => admission.failed(failure),
                }
                listed
            }
            Self::Hosted(server) => server.list_tools(deadline).await,
        }
    }
}

/// The tool that a native connector is to run; it knows no other request, and asks nothing back.
fn native_tool(request: &Request) -> Option<&str> {
    match request.method {
        Method::CallTool => request.name.as_deref(),
        _ => None,
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
    /// Runs a tool with the caller's own token where the call brings one.
    async fn run(&self, call: &Call, tool: &str, deadline: Deadline) -> Outcome {
        let arguments = call.request.arguments.as_deref();
        let time = deadline.remaining();
        let own = call.user_token.as_ref().map(|token| self.lease_with(token));
        let lease = own.as_ref().unwrap_or(&self.lease);
        let outcome = self.engine.call(lease, tool, arguments, time).await;
        redact(outcome, lease.secrets.expose_secret().0.token.as_deref())
    }

    fn lease_with(&self, token: &SecretString) -> Lease {
        let mut secrets = self.lease.secrets.expose_secret().clone();
        secrets.0.token = Some(token.expose_secret().to_owned());
        Lease {
            connector: self.lease.connector.clone(),
            secrets: SecretBox::new(Box::new(secrets)),
        }
    }

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
    fn server(&self, source: Source, tenant: TenantId, connector: ConnectorId) -> UpstreamServer {
        let tools_changed = self.listener.clone().map(|listener| -> ToolsChanged {
            Arc::new(move || listener.tools_changed(tenant, connector))
        });
        let parts = LaneParts {
            source,
            known: Arc::default(),
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
