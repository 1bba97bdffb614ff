//! All hosted servers of a worker.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use domain::{ConnectorId, TenantId};
use egress::Deadline;
use fabric::{Failure, FailureKind, ProcessStatus, StderrLine};
use futures_util::future::join_all;
use time::OffsetDateTime;
use tokio::sync::{Notify, Semaphore};

use super::Config;
use super::environment::Inherited;
use super::folders;
use super::metrics::HostedMetrics;
use super::places::Folders;
use super::process::{HostedProcess, Surroundings};
use super::ring::Ring;
use super::server::{Server, Shared, Spec};
use super::sweep::sweep_orphans;

/// Connectors whose past is kept (standard error, restarts) beyond those whose servers run.
const KEPT_AT_REST: usize = 512;

/// Runs the hosted servers of a worker, and keeps what they said last.
///
/// A connector's server may run as several processes at once, its *lanes*, each for callers that
/// must not meet in one. Lane 0 is there for all connectors; what the others left behind is of no
/// interest once they have ended.
pub(crate) struct HostedServers {
    shared: Shared,
    families: Mutex<HashMap<(TenantId, ConnectorId), Family>>,
}

/// The lanes of one connector's server, in their order.
#[derive(Default)]
struct Family {
    ring: Arc<Ring>,
    lanes: BTreeMap<u32, Arc<Server>>,
}

impl Family {
    fn is_at_rest(&self) -> bool {
        self.lanes.values().all(|server| server.is_at_rest())
    }

    fn started_at(&self) -> Option<OffsetDateTime> {
        let lanes = self.lanes.values();
        lanes.filter_map(|server| server.started_at()).max()
    }
}

impl HostedServers {
    /// `environment` is the worker's own; [`Config::inherit`] says what of it hosted servers see.
    ///
    /// Ends what is left of servers whose worker and guard were killed together.
    pub(crate) fn new(
        config: Config,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        process: &runtime::Process,
        clock: Arc<dyn runtime::Clock>,
        ids: Arc<dyn runtime::IdGen>,
    ) -> Self {
        let orphans = sweep_orphans();
        if orphans > 0 {
            tracing::warn!("ended {orphans} processes that an earlier worker left behind");
        }
        let shared = Shared {
            inherited: Inherited::pick(environment, &config.inherit),
            slots: Arc::new(Semaphore::new(
                config.max_processes.min(Semaphore::MAX_PERMITS),
            )),
            ids,
            started: Notify::new(),
            around: Surroundings {
                config: Arc::new(config),
                process: process.clone(),
                clock,
                metrics: HostedMetrics::new(&process.metrics),
            },
        };
        Self {
            shared,
            families: Mutex::default(),
        }
    }

    /// The transport to a lane of a connector's server, which is started when it does not run. Calls that
    /// come together share one start. Another transport than last time is another process: it
    /// knows of no handshake.
    ///
    /// # Errors
    /// - `Unreachable`: it ended a moment ago and is not due yet, or its settings cannot work.
    /// - `Busy`: the worker runs as many as it may, and all are in use.
    /// - `Timeout`: the deadline passed while the process before it was being ended.
    pub(crate) async fn connect(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        lane: u32,
        spec: &Spec,
        deadline: Deadline,
    ) -> Result<Arc<HostedProcess>, Failure> {
        let server = self.server(tenant, connector, lane);
        let first = server.connect(spec, deadline, &self.shared).await;
        match &first {
            Err(failure) if failure.kind == FailureKind::Busy && self.evict(deadline).await => {
                server.connect(spec, deadline, &self.shared).await
            }
            _ => first,
        }
    }

    /// Ends the process that nobody called for the longest time, if that is long enough. Tells
    /// whether there is room now.
    async fn evict(&self, deadline: Deadline) -> bool {
        let unused = self.all().into_iter();
        let unused = unused.filter_map(|server| Some((server.unused_since()?, server)));
        let Some((since, server)) = unused.min_by_key(|(since, _)| *since) else {
            return false;
        };
        if since.elapsed() < self.shared.around.config.evict_after {
            return false;
        }
        let evicted = tokio::time::timeout_at(deadline.instant(), server.evict(since));
        evicted.await.unwrap_or(false)
    }

    /// Of the first lane, or of another that runs when that does not. `None` when no process of
    /// the connector was ever asked for here.
    pub(crate) fn status(&self, tenant: TenantId, connector: ConnectorId) -> Option<ProcessStatus> {
        let lanes = self.lanes(tenant, connector);
        let shown = lanes.iter().find(|server| server.is_up());
        shown.or(lanes.first()).map(|server| server.status())
    }

