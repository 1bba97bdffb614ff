//! Workers and pools on loopback.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use domain::{ConnectorId, KeyId, Principal, Scope, TenantId};
use fabric::*;
use fabric_grpc::{PoolConfig, Trust, TrustConfig, WorkerPool, WorkerServer, certs_dev};
use mcp::ClientProfile;
use runtime::{Clock, Process, ShutdownTrigger, SystemClock};
use secrecy::SecretString;
use tokio::sync::Notify;
use uuid::Uuid;

/// More than any of this takes.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, work).await.expect("in time")
}

pub(crate) fn insecure() -> TrustConfig {
    TrustConfig {
        insecure_loopback: true,
        ..TrustConfig::default()
    }
}

pub(crate) fn trust(config: &TrustConfig, role: Role) -> Trust {
    Trust::load(config, role, "me", Arc::new(SystemClock)).unwrap()
}

/// The files of one role out of a folder of development certificates.
pub(crate) fn certified(dir: &Path, role: &str) -> TrustConfig {
    TrustConfig {
        ca: Some(dir.join("ca.pem")),
        cert: Some(dir.join(format!("{role}.pem"))),
        key: Some(dir.join(format!("{role}-key.pem"))),
        ..TrustConfig::default()
    }
}

pub(crate) fn make_certificates(dir: &Path) {
    let names = [
        (Role::Worker, "w"),
        (Role::Gateway, "g"),
        (Role::ControlPlane, "c"),
    ];
    certs_dev(dir, &names, SystemClock.now()).unwrap();
}

/// A process that serves.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    trigger: ShutdownTrigger,
}

impl Served {
    /// Serves what `router` makes for the process.
    pub(crate) fn new(trust: &Trust, router: impl FnOnce(&Process) -> Router) -> Self {
        let (trigger, process) = Process::new();
        let listener = web::bind("127.0.0.1:0".parse().unwrap(), "--listen").unwrap();
        let address = listener.addr();
        let (trust, router, own) = (trust.clone(), router(&process), process.clone());
        process.tasks.essential(
            "serve",
            async move { trust.serve(listener, router, &own).await },
        );
        Self {
            address,
            process,
            trigger,
        }
    }

    pub(crate) fn drain(&self) {
        self.trigger.drain();
    }

    /// As a crash would: every connection is cut.
    pub(crate) fn kill(&self) {
        self.trigger.end();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.trigger.end();
    }
}

type Script = Box<dyn Fn(Call, Option<Events>) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// A worker that does what a test says.
pub(crate) struct Worker {
    pub(crate) calls: Mutex<Vec<Call>>,
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) begun: Arc<Notify>,
    pub(crate) dropped: Arc<Notify>,
    script: Script,
}

/// Says when it is dropped.
pub(crate) struct OnDrop(pub(crate) Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Worker {
    pub(crate) fn new(
        script: impl Fn(Call, Option<Events>) -> BoxFuture<'static, Outcome> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::default(),
            asked: Mutex::default(),
            begun: Arc::default(),
            dropped: Arc::default(),
            script: Box::new(script),
        })
    }

    /// Answers every call with `text`.
    pub(crate) fn answering(text: &str) -> Arc<Self> {
        let answer = Bytes::copy_from_slice(text.as_bytes());
        Self::new(move |_, _| {
            let answer = answer.clone();
            Box::pin(async move { Outcome::Result(answer) })
        })
    }

    /// Never answers.
    pub(crate) fn hanging() -> Arc<Self> {
        Self::new(|_, _| Box::pin(std::future::pending()))
    }

    pub(crate) fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    fn note(&self, what: &str, connector: ConnectorId) {
        let mut asked = self.asked.lock().unwrap();
        asked.push(format!("{what} {connector}"));
    }
}

impl Execute for Worker {
    fn execute(&self, call: Call, events: Option<Events>) -> BoxFuture<'_, Outcome> {
        self.calls.lock().unwrap().push(call.clone());
        let guard = OnDrop(self.dropped.clone());
        let run = (self.script)(call, events);
        self.begun.notify_one();
        Box::pin(async move {
            let _guard = guard;
            run.await
        })
    }
}

