//! `turnbuckle worker`: runs calls for gateways, and hosted servers.

pub(in crate::roles) mod config;

use std::process::ExitCode;
use std::sync::Arc;

use connector_worker::Worker;
use fabric::{
    BoxFuture, Changes, Execute, Leases, NodeReport, Role, UpstreamListener, WorkerAddress, Workers,
};
use fabric_grpc::config::Follower;
use fabric_grpc::trust::Trust;
use fabric_grpc::{LeaseClient, Load, WorkerServer};
use runtime::{Clock, IdGen, Shutdown, SystemClock, TimeOrderedIds};
use std::sync::atomic::{AtomicI64, Ordering};

use super::files::ReadyFile;
use super::life::{Life, Port, serve};
use super::manifests::Manifests;
use super::node::{RoleArgs, announce, control_planes, follow, node, play};
use super::traces::traced;
use config::Config;

/// Runs a worker until it is told to end.
pub(crate) fn worker(args: &RoleArgs) -> ExitCode {
    play(args, run)
}

async fn run(config: Config) -> anyhow::Result<()> {
    let (life, process, leaves) = Life::begin(config.http.drain, config.leave_notice)?;
    let starting = process.readiness.latch("starting");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let process = traced(
        process,
        &config.telemetry,
        "turnbuckle-worker",
        &config.name(),
        &clock,
    )?;
    let ids: Arc<dyn IdGen> = Arc::new(TimeOrderedIds);
    let trust = Trust::load(&config.trust, Role::Worker, &config.name(), clock.clone())?;
    trust.check(config.listen)?;
    let listener = web::bind(config.listen, "listen")?;
    let admin = web::bind(config.admin_listen, "admin_listen")?;
    ReadyFile::check(config.ready_file.as_deref())?;
    std::fs::create_dir_all(&config.state_dir)?;

    let manifests = Manifests::open(&config.manifests, &process)?;
    let leases = LeaseClient::new(&config.control_planes, &trust, &process)?;
    let deps = connector_worker::Deps {
        leases: Arc::new(leases.clone()) as Arc<dyn Leases>,
        catalog: manifests.catalog(),
        egress: egress::Client::new(&config.egress)?,
        clock: clock.clone(),
        ids: ids.clone(),
        listener: Some(Arc::new(leases) as Arc<dyn UpstreamListener>),
        environment: std::env::vars_os().collect(),
    };
    // What the tools are is read by control-planes.
    manifests.keep_fresh(&process, |_| async {});
    let capacity = config.worker.max_calls;
    let worker = Arc::new(Worker::build(config.worker.clone(), deps, &process)?);
    let node = node(
        Role::Worker,
        config.advertise.as_deref(),
        listener.addr(),
        capacity,
        &*clock,
        &*ids,
    )?;
    let server = WorkerServer::new(
        worker.clone() as Arc<dyn Execute>,
        worker.clone() as Arc<dyn Workers>,
        node.capacity,
        &process,
    );
    let follower = Following {
        known: AtomicI64::new(0),
        load: server.load(),
        leaves: leaves.clone(),
    };
    let control_planes = control_planes(&config.control_planes, &trust)?;
    follow(
        node.clone(),
        Arc::new(follower),
        control_planes,
        &trust,
        &process,
    );
    process.tasks.disposable("leave", {
        let (server, shutdown) = (server.clone(), process.shutdown.clone());
        async move {
            tokio::select! {
                () = leaves.draining() => server.drain(),
                () = shutdown.ending() => {}
            }
            Ok(())
        }
    });

    let ready = ReadyFile::prepare(config.ready_file.clone());
    let addresses = [("address", listener.addr()), ("admin", admin.addr())];
    let port = Port {
        router: web::Observer::new(&process, ids).observe(server.router(&trust)),
        listener,
        trust: Some(trust),
    };
    let serving = serve(vec![port], admin, &config.http, &process);
    drop(starting);
    announce(&ready, &node, &addresses)?;
    tracing::info!(node = node.id, address = node.address, "ready");
    let ended = life.last(serving, worker.close()).await;
    drop(ready);
    ended
}

/// A worker holds no configuration of its own: what changed it learns with the next call.
struct Following {
    known: AtomicI64,
    load: Load,
    /// Whether gateways should go elsewhere.
    leaves: Shutdown,
}

impl Follower for Following {
    fn known(&self) -> i64 {
        self.known.load(Ordering::Acquire)
    }

    fn apply(&self, changes: Changes) -> BoxFuture<'_, ()> {
        self.known.fetch_max(changes.revision, Ordering::AcqRel);
        Box::pin(async {})
    }

    fn retry(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn workers(&self, _workers: Vec<WorkerAddress>) {}

    fn report(&self) -> NodeReport {
        NodeReport {
            enforced: self.known(),
            load: self.load.current(),
            draining: self.leaves.is_draining(),
        }
    }
}
