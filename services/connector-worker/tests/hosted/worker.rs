//! A tenant's hosted server, called as the gateway does and looked at as the control-plane does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connector_worker::hosted::GuardCommand;
use connector_worker::{Config, Deps, Worker};
use domain::{
    Connector, ConnectorId, ConnectorKind, ConnectorSecrets, KeyId, Principal, Scope, SyncState,
    SyncStatus, TenantId,
};
use fabric::{
    BoxFuture, Call, CallEvent, Effect, Execute, Failure, FailureKind, Lease, LeaseError,
    LeasedSecrets, Leases, Method, Outcome, ProcessState, Request, Workers,
};
use runtime::{IdGen, SystemClock, TimeOrderedIds};
use secrecy::SecretBox;
use serde_json::{Value, json};
use testkit::hosted::{StdioServer, processes_with};
use tokio::sync::mpsc;

/// One connector, leased to whoever asks.
struct OneConnector(Connector, ConnectorSecrets);

impl Leases for OneConnector {
    fn lease(&self, _: TenantId, _: ConnectorId) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        let secrets = SecretBox::new(Box::new(LeasedSecrets(self.1.clone())));
        let lease = Lease {
            connector: self.0.clone(),
            secrets,
            takes_accounts: false,
        };
        Box::pin(std::future::ready(Ok(lease)))
    }
}

struct Bench {
    worker: Worker,
    tenant: TenantId,
    connector: ConnectorId,
    state: tempfile::TempDir,
}

impl Bench {
    fn new(command: Vec<String>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.hosted.state_dir = state.path().to_owned();
        config.hosted.guard = GuardCommand {
            program: env!("CARGO_BIN_EXE_hosted-guard").into(),
            args: Vec::new(),
        };
        config.upstream.probe_timeout = Duration::from_millis(500);

        let connector = connector(command);
        let (tenant, id) = (connector.tenant, connector.id);
        let env = BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]);
        let secrets = ConnectorSecrets {
            env,
            ..ConnectorSecrets::default()
        };
        let deps = Deps {
            leases: Arc::new(OneConnector(connector, secrets)),
            catalog: catalog::Catalog::builtin(),
            egress: egress::Client::new(&egress::EgressConfig::default()).unwrap(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(TimeOrderedIds),
            listener: None,
            environment: std::env::vars_os().collect(),
        };
        let (_, process) = runtime::Process::new();
        let worker = Worker::build(config, deps, &process).unwrap();
        Self {
            worker,
            tenant,
            connector: id,
            state,
        }
    }

    async fn call(&self, tool: &str, arguments: Value) -> Outcome {
        self.worker
            .execute(self.request(tool, arguments, false), None)
            .await
    }

    fn request(&self, tool: &str, arguments: Value, progress: bool) -> Call {
        Call {
            tenant: self.tenant,
            connector: self.connector,
            version: 1,
            accounts: 0,
            request: Request {
                arguments: Some(Bytes::from(arguments.to_string())),
                progress,
                ..Request::new(Method::CallTool, Some(tool.to_owned()))
            },
            client: Arc::default(),
            session: None,
            user_token: None,
            principal: Principal {
                key: KeyId::new(TimeOrderedIds.next()),
                scope: Scope::TenantUser,
                tenant: Some(self.tenant),
            },
            deadline: Duration::from_secs(30),
            request_id: "r1".to_owned(),
            affinity: fabric::Affinity::Connector,
        }
    }
}

