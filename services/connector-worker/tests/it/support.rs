//! A worker with one tenant, whose connectors a test makes up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use connector_worker::hosted::GuardCommand;
use connector_worker::{Config, Deps, Worker};
use domain::{
    Connector, ConnectorId, ConnectorKind, ConnectorSecrets, KeyId, Principal, Scope, SyncState,
    SyncStatus, TenantId, ToolDefinition,
};
use fabric::{
    BoxFuture, Call, CallEvent, Execute, Failure, InputRequired, Inputs, Lease, LeaseError,
    LeasedSecrets, Leases, Method, Outcome, Request, RpcError, UpstreamListener, Workers,
};
use mcp::{ClientCapabilities, ClientProfile};
use runtime::{Process, SequentialIds, SystemClock};
use secrecy::SecretBox;
use serde_json::Value;
use time::macros::datetime;
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

pub(crate) const TENANT: TenantId = TenantId::new(Uuid::from_u128(1));

/// Leases from a table, counted.
#[derive(Default)]
pub(crate) struct Table {
    connectors: Mutex<HashMap<ConnectorId, (Connector, ConnectorSecrets)>>,
    pub(crate) asked: AtomicUsize,
    /// Given out only when a test lets it, if set.
    pub(crate) gate: Option<Notify>,
    /// Whether the control-plane is away.
    pub(crate) is_down: AtomicBool,
}

impl Table {
    /// Gives a lease only when the test lets it.
    pub(crate) fn gated() -> Self {
        Self {
            gate: Some(Notify::new()),
            ..Self::default()
        }
    }
}

impl Leases for Table {
    fn lease(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
    ) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let found = self.connectors.lock().unwrap().get(&connector).cloned();
        Box::pin(async move {
            if self.is_down.load(Ordering::Relaxed) {
                return Err(LeaseError::Unavailable("10.0.0.5 is away".to_owned()));
            }
            if let Some(gate) = &self.gate {
                gate.notified().await;
            }
            let (connector, secrets) = found
                .filter(|(found, _)| found.tenant == tenant)
                .ok_or(LeaseError::Gone)?;
            let secrets = SecretBox::new(Box::new(LeasedSecrets(secrets)));
            Ok(Lease {
                connector,
                secrets,
                takes_accounts: false,
            })
        })
    }
}

/// A worker and what it stands on.
pub(crate) struct Bench {
    pub(crate) worker: Arc<Worker>,
    pub(crate) leases: Arc<Table>,
    pub(crate) process: Process,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| {}, Table::default())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config), leases: Table) -> Self {
        Self::build(change, leases, None)
    }

    /// A worker whose control-plane hears of changed tools.
    pub(crate) fn listened(listener: Arc<dyn UpstreamListener>) -> Self {
        Self::build(|_| {}, Table::default(), Some(listener))
    }

    fn build(
        change: impl FnOnce(&mut Config),
        leases: Table,
        listener: Option<Arc<dyn UpstreamListener>>,
    ) -> Self {
        let mut config = Config::default();
        let folder = tempfile::tempdir().unwrap();
        config.hosted.state_dir = folder.path().to_owned();
        config.hosted.guard = GuardCommand {
            program: env!("CARGO_BIN_EXE_hosted-guard").into(),
            args: Vec::new(),
        };
        config.upstream.probe_timeout = Duration::from_millis(200);
        change(&mut config);
        let egress = egress::EgressConfig {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            ..egress::EgressConfig::default()
        };
        let leases = Arc::new(leases);
        let (_, process) = Process::new();
        let deps = Deps {
            leases: leases.clone(),
            catalog: catalog::Catalog::builtin(),
            egress: egress::Client::new(&egress).unwrap(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(SequentialIds::default()),
            listener,
            environment: std::env::vars_os().collect(),
        };
        let worker = Arc::new(Worker::build(config, deps, &process).unwrap());
        Self {
            worker,
            leases,
            process,
            _folder: folder,
        }
    }

    /// Saves a connector to `url` in its next version.
    pub(crate) fn remote(&self, url: &str) -> ConnectorId {
        self.remote_with(1, url, ConnectorSecrets::default())
    }

    pub(crate) fn remote_with(
        &self,
        number: u128,
        url: &str,
        secrets: ConnectorSecrets,
    ) -> ConnectorId {
        self.save(
            number,
            ConnectorKind::RemoteMcp {
                url: url.parse().unwrap(),
            },
            secrets,
        )
    }

    /// Saves a connector that runs `command`, in its next version.
    pub(crate) fn hosted(&self, command: Vec<String>) -> ConnectorId {
        let kind = ConnectorKind::HostedMcp {
            command,
            working_directory: None,
        };
        self.save(1, kind, ConnectorSecrets::default())
    }

    pub(crate) fn save(
        &self,
        number: u128,
        kind: ConnectorKind,
        secrets: ConnectorSecrets,
    ) -> ConnectorId {
        let id = ConnectorId::new(Uuid::from_u128(number));
        let mut connectors = self.leases.connectors.lock().unwrap();
        let version = connectors
            .get(&id)
            .map_or(1, |(before, _)| before.version + 1);
        let at = datetime!(2026-11-20 12:00 UTC);
        let connector = Connector {
            id,
            tenant: TENANT,
            slug: "upstream".parse().unwrap(),
            display_name: "Upstream".to_owned(),
            kind,
            enabled: true,
            prefix: String::new(),
            credential: secrets.info(),
            on_change: domain::OnChange::Accept,
            sync: SyncStatus {
                state: SyncState::Pending,
                at: None,
                error: None,
                tools: 0,
                changed: domain::ChangedTools::default(),
            },
            created_at: at,
            updated_at: at,
            version,
        };
        connectors.insert(id, (connector, secrets));
        id
    }

    pub(crate) fn remove(&self, id: ConnectorId) {
        self.leases.connectors.lock().unwrap().remove(&id);
    }

    pub(crate) async fn call(&self, connector: ConnectorId, tool: &str, args: Value) -> Outcome {
        self.worker.execute(call(connector, tool, args), None).await
    }

    /// Calls and collects the progress.
    pub(crate) async fn call_with_progress(
        &self,
        connector: ConnectorId,
        tool: &str,
        args: Value,
    ) -> (Outcome, Vec<Value>) {
        let (events, mut received) = mpsc::channel(2);
        let mut call = call(connector, tool, args);
        call.request.progress = true;
        let collect = async {
            let mut all = Vec::new();
            while let Some(event) = received.recv().await {
                let CallEvent::Progress(params) = event else {
                    continue;
                };
                all.push(serde_json::from_slice(&params).unwrap());
            }
            all
        };
        tokio::join!(self.worker.execute(call, Some(events)), collect)
    }

    pub(crate) async fn tools(
        &self,
        connector: ConnectorId,
    ) -> Result<Vec<ToolDefinition>, Failure> {
        let listing = self.worker.list_tools(TENANT, connector, 0).await?;
        Ok(listing.tools)
    }
}

