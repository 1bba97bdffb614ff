//! The recipe of the process: ports, data, services, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use cache::Cache;
use catalog::Catalog;
use control_plane::{ControlPlane, Sources};
use crypto::{KeyHasher, RootKey, TokenSealer};
use fabric::{ConfigSource, Execute, Leases, UpstreamListener, Workers};
use gateway::Gateway;
use oauth::{Limits, TokenEndpoint};
use runtime::{Clock, IdGen, Process, SystemClock, TimeOrderedIds};
use storage::{Storage, StorageConfig};
use web::{HostPolicy, Listener, Observer};

use super::config::Config;
use super::data::DataDir;
use super::greeting::Addresses;
use super::start_page;
use crate::roles::files::{ReadyFile, write_private};
use crate::roles::life::{self, Life, Port};
use crate::roles::manifests::Manifests;
use crate::roles::public_url::settle_public_url;
use crate::roles::traces::traced;

/// Runs the platform until a signal ends it.
pub(super) async fn run(mut config: Config, new_admin_key: bool) -> anyhow::Result<()> {
    let (life, process, _) = Life::begin(config.http.drain, Duration::ZERO)?;
    let starting = process.readiness.latch("starting");
    let ports = Ports::bind(&config)?;
    settle_public_url(
        &mut config.control_plane,
        &mut config.allowed_hosts,
        ports.public.addr(),
    );

    ReadyFile::check(config.ready_file.as_deref())?;
    let data = DataDir::open(&config.data_dir)?;
    let root = data.root_key()?;
    let storage = StorageConfig::Sqlite {
        path: data.database(),
    };
    let storage = Storage::open(&storage, root.clone())
        .await
        .context("open the database")?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let process = traced(
        process,
        &config.telemetry,
        "turnbuckle-up",
        &config.listen.to_string(),
        &clock,
    )?;
    let ids: Arc<dyn IdGen> = Arc::new(TimeOrderedIds);
    let parts = Parts {
        root,
        storage: storage.clone(),
        clock,
        ids: ids.clone(),
        process: &process,
    };
    let services = parts.build(&config).await?;
    services.bootstrap(&data, new_admin_key).await?;
    // Not before the database is ours: what lies there may be of a platform that runs.
    let ready_files = [config.ready_file.clone(), Some(data.addresses())].map(ReadyFile::prepare);

    let addresses = ports.addresses();
    let worker = services.worker.clone();
    let observer = Observer::new(&process, ids).quiet_on(&Gateway::ROUTES);
    let serving = ports.serve(services, &config, observer, &process);

    drop(starting);
    addresses.announce(&data, &ready_files)?;
    addresses.greet(&data)?;
    tracing::info!(listen = %addresses.public, "ready");

    let ended = life.last(serving, worker.close()).await;
    storage.close().await;
    drop(ready_files);
    ended
}

/// Ports, bound before anything else is touched: one that is taken ends the start at once.
struct Ports {
    public: Listener,
    admin: Listener,
    grpc: Listener,
}

impl Ports {
    fn bind(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            public: web::bind(config.listen, "--listen")?,
            admin: web::bind(config.admin_listen, "--admin-listen")?,
            grpc: web::bind(config.grpc_listen, "--grpc-listen")?,
        })
    }

    fn addresses(&self) -> Addresses {
        let (public, admin) = (self.public.addr(), self.admin.addr());
        Addresses {
            public,
            admin,
            grpc: self.grpc.addr(),
        }
    }

    /// Serves until the process drains and requests under way have ended.
    async fn serve(
        self,
        services: Services,
        config: &Config,
        observer: Observer,
        process: &Process,
    ) {
        let hosts = HostPolicy::new(
            self.public.addr(),
            &config.allowed_hosts,
            &config.allowed_origins,
        );
        let routes = services.gateway.router();
        let routes = routes
            .merge(services.control_plane.router())
            .merge(start_page::router())
            .fallback(web::not_found);
        let public = observer.observe(hosts.guard(routes));
        let grpc = observer.observe(services.grpc);
        let port = |listener, router| Port {
            listener,
            router,
            trust: None,
        };
        let ports = vec![port(self.public, public), port(self.grpc, grpc)];
        life::serve(ports, self.admin, &config.http, process).await;
    }
}

/// What services are built from.
struct Parts<'a> {
    root: Arc<RootKey>,
    storage: Storage,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdGen>,
    process: &'a Process,
}

/// The services, joined.
struct Services {
    control_plane: ControlPlane,
    gateway: Gateway,
    worker: Arc<connector_worker::Worker>,
    grpc: Router,
}

impl Parts<'_> {
    async fn build(self, config: &Config) -> anyhow::Result<Services> {
        let manifests = Manifests::open(&config.manifests, self.process)?;
        let egress = egress::Client::new(&config.egress()?)?;
        let control_plane = ControlPlane::build(
            config.control_plane.clone(),
            control_plane::Deps {
                storage: self.storage.clone(),
                hasher: Arc::new(KeyHasher::new(&self.root)),
                catalog: manifests.catalog(),
                tokens: TokenEndpoint::new(egress.clone(), Limits::default(), self.clock.clone()),
                clock: self.clock.clone(),
                ids: self.ids.clone(),
            },
            self.process,
        )?;
        let sources = Arc::new(control_plane.sources());
        let worker = Arc::new(self.worker(config, &sources, manifests.catalog(), egress)?);
        control_plane.attach_workers(worker.clone() as Arc<dyn Workers>, None)?;
        manifests.keep_fresh(self.process, {
            let control_plane = control_plane.clone();
            move |changed| {
                let control_plane = control_plane.clone();
                async move { control_plane.manifests_changed(&changed).await }
            }
        });

        let deps = gateway::Deps {
            source: sources as Arc<dyn ConfigSource>,
            workers: worker.clone() as Arc<dyn Execute>,
            cache: Cache::local(&config.gateway.cache_limits()),
            hasher: KeyHasher::new(&self.root),
            sealer: TokenSealer::new(&self.root, "mcp session"),
            clock: self.clock,
            ids: self.ids,
        };
        let gateway = Gateway::build(config.gateway.clone(), deps, self.process)?;
        let grpc = control_plane.grpc_router().await?;
        Ok(Services {
            control_plane,
            gateway,
            worker,
            grpc,
        })
    }

    fn worker(
        &self,
        config: &Config,
        sources: &Arc<Sources>,
        catalog: Arc<Catalog>,
        egress: egress::Client,
    ) -> anyhow::Result<connector_worker::Worker> {
        let deps = connector_worker::Deps {
            leases: sources.clone() as Arc<dyn Leases>,
            catalog,
            egress,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            listener: Some(sources.clone() as Arc<dyn UpstreamListener>),
            environment: std::env::vars_os().collect(),
        };
        connector_worker::Worker::build(config.worker.clone(), deps, self.process)
    }
}

impl Services {
    /// Makes the first platform key when there is none, and another when that is asked for.
    async fn bootstrap(&self, data: &DataDir, anew: bool) -> anyhow::Result<()> {
        let path = data.admin_key();
        let keep =
            |token: &crypto::ApiToken| write_private(&path, &format!("{}\n", token.expose()));
        let made = match anew {
            true => Some(self.control_plane.replace_lost_key(keep).await?),
            false => self.control_plane.bootstrap(keep).await?,
        };
        if made.is_some() {
            tracing::info!("wrote a new admin key to {}", path.display());
        } else if !path.exists() {
            tracing::warn!(
                "{} is missing: --new-admin-key makes another key",
                path.display()
            );
        }
        Ok(())
    }
}