fn connector(command: Vec<String>) -> Connector {
    let now = runtime::Clock::now(&SystemClock);
    Connector {
        id: ConnectorId::new(TimeOrderedIds.next()),
        tenant: TenantId::new(TimeOrderedIds.next()),
        slug: "hosted".parse().unwrap(),
        display_name: "Hosted".to_owned(),
        kind: ConnectorKind::HostedMcp {
            command,
            working_directory: None,
        },
        enabled: true,
        prefix: String::new(),
        credential: ConnectorSecrets::default().info(),
        on_change: domain::OnChange::Accept,
        sync: SyncStatus {
            state: SyncState::Pending,
            at: None,
            error: None,
            tools: 0,
            changed: domain::ChangedTools::default(),
        },
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

/// The first text of a result, as JSON where it is.
fn text(outcome: Outcome) -> Value {
    let Outcome::Result(result) = outcome else {
        panic!("no result but {outcome:?}")
    };
    let result: Value = serde_json::from_slice(&result).unwrap();
    let text = result["content"][0]["text"].as_str().unwrap();
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

#[tokio::test]
async fn a_server_is_started_by_the_first_question_called_and_gone_when_released() {
    let (script, marker) = (StdioServer::new(), TimeOrderedIds.next().to_string());
    let bench = Bench::new(script.command(&["--marker", &marker]));
    let (worker, tenant, id) = (&bench.worker, bench.tenant, bench.connector);
    assert_eq!(worker.process(tenant, id).await, None);

    let tools = worker.list_tools(tenant, id, 1).await.unwrap().tools;
    assert!(tools.iter().any(|tool| tool.name == "echo"), "{tools:?}");
    assert_eq!(text(bench.call("echo", json!({"text": "hi"})).await), "hi");
    assert_eq!(
        text(bench.call("environment", json!({})).await)["GREETING"],
        "hello"
    );
    bench.call("complain", json!({"lines": 1})).await;

    let status = worker.process(tenant, id).await.unwrap();
    assert_eq!((status.state, status.restarts), (ProcessState::Running, 0));
    let pid = text(bench.call("pid", json!({})).await);
    assert_eq!(status.pid.map(u64::from), pid.as_u64());
    assert_eq!(worker.stderr(tenant, id).await[0].text, "complaint 0");

    worker.release(tenant, id).await;
    assert_eq!(processes_with(&marker), [0_u32; 0]);
    assert_eq!(
        worker.process(tenant, id).await.unwrap().state,
        ProcessState::Stopped
    );
    assert_ne!(
        text(bench.call("pid", json!({})).await),
        pid,
        "a new process, a new handshake"
    );
    worker.forget(tenant, id).await;
    assert_eq!(processes_with(&marker), [0_u32; 0]);
    assert_eq!(worker.process(tenant, id).await, None);
    assert!(!bench.state.path().join(tenant.to_string()).exists());
    worker.close().await;
}

#[tokio::test]
async fn progress_reaches_the_caller() {
    let script = StdioServer::new();
    let bench = Bench::new(script.command(&[]));
    let (events, mut seen) = mpsc::channel(8);

    let call = bench.request("progress", json!({"steps": 2}), true);
    let outcome = bench.worker.execute(call, Some(events)).await;

    assert_eq!(text(outcome), "done");
    for step in 1..=2 {
        let Some(CallEvent::Progress(event)) = seen.recv().await else {
            panic!("no progress")
        };
        assert_eq!(
            serde_json::from_slice::<Value>(&event).unwrap()["progress"],
            step
        );
    }
}

#[tokio::test]
async fn a_server_that_dies_in_mid_call_is_told_from_one_that_cannot_be_started() {
    let script = StdioServer::new();
    let dies = Bench::new(script.command(&[]));
    let missing = Bench::new(vec!["turnbuckle-no-such-program".to_owned()]);

    let died = dies.call("die", json!({"code": 7})).await;
    let unknown = missing
        .worker
        .list_tools(missing.tenant, missing.connector, 1)
        .await;

    let Outcome::Failed(died) = died else {
        panic!("no failure but {died:?}")
    };
    assert_eq!(
        died,
        Failure {
            kind: FailureKind::Died,
            message: "the hosted server ended with exit code 7.".to_owned(),
            effect: Effect::Possible,
        }
    );
    assert_eq!(
        unknown.unwrap_err(),
        Failure {
            kind: FailureKind::Unreachable,
            message: "the hosted server could not be started: \
                      there is no program \"turnbuckle-no-such-program\"."
                .to_owned(),
            effect: Effect::None,
        }
    );
}

#[tokio::test]
async fn a_server_that_lets_every_call_run_out_of_time_is_ended() {
    let server = StdioServer::new();
    let bench = Bench::new(server.command(&[]));
    let hanging = || Call {
        deadline: Duration::from_secs(2),
        ..bench.request("hang", json!({}), false)
    };

    for _ in 0..3 {
        let outcome = bench.worker.execute(hanging(), None).await;
        let Outcome::Failed(failure) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(failure.kind, FailureKind::Timeout, "{failure}");
    }

    let exit = loop {
        let status = bench
            .worker
            .process(bench.tenant, bench.connector)
            .await
            .unwrap();
        if let Some(exit) = status.last_exit {
            break exit;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(exit, "was stopped because it answered no call in time");
}