/// A call of the newest version, with ten seconds.
pub(crate) fn call(connector: ConnectorId, tool: &str, arguments: Value) -> Call {
    Call {
        tenant: TENANT,
        connector,
        version: 0,
        accounts: 0,
        request: Request {
            arguments: (!arguments.is_null()).then(|| Bytes::from(arguments.to_string())),
            ..Request::new(Method::CallTool, Some(tool.to_owned()))
        },
        client: Arc::default(),
        session: None,
        user_token: None,
        principal: Principal {
            key: KeyId::new(Uuid::from_u128(7)),
            scope: Scope::TenantUser,
            tenant: Some(TENANT),
        },
        deadline: Duration::from_secs(10),
        request_id: "r1".to_owned(),
        affinity: fabric::Affinity::Principal,
    }
}

/// The same call by a client that declared `capabilities`.
pub(crate) fn by(mut call: Call, capabilities: &Value) -> Call {
    let raw = serde_json::value::to_raw_value(capabilities).unwrap();
    call.client = Arc::new(ClientProfile {
        capabilities: ClientCapabilities::parse(&raw).unwrap(),
        log_level: call.client.log_level,
        log_default: call.client.log_default,
    });
    call
}

/// The same call with answers to what was asked.
pub(crate) fn answering(mut call: Call, asked: &InputRequired, responses: &Value) -> Call {
    call.request.inputs = Some(Inputs {
        responses: Some(Bytes::from(responses.to_string())),
        state: asked.state.clone(),
    });
    call
}

/// The same call by somebody else.
pub(crate) fn of_key(mut call: Call, key: u128) -> Call {
    call.principal.key = KeyId::new(Uuid::from_u128(key));
    call
}

pub(crate) fn asked(outcome: Outcome) -> InputRequired {
    match outcome {
        Outcome::InputRequired(asked) => asked,
        other => panic!("nothing asked but {other:?}"),
    }
}

/// What is asked, as JSON.
pub(crate) fn requests(asked: &InputRequired) -> Value {
    serde_json::from_slice(asked.requests.as_deref().unwrap()).unwrap()
}

pub(crate) fn error(outcome: Outcome) -> RpcError {
    match outcome {
        Outcome::Error(error) => error,
        other => panic!("no error but {other:?}"),
    }
}

/// The text of a result with one text.
pub(crate) fn text(outcome: Outcome) -> String {
    result(outcome)["content"][0]["text"]
        .as_str()
        .expect("a text")
        .to_owned()
}

pub(crate) fn result(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Result(result) => serde_json::from_slice(&result).unwrap(),
        other => panic!("no result but {other:?}"),
    }
}

pub(crate) fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("no failure but {other:?}"),
    }
}
