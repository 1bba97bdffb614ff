//! `turnbuckle control-plane`: owns tenants, connectors and credentials of a cluster.

pub(in crate::roles) mod config;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use bus::{Bus, LocalBus, NatsBus};
use control_plane::{ClusterDeps, ControlPlane};
use crypto::{KeyHasher, RootKey, TokenSealer};
use fabric::{Cluster, ConfigSource, Leases, Role, UpstreamListener, Workers};
use fabric_grpc::config::ConfigServer;
use fabric_grpc::trust::Trust;
use fabric_grpc::{LeaseServer, PoolConfig, WorkerPool};
use oauth::{Limits, TokenEndpoint};
use runtime::{Clock, IdGen, Process, SystemClock, TimeOrderedIds};
use storage::{Storage, StorageConfig};
use web::HostPolicy;

use super::files::{ReadyFile, write_private};
use super::life::{Life, Port, say_not_ready, serve};
use super::manifests::Manifests;
use super::node::{RoleArgs, announce, keep_certificates, node, play, read_secret};
use super::public_url::settle_public_url;
use super::traces::traced;
use config::Config;

/// Flags of a control-plane.
#[derive(Debug, clap::Args)]
pub(crate) struct ControlPlaneArgs {
    #[command(flatten)]
    role: RoleArgs,
    /// Make another platform key and write it to `admin_key_file`, for when all of them were lost.
    #[arg(long)]
    new_admin_key: bool,
}

/// Runs a control-plane until it is told to end.
pub(crate) fn control_plane(args: &ControlPlaneArgs) -> ExitCode {
    play(&args.role, |config| run(config, args.new_admin_key))
}

async fn run(mut config: Config, new_admin_key: bool) -> anyhow::Result<()> {
    let (life, process, leaves) = Life::begin(config.http.drain, config.leave_notice)?;
    let starting = process.readiness.latch("starting");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let process = traced(
        process,
        &config.telemetry,
        "turnbuckle-control-plane",
        &config.name(),
        &clock,
    )?;
    let ids: Arc<dyn IdGen> = Arc::new(TimeOrderedIds);
    let trust = Trust::load(
        &config.trust,
        Role::ControlPlane,
        &config.name(),
        clock.clone(),
    )?;
    trust.check(config.fabric_listen)?;
    let listener = web::bind(config.listen, "listen")?;
    settle_public_url(
        &mut config.control_plane,
        &mut config.allowed_hosts,
        listener.addr(),
    );
    let grpc = web::bind(config.grpc_listen, "grpc_listen")?;
    let fabric = web::bind(config.fabric_listen, "fabric_listen")?;
    let admin = web::bind(config.admin_listen, "admin_listen")?;
    ReadyFile::check(config.ready_file.as_deref())?;

    let root = Arc::new(root_key(&config)?);
    let database = StorageConfig::Postgres {
        url: read_secret(&config.database_url_file)?,
        patience: config.database_patience,
    };
    let storage = Storage::open(&database, root.clone());
    let storage = storage.await.context("open the database")?;
    let hasher = KeyHasher::new(&root);
    let manifests = Manifests::open(&config.manifests, &process)?;
    let control_plane = ControlPlane::build(
        config.control_plane.clone(),
        control_plane::Deps {
            storage: storage.clone(),
            hasher: Arc::new(KeyHasher::new(&root)),
            catalog: manifests.catalog(),
            tokens: TokenEndpoint::new(
                egress::Client::new(&config.egress)?,
                Limits::default(),
                clock.clone(),
            ),
            clock: clock.clone(),
            ids: ids.clone(),
        },
        &process,
    )?;
    let node = node(
        Role::ControlPlane,
        config.advertise.as_deref(),
        fabric.addr(),
        0,
        &*clock,
        &*ids,
    )?;
    let nodes = Arc::new(control_plane.join(ClusterDeps {
        node: node.clone(),
        bus: bus(&config, &process).await?,
        hashing_key: hasher.into_key(),
        sealing_key: TokenSealer::new(&root, "mcp session").into_key(),
    }));
    let workers = WorkerPool::new(PoolConfig::default(), &trust);
    workers.measure(&process.metrics);
    follow_workers(&workers, nodes.as_ref(), &process);
    control_plane.attach_workers(Arc::new(workers) as Arc<dyn Workers>, Some(&node))?;
    bootstrap(&control_plane, &config, new_admin_key).await?;
    manifests.keep_fresh(&process, {
        let control_plane = control_plane.clone();
        move |changed| {
            let control_plane = control_plane.clone();
            async move { control_plane.manifests_changed(&changed).await }
        }
    });

    let sources = Arc::new(control_plane.sources());
    let line = ConfigServer::new(
        sources.clone() as Arc<dyn ConfigSource>,
        nodes as Arc<dyn Cluster>,
        process.clone(),
    );
    let leases = LeaseServer::new(
        sources.clone() as Arc<dyn Leases>,
        sources as Arc<dyn UpstreamListener>,
    );
    keep_certificates(&trust, &process);

    let hosts = HostPolicy::new(
        listener.addr(),
        &config.allowed_hosts,
        &config.allowed_origins,
    );
    let observer = web::Observer::new(&process, ids);
    let public = control_plane.router().fallback(web::not_found);
    let for_nodes = line.router(&trust).merge(leases.router(&trust));
    let ready = ReadyFile::prepare(config.ready_file.clone());
    let addresses = [
        ("address", listener.addr()),
        ("grpc", grpc.addr()),
        ("fabric", fabric.addr()),
        ("admin", admin.addr()),
    ];
    let port = |listener, router, trust| Port {
        listener,
        router: observer.observe(router),
        trust,
    };
    let ports = vec![
        port(listener, hosts.guard(public), None),
        port(grpc, control_plane.grpc_router().await?, None),
        port(fabric, for_nodes, Some(trust)),
    ];
    let serving = serve(ports, admin, &config.http, &process);
    drop(starting);
    process
        .tasks
        .disposable("leave", say_not_ready(leaves, process.clone()));
    announce(&ready, &node, &addresses)?;
    tracing::info!(node = node.id, address = node.address, "ready");
    let ended = life.last(serving, async {}).await;
    storage.close().await;
    drop(ready);
    ended
}

