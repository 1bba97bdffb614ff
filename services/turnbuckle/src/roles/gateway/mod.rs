//! `turnbuckle gateway`: the MCP edge of a cluster.

pub(in crate::roles) mod config;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crypto::{KeyHasher, TokenSealer};
use fabric::{ConfigSource, Execute, Role};
use fabric_grpc::config::{Follower, GatewayConfig, GatewayConfigLimits, LastGood};
use fabric_grpc::trust::Trust;
use fabric_grpc::{PoolConfig, WorkerPool};
use gateway::Gateway;
use runtime::{Clock, IdGen, SystemClock, TimeOrderedIds};
use web::HostPolicy;

use super::files::ReadyFile;
use super::life::{Life, Port, say_not_ready, serve};
use super::node::{RoleArgs, announce, control_planes, follow, node, play};
use super::traces::traced;
use config::Config;

/// How long a start waits for the store of sessions.
const STORE_PATIENCE: Duration = Duration::from_secs(1);

/// Runs a gateway until it is told to end.
pub(crate) fn gateway(args: &RoleArgs) -> ExitCode {
    play(args, run)
}

async fn run(config: Config) -> anyhow::Result<()> {
    let (life, process, leaves) = Life::begin(config.http.drain, config.leave_notice)?;
    let starting = process.readiness.latch("starting");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let process = traced(
        process,
        &config.telemetry,
        "turnbuckle-gateway",
        &config.name(),
        &clock,
    )?;
    let ids: Arc<dyn IdGen> = Arc::new(TimeOrderedIds);
    let trust = Trust::load(&config.trust, Role::Gateway, &config.name(), clock.clone())?;
    let listener = web::bind(config.listen, "listen")?;
    let admin = web::bind(config.admin_listen, "admin_listen")?;
    ReadyFile::check(config.ready_file.as_deref())?;
    let last_good = LastGood::open(&config.state_dir)?;

    let workers = Arc::new(WorkerPool::new(PoolConfig::default(), &trust));
    workers.measure(&process.metrics);
    let control_planes = control_planes(&config.control_planes, &trust)?;
    let limits = GatewayConfigLimits {
        tenants: config.gateway.tenants_cached,
        ..GatewayConfigLimits::default()
    };
    let (source, keys) = GatewayConfig::start(
        control_planes.clone(),
        last_good,
        workers.clone(),
        limits,
        config.start_patience,
        &process,
    )
    .await?;
    let node = node(
        Role::Gateway,
        config.advertise.as_deref(),
        listener.addr(),
        0,
        &*clock,
        &*ids,
    )?;
    let follower = source.clone() as Arc<dyn Follower>;
    follow(node.clone(), follower, control_planes, &trust, &process);

    // Before that it could not tell whether a worker that holds a call has gone.
    let _ = tokio::time::timeout(config.start_patience, workers.known()).await;

    let cache = config.cache(&process, &ids)?;
    // Nor would other gateways find what its first clients begin here.
    if !cache.reached(STORE_PATIENCE).await {
        tracing::warn!("Redis cannot be reached yet: sessions are this gateway's alone until then");
    }

    let deps = gateway::Deps {
        source: source.clone() as Arc<dyn ConfigSource>,
        workers: workers as Arc<dyn Execute>,
        cache,
        hasher: KeyHasher::with_key(keys.hashing),
        sealer: TokenSealer::with_key(keys.sealing),
        clock,
        ids: ids.clone(),
    };
    let gateway = Gateway::build(config.gateway.clone(), deps, &process)?;
    let measured = gateway.clone();
    source.measure(move || measured.in_flight());
    let hosts = HostPolicy::new(
        listener.addr(),
        &config.allowed_hosts,
        &config.allowed_origins,
    );
    let observer = web::Observer::new(&process, ids).quiet_on(&Gateway::ROUTES);
    let router = gateway.router().fallback(web::not_found);

    let ready = ReadyFile::prepare(config.ready_file.clone());
    let addresses = [("address", listener.addr()), ("admin", admin.addr())];
    let port = Port {
        listener,
        router: observer.observe(hosts.guard(router)),
        trust: None,
    };
    let serving = serve(vec![port], admin, &config.http, &process);
    drop(starting);
    process
        .tasks
        .disposable("leave", say_not_ready(leaves, process.clone()));
    announce(&ready, &node, &addresses)?;
    tracing::info!(node = node.id, address = node.address, "ready");
    let ended = life.last(serving, async {}).await;
    drop(ready);
    ended
}
