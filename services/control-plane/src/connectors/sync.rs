//! Readings of connectors' tools: on demand, at start, and now and then. At most one at a time for
//! a connector, and a bounded number at all.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ::fabric::Listing;
use domain::{
    Action, Connector, ConnectorId, ConnectorKind, Principal, SyncState, Tenant, TenantId,
    TenantState,
};
use futures_util::{StreamExt, stream};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use runtime::{IdGen, Metrics, TimeOrderedIds};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::secrets::redact;
use super::told;
use super::view::ConnectorView;
use crate::enforcement;
use crate::error::Error;
use crate::operations::Operations;
use crate::tenants::CHUNK;

/// Characters of a failure that are kept.
const REASON_MAX_LENGTH: usize = 500;

/// How often it is looked whether another control-plane has read what it reads.
const ELSEWHERE_EVERY: Duration = Duration::from_millis(200);

/// How a reading ended: the revision of what it changed, or words for an administrator when badly.
pub(crate) type Ended = Result<Option<i64>, String>;
/// Tells how a reading ended, once it has.
pub(crate) type Ending = watch::Receiver<Option<Ended>>;

/// How a reading ended, as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
}

/// The readings under way.
#[derive(Debug)]
pub(crate) struct Syncs {
    slots: Arc<Semaphore>,
    at_once: usize,
    ended: Family<Labels, Counter>,
    flights: Mutex<HashMap<ConnectorId, Flight>>,
    /// Readings that this process has begun.
    begun: AtomicU64,
}

/// The reading of one connector.
#[derive(Debug)]
struct Flight {
    ending: Ending,
    /// Whether the upstream is being asked already, so that a change made now may be missed.
    asked: bool,
    /// Wanted since: another reading after this one.
    next: Option<(watch::Sender<Option<Ended>>, Ending)>,
}