/// The root key; never made here, where another control-plane may have one already.
fn root_key(config: &Config) -> anyhow::Result<RootKey> {
    RootKey::read(&config.root_key_file)
        .context("`turnbuckle root-key PATH` makes one; every control-plane needs the same")
}

async fn bus(config: &Config, process: &Process) -> anyhow::Result<Arc<dyn Bus>> {
    match &config.nats {
        Some(nats) => Ok(Arc::new(
            NatsBus::start(nats, &process.tasks, &process.shutdown).await?,
        )),
        None => {
            tracing::info!("without NATS, changes of other control-planes are found by looking");
            Ok(Arc::new(LocalBus::default()))
        }
    }
}

/// Has the control-plane reach the workers that are there.
fn follow_workers(pool: &WorkerPool, nodes: &dyn Cluster, process: &Process) {
    let (pool, mut workers) = (pool.clone(), nodes.workers());
    let shutdown = process.shutdown.clone();
    process.tasks.essential("workers", async move {
        loop {
            pool.set(workers.borrow_and_update().to_vec());
            tokio::select! {
                () = shutdown.ending() => return Ok(()),
                changed = workers.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    });
}

/// Makes the first platform key when there is none, and another when that is asked for.
async fn bootstrap(
    control_plane: &ControlPlane,
    config: &Config,
    anew: bool,
) -> anyhow::Result<()> {
    let path = &config.admin_key_file;
    let keep = |token: &crypto::ApiToken| write_private(path, &format!("{}\n", token.expose()));
    let made = match anew {
        true => Some(control_plane.replace_lost_key(keep).await?),
        false => control_plane.bootstrap(keep).await?,
    };
    if made.is_some() {
        tracing::info!("wrote a new admin key to {}", path.display());
    } else if !path.exists() {
        // Only who made a key knows it: the database has its hash.
        let name = control_plane.oldest_admin_key().await?.unwrap_or_default();
        tracing::info!(
            "no admin key is in {}: there is one, made as {name:?}, in the admin_key_file of the \
             control-plane that made it; --new-admin-key makes another",
            path.display()
        );
    }
    Ok(())
}
