//! All hosted servers of a worker.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{Arc, Mutex};

use domain::{ConnectorId, TenantId};
use egress::Deadline;
use fabric::{Failure, FailureKind, ProcessStatus, StderrLine};
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::Config;
use super::environment::Inherited;
use super::metrics::HostedMetrics;
use super::process::{HostedProcess, Surroundings};
use super::server::{Server, Shared, Spec};
use super::sweep::sweep_orphans;

/// Servers whose past is kept (standard error, restarts) beyond those that run.
const KEPT_AT_REST: usize = 512;

/// Runs the hosted servers of a worker, and keeps what they said last.
pub(crate) struct HostedServers {
    shared: Shared,
    servers: Mutex<HashMap<(TenantId, ConnectorId), Arc<Server>>>,
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
            around: Surroundings {
                config: Arc::new(config),
                process: process.clone(),
                clock,
                metrics: HostedMetrics::new(&process.metrics),
            },
        };
        Self {
            shared,
            servers: Mutex::default(),
        }
    }

    /// The transport to a connector's server, which is started when it does not run. Calls that
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
        spec: &Spec,
        deadline: Deadline,
    ) -> Result<Arc<HostedProcess>, Failure> {
        let server = self.server(tenant, connector);
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
        let unused = self
            .lock()
            .values()
            .cloned()
            .collect::<Vec<_>>()
            .into_iter();
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

    /// `None` when no process of the connector was ever asked for here.
    pub(crate) fn status(&self, tenant: TenantId, connector: ConnectorId) -> Option<ProcessStatus> {
        self.find(tenant, connector).map(|server| server.status())
    }

    /// The newest lines of standard error over all lives of the server, oldest first.
    pub(crate) fn stderr(&self, tenant: TenantId, connector: ConnectorId) -> Vec<StderrLine> {
        self.find(tenant, connector)
            .map(|server| server.ring.lines())
            .unwrap_or_default()
    }

    /// Ends the connector's process because it answers no calls.
    pub(crate) fn give_up(&self, tenant: TenantId, connector: ConnectorId) {
        if let Some(server) = self.find(tenant, connector) {
            server.give_up();
        }
    }

    /// Ends the connector's process, and resolves when nothing of it is left. What it said stays
    /// readable. The next call starts it again, without back-off.
    pub(crate) async fn release(&self, tenant: TenantId, connector: ConnectorId) {
        if let Some(server) = self.find(tenant, connector) {
            server.release().await;
        }
    }

    /// As [`release`](Self::release), and removes the connector's private folders and what its
    /// server said.
    pub(crate) async fn forget(&self, tenant: TenantId, connector: ConnectorId) {
        let server = self.server(tenant, connector);
        server.forget().await;
        let mut servers = self.lock();
        let is_it = |known: &Arc<Server>| Arc::ptr_eq(known, &server) && server.is_at_rest();
        if servers.get(&(tenant, connector)).is_some_and(is_it) {
            servers.remove(&(tenant, connector));
        }
    }

    /// Ends all processes, and resolves when nothing of them is left.
    pub(crate) async fn release_all(&self) {
        let servers: Vec<Arc<Server>> = self.lock().values().cloned().collect();
        join_all(servers.iter().map(|server| server.release())).await;
    }

    fn find(&self, tenant: TenantId, connector: ConnectorId) -> Option<Arc<Server>> {
        self.lock().get(&(tenant, connector)).cloned()
    }

    fn server(&self, tenant: TenantId, connector: ConnectorId) -> Arc<Server> {
        let mut servers = self.lock();
        if let Some(server) = servers.get(&(tenant, connector)) {
            return server.clone();
        }
        if servers.len() >= KEPT_AT_REST + self.shared.around.config.max_processes {
            let at_rest = servers.iter().filter(|(_, server)| server.is_at_rest());
            let oldest = at_rest
                .min_by_key(|(_, server)| server.started_at())
                .map(|(key, _)| *key);
            oldest.and_then(|key| servers.remove(&key));
        }
        let state_dir = &self.shared.around.config.state_dir;
        let folder = state_dir
            .join(tenant.to_string())
            .join(connector.to_string());
        let server = Arc::new(Server::new(connector, folder));
        servers.insert((tenant, connector), server.clone());
        server
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(TenantId, ConnectorId), Arc<Server>>> {
        self.servers.lock().expect("no panic while held")
    }
}