impl Syncs {
    pub(crate) fn new(at_once: usize, metrics: &Metrics) -> Self {
        let slots = Arc::new(Semaphore::new(at_once));
        Self {
            slots,
            at_once,
            ended: metrics.register(
                "control_plane_syncs",
                "Readings of connectors' tools that ended, by outcome",
                Family::default(),
            ),
            flights: Mutex::default(),
            begun: AtomicU64::new(0),
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<ConnectorId, Flight>> {
        self.flights.lock().expect("no panic while held")
    }

    /// Joins the reading of a connector that has not asked the upstream yet, or queues one behind
    /// one that has. A sender is returned when the caller must start it.
    fn join(&self, connector: ConnectorId) -> (Ending, Option<watch::Sender<Option<Ended>>>) {
        let mut flights = self.flights();
        if let Some(flight) = flights.get_mut(&connector)
            // Its sender is gone only when its task was.
            && flight.ending.has_changed().is_ok()
        {
            let ending = if flight.asked {
                flight
                    .next
                    .get_or_insert_with(|| watch::channel(None))
                    .1
                    .clone()
            } else {
                flight.ending.clone()
            };
            return (ending, None);
        }
        let (sender, ending) = watch::channel(None);
        let flight = Flight {
            ending: ending.clone(),
            asked: false,
            next: None,
        };
        flights.insert(connector, flight);
        (ending, Some(sender))
    }

    fn asking(&self, connector: ConnectorId) {
        if let Some(flight) = self.flights().get_mut(&connector) {
            flight.asked = true;
        }
    }

    /// Ends a reading; returns the sender of the one that is wanted next.
    fn end(
        &self,
        connector: ConnectorId,
        sender: &watch::Sender<Option<Ended>>,
        ended: Ended,
    ) -> Option<watch::Sender<Option<Ended>>> {
        let mut flights = self.flights();
        sender.send_replace(Some(ended));
        let next = flights.get_mut(&connector).and_then(|flight| {
            let (sender, ending) = flight.next.take()?;
            flight.ending = ending;
            flight.asked = false;
            Some(sender)
        });
        if next.is_none() {
            flights.remove(&connector);
        }
        next
    }
}

impl Operations {
    /// Reads the connector's tools anew and waits for the end of it.
    ///
    /// # Errors
    /// `UpstreamFailed`; the tools known before are kept then.
    pub async fn sync_tools(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
    ) -> Result<ConnectorView, Error> {
        let (tenant, connector) = self
            .connector_for(caller, tenant, connector, Action::ManageTenant)
            .await?;
        let native = matches!(connector.kind, ConnectorKind::Native { .. });
        if !native {
            check_runs(&tenant, &connector)?;
            self.workers()?;
        }
        self.sync(tenant.id, connector.id)
            .await
            .map_err(Error::UpstreamFailed)?;
        self.get_connector(caller, tenant.slug.as_str(), connector.slug.as_str())
            .await
    }

    /// Has the tools read and waits for the end.
    pub(crate) async fn sync(&self, tenant: TenantId, connector: ConnectorId) -> Ended {
        self.synced(self.request_sync(tenant, connector)).await
    }

    /// Waits for the end of a reading.
    pub(crate) async fn synced(&self, mut ending: Ending) -> Ended {
        let broken = || Err("the reading was broken off".to_owned());
        let ended = match ending.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().unwrap_or_else(broken),
            Err(_) => broken(),
        };
        // It ran in a task of its own.
        if let Ok(Some(revision)) = ended {
            enforcement::note(revision);
        }
        ended
    }

    /// Has the tools read in the background. Wait for what it returns with [`Self::synced`], not
    /// with another [`Self::sync`]: that would read them twice, were this reading under way then.
    pub(crate) fn request_sync(&self, tenant: TenantId, connector: ConnectorId) -> Ending {
        let (ending, start) = self.syncs().join(connector);
        if let Some(sender) = start {
            let this = self.clone();
            self.process().tasks.disposable("tool sync", async move {
                this.run_syncs(tenant, connector, sender).await;
                Ok(())
            });
        }
        ending
    }

    /// Reads one connector as often as it is wanted.
    async fn run_syncs(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        sender: watch::Sender<Option<Ended>>,
    ) {
        let mut sender = Some(sender);
        while let Some(current) = sender.take() {
            let reading = async {
                let _slot = self.syncs().slots.acquire().await;
                self.syncs().asking(connector);
                self.read_tools(tenant, connector).await
            };
            let ended = tokio::select! {
                biased;
                ended = reading => ended,
                // What is still pending then is read at the next start.
                () = self.process().shutdown.draining() => Err("the process is ending".to_owned()),
            };
            let outcome = if ended.is_ok() { "ok" } else { "failed" };
            let counted = &self.syncs().ended;
            counted.get_or_create(&Labels { outcome }).inc();
            sender = self.syncs().end(connector, &current, ended);
        }
    }

    /// Reads the tools now, and writes what came of it.
    pub(crate) async fn read_tools(&self, tenant: TenantId, connector: ConnectorId) -> Ended {
        let result = self.try_read_tools(tenant, connector).await;
        result.unwrap_or_else(|error| {
            tracing::warn!(tenant.id = %tenant, connector.id = %connector, "tool sync: {error}");
            Err("its tools could not be stored".to_owned())
        })
    }

    async fn try_read_tools(&self, tenant: TenantId, id: ConnectorId) -> Result<Ended, Error> {
        let owner = self.storage().find_tenant_by_id(tenant).await;
        let owner = owner.map_err(Error::storage("find a tenant"))?;
        let rows = self.storage().tenant(tenant);
        let found = rows.find_connector_by_id(id).await;
        let found = found.map_err(Error::storage("find a connector"))?;
        let (Some(owner), Some(connector)) = (owner, found) else {
            return Ok(Err("the connector is gone".to_owned()));
        };
        let mut reading = None;
        let read = match &connector.kind {
            ConnectorKind::Native { catalog, .. } => match self.catalog().tools(catalog) {
                Some(tools) => Ok(Listing {
                    tools,
                    server: self.catalog().server(catalog),
                }),
                None => Err(format!(
                    "there is no manifest of a connector {catalog:?}: neither in this version of \
                     Turnbuckle nor in the folder of manifests"
                )),
            },
            _ if !connector.enabled || owner.state != TenantState::Active => {
                return Ok(Err("the connector is disabled".to_owned()));
            }
            _ => {
                let begun = rows.begin_reading(id, self.next_reading()).await;
                reading = Some(begun.map_err(Error::storage("note a reading"))?);
                self.ask_upstream(&connector).await?
            }
        };
        let revision = match &read {
            Ok(Listing { tools, server }) => {
                let tools = told::usable(&connector, tools);
                let server = server
                    .as_ref()
                    .and_then(|info| told::within_bounds(&connector, info));
                let (server, now) = (server.as_ref(), self.now());
                let replaced = match &reading {
                    Some(reading) => reading.succeeded(&tools, server, now).await,
                    None => rows.replace_tools(id, &tools, server, now).await,
                };
                replaced.map(|replaced| {
                    told::warn_of_changes(&connector, &replaced);
                    replaced.revision
                })
            }
            Err(reason) => {
                let noted = match &reading {
                    Some(reading) => reading.failed(reason, self.now()).await,
                    None => rows.sync_failed(id, reason, self.now()).await,
                };
                noted.map(Some)
            }
        };
        // Another control-plane has begun one since, which sees what is newer.
        if let Err(storage::StorageError::VersionMismatch) = revision {
            return self.read_elsewhere(tenant, id).await;
        }
        // A reading that found what is known concerns nobody.
        let revision = revision.map_err(Error::storage("store tools"))?;
        if let Some(revision) = revision {
            self.tenant_changed(&owner, revision);
        }
        Ok(read.map(|_| revision))
    }

    /// Another than those of this process, and than those of others.
    fn next_reading(&self) -> Uuid {
        let (run, _) = self.own_run();
        let number = self.syncs().begun.fetch_add(1, Ordering::Relaxed);
        Uuid::from_u128(run.as_u128() ^ u128::from(number))
    }

    /// Waits for the reading of another control-plane, no longer than one may take.
    async fn read_elsewhere(&self, tenant: TenantId, id: ConnectorId) -> Result<Ended, Error> {
        let rows = self.storage().tenant(tenant);
        let until = Instant::now() + self.config().sync_deadline;
        while Instant::now() < until {
            let found = rows.find_connector_by_id(id).await;
            let found = found.map_err(Error::storage("find a connector"))?;
            let Some(connector) = found else {
                return Ok(Err("the connector is gone".to_owned()));
            };
            match connector.sync.state {
                SyncState::Pending => tokio::time::sleep(ELSEWHERE_EVERY).await,
                SyncState::Ok => return Ok(Ok(None)),
                SyncState::Failed => {
                    let why = connector.sync.error.unwrap_or_default();
                    return Ok(Err(why));
                }
            }
        }
        Ok(Err(
            "another control-plane reads them, and does not end".to_owned()
        ))
    }

    async fn ask_upstream(&self, connector: &Connector) -> Result<Result<Listing, String>, Error> {
        let workers = self.workers()?;
        let asked = workers.list_tools(connector.tenant, connector.id, connector.version);
        let deadline = self.config().sync_deadline;
        let reason = match tokio::time::timeout(deadline, asked).await {
            Ok(Ok(listing)) => return Ok(Ok(listing)),
            Ok(Err(failure)) => failure.message,
            Err(_) => format!("its tools did not come within {} s", deadline.as_secs()),
        };
        let reason = redact(&reason, &self.secrets_of(connector).await?);
        Ok(Err(reason.chars().take(REASON_MAX_LENGTH).collect()))
    }

    /// Reads what is missing at the start, then every MCP server now and then.
    pub(crate) async fn keep_tools_fresh(&self) -> anyhow::Result<()> {
        let shutdown = &self.process().shutdown;
        let mut at_start = true;
        loop {
            tokio::select! {
                biased;
                () = shutdown.draining() => return Ok(()),
                gone_through = self.sync_all(at_start) => {
                    if let Err(error) = gone_through {
                        tracing::warn!("cannot go through all connectors: {error}");
                    }
                }
            }
            at_start = false;
            tokio::select! {
                biased;
                () = shutdown.draining() => return Ok(()),
                () = tokio::time::sleep(self.sync_pause()) => {}
            }
        }
    }

    /// The interval, give or take a tenth, so that nodes started together do not stay together.
    fn sync_pause(&self) -> Duration {
        let interval = self.config().sync_interval;
        // Not of the platform's own ids: where those count, what is named next does not depend on
        // when this runs.
        let chance = f64::from(TimeOrderedIds.next().as_bytes()[15]) / 255.0;
        interval.mul_f64(0.9 + chance / 5.0)
    }

    async fn sync_all(&self, at_start: bool) -> Result<(), Error> {
        let mut after = None;
        loop {
            let tenants = self.storage().list_tenants(after, CHUNK).await;
            let tenants = tenants.map_err(Error::storage("list tenants"))?;
            for tenant in &tenants {
                self.sync_tenant(tenant, at_start).await?;
            }
            after = tenants.last().map(|tenant| tenant.id);
            if tenants.len() < CHUNK as usize {
                return Ok(());
            }
        }
    }

    async fn sync_tenant(&self, tenant: &Tenant, at_start: bool) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self
                .storage()
                .tenant(tenant.id)
                .list_connectors(after, CHUNK)
                .await;
            let page = page.map_err(Error::storage("list connectors"))?;
            after = page.last().map(|connector| connector.id);
            let ended = page.len() < CHUNK as usize;
            stream::iter(page)
                .for_each_concurrent(self.syncs().at_once, |connector| async move {
                    if self.is_due(tenant, &connector, at_start).await {
                        let _ = self.sync(connector.tenant, connector.id).await;
                    }
                })
                .await;
            if ended {
                return Ok(());
            }
        }
    }

    /// Whether the connector is to be read in this round. At the start that is what never was, and
    /// what is native and changed with the version of the program.
    async fn is_due(&self, tenant: &Tenant, connector: &Connector, at_start: bool) -> bool {
        let ConnectorKind::Native { catalog, .. } = &connector.kind else {
            let wanted = !at_start || connector.sync.state == SyncState::Pending;
            return wanted && connector.enabled && tenant.state == TenantState::Active;
        };
        if !at_start {
            return false;
        }
        let Ok(stored) = self.stored_tools(connector).await else {
            return true;
        };
        let mut current = self.catalog().tools(catalog).unwrap_or_default();
        current.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let stored = stored.iter().map(|tool| &tool.approved);
        connector.sync.state != SyncState::Ok || !stored.eq(current.iter())
    }
}

/// Refuses what only a connector can do that may run.
pub(super) fn check_runs(tenant: &Tenant, connector: &Connector) -> Result<(), Error> {
    if tenant.state != TenantState::Active {
        return Err(Error::TenantInactive);
    }
    if !connector.enabled {
        return Err(Error::ConnectorDisabled);
    }
    Ok(())
}