impl Workers for Worker {
    fn list_tools(
        &self,
        _tenant: TenantId,
        connector: ConnectorId,
        _version: i64,
    ) -> BoxFuture<'_, Result<Listing, Failure>> {
        self.note("list", connector);
        Box::pin(async {
            Err(Failure {
                kind: FailureKind::Credential,
                message: "no token".to_owned(),
                effect: Effect::None,
            })
        })
    }

    fn process(
        &self,
        _tenant: TenantId,
        connector: ConnectorId,
    ) -> BoxFuture<'_, Option<ProcessStatus>> {
        self.note("process", connector);
        Box::pin(async { None })
    }

    fn stderr(&self, _tenant: TenantId, connector: ConnectorId) -> BoxFuture<'_, Vec<StderrLine>> {
        self.note("stderr", connector);
        Box::pin(async { Vec::new() })
    }

    fn release(&self, _tenant: TenantId, connector: ConnectorId) -> BoxFuture<'_, ()> {
        self.note("release", connector);
        Box::pin(async {})
    }

    fn forget(&self, _tenant: TenantId, connector: ConnectorId) -> BoxFuture<'_, ()> {
        self.note("forget", connector);
        Box::pin(async {})
    }
}

/// A worker behind a socket.
pub(crate) struct Behind {
    pub(crate) served: Served,
    pub(crate) server: WorkerServer,
    pub(crate) worker: Arc<Worker>,
}

impl Behind {
    pub(crate) fn new(worker: Arc<Worker>) -> Self {
        Self::with(worker, 0, &trust(&insecure(), Role::Worker))
    }

    pub(crate) fn with(worker: Arc<Worker>, capacity: u32, trust: &Trust) -> Self {
        let mut made = None;
        let served = Served::new(trust, |process| {
            let server = WorkerServer::new(worker.clone(), worker.clone(), capacity, process);
            made = Some(server.clone());
            server.router(trust)
        });
        Self {
            served,
            server: made.unwrap(),
            worker,
        }
    }

    pub(crate) fn told(&self, node: &str) -> WorkerAddress {
        told(node, self.served.address)
    }
}

pub(crate) fn told(node: &str, address: SocketAddr) -> WorkerAddress {
    WorkerAddress {
        node: node.to_owned(),
        address: address.to_string(),
        capacity: 1000,
        load: 0,
        draining: false,
    }
}

pub(crate) fn pool(workers: Vec<WorkerAddress>) -> WorkerPool {
    pool_of(&trust(&insecure(), Role::Gateway), workers)
}

pub(crate) fn pool_of(trust: &Trust, workers: Vec<WorkerAddress>) -> WorkerPool {
    let pool = WorkerPool::new(PoolConfig::default(), trust);
    pool.set(workers);
    pool
}

/// A pool of one.
pub(crate) fn before(behind: &Behind) -> WorkerPool {
    pool(vec![behind.told("w1")])
}

pub(crate) fn call() -> Call {
    Call {
        tenant: TenantId::new(Uuid::from_u128(1)),
        connector: ConnectorId::new(Uuid::from_u128(2)),
        version: 3,
        accounts: 0,
        request: Request {
            arguments: Some(Bytes::from_static(br#"{"a":1}"#)),
            ..Request::new(Method::CallTool, Some("t".to_owned()))
        },
        client: Arc::new(ClientProfile::default()),
        principal: Principal {
            key: KeyId::new(Uuid::from_u128(4)),
            scope: Scope::TenantUser,
            tenant: Some(TenantId::new(Uuid::from_u128(1))),
        },
        session: None,
        user_token: Some(Arc::new(SecretString::from("hunter2".to_owned()))),
        deadline: Duration::from_secs(60),
        request_id: "r1".to_owned(),
        affinity: Affinity::None,
    }
}

pub(crate) fn text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Result(result) => String::from_utf8_lossy(result).into_owned(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}