    /// The newest lines of standard error over all lives and lanes of the server, oldest first.
    pub(crate) fn stderr(&self, tenant: TenantId, connector: ConnectorId) -> Vec<StderrLine> {
        let ring = self
            .lock()
            .get(&(tenant, connector))
            .map(|family| family.ring.clone());
        ring.map(|ring| ring.lines()).unwrap_or_default()
    }

    /// Resolves when a process of the connector runs, in whatever lane. Starts none.
    pub(crate) async fn until_running(&self, tenant: TenantId, connector: ConnectorId) {
        loop {
            let mut started = std::pin::pin!(self.shared.started.notified());
            // Before the look, so that no start is missed.
            started.as_mut().enable();
            let lanes = self.lanes(tenant, connector);
            if lanes.iter().any(|server| server.is_up()) {
                return;
            }
            started.await;
        }
    }

    /// Ends a lane's process because it answers no calls.
    pub(crate) fn give_up(&self, tenant: TenantId, connector: ConnectorId, lane: u32) {
        if let Some(server) = self.find(tenant, connector, lane) {
            server.give_up();
        }
    }

    /// Ends the connector's processes, and resolves when nothing of them is left. What they said
    /// stays readable. The next call starts one again, without back-off.
    pub(crate) async fn release(&self, tenant: TenantId, connector: ConnectorId) {
        release_at_once(&self.lanes(tenant, connector)).await;
    }

    /// As [`release`](Self::release), and removes the connector's private folders and what its
    /// server said.
    pub(crate) async fn forget(&self, tenant: TenantId, connector: ConnectorId) {
        let lanes = self.lanes(tenant, connector);
        release_at_once(&lanes).await;
        // Held until the folders are gone: no process is started in them meanwhile. Taken in the
        // order of the lanes, so that two who do this do not wait for each other.
        let mut gates = Vec::with_capacity(lanes.len());
        for server in &lanes {
            gates.push(server.release().await);
        }
        folders::remove(self.folder(tenant, connector)).await;
        drop(gates);
        let mut families = self.lock();
        let key = (tenant, connector);
        if families.get(&key).is_some_and(Family::is_at_rest) {
            families.remove(&key);
        }
    }

    /// Ends all processes, and resolves when nothing of them is left.
    pub(crate) async fn release_all(&self) {
        release_at_once(&self.all()).await;
    }

    fn all(&self) -> Vec<Arc<Server>> {
        let families = self.lock();
        let lanes = families.values().flat_map(|family| family.lanes.values());
        lanes.cloned().collect()
    }

    fn lanes(&self, tenant: TenantId, connector: ConnectorId) -> Vec<Arc<Server>> {
        let families = self.lock();
        let family = families.get(&(tenant, connector));
        family.map_or_else(Vec::new, |family| family.lanes.values().cloned().collect())
    }

    fn find(&self, tenant: TenantId, connector: ConnectorId, lane: u32) -> Option<Arc<Server>> {
        let families = self.lock();
        families
            .get(&(tenant, connector))?
            .lanes
            .get(&lane)
            .cloned()
    }

    fn server(&self, tenant: TenantId, connector: ConnectorId, lane: u32) -> Arc<Server> {
        let mut families = self.lock();
        let key = (tenant, connector);
        if let Some(server) = families.get(&key).and_then(|known| known.lanes.get(&lane)) {
            return server.clone();
        }
        let most = KEPT_AT_REST + self.shared.around.config.max_processes;
        if !families.contains_key(&key) && families.len() >= most {
            let at_rest = families.iter().filter(|(_, family)| family.is_at_rest());
            let oldest = at_rest
                .min_by_key(|(_, family)| family.started_at())
                .map(|(key, _)| *key);
            oldest.and_then(|key| families.remove(&key));
        }
        let folders = Folders::of(&self.folder(tenant, connector), lane);
        let family = families.entry(key).or_default();
        family
            .lanes
            .retain(|lane, server| *lane == 0 || !server.is_at_rest());
        let server = Arc::new(Server::new(connector, folders, family.ring.clone()));
        family.lanes.insert(lane, server.clone());
        server
    }

    /// Where a connector has its private folders.
    fn folder(&self, tenant: TenantId, connector: ConnectorId) -> PathBuf {
        let state_dir = &self.shared.around.config.state_dir;
        let tenant = state_dir.join(tenant.to_string());
        tenant.join(connector.to_string())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(TenantId, ConnectorId), Family>> {
        self.families.lock().expect("no panic while held")
    }
}

/// Ends the processes of all of them together.
async fn release_at_once(servers: &[Arc<Server>]) {
    join_all(
        servers
            .iter()
            .map(|server| async { drop(server.release().await) }),
    )
    .await;
}
