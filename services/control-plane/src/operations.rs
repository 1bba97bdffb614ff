//! What all operations share. Each feature folder adds its own `impl Operations`.

use std::future::Future;
use std::sync::{Arc, OnceLock, RwLock};

use ::fabric::{Change, ConfigListener, Subject, Workers};
use anyhow::Context;
use crypto::KeyHasher;
use domain::{Action, ConnectorId, Principal, Tenant, TenantId, authorize};
use futures_util::future::join_all;
use oauth::{Origins, TokenEndpoint};
use runtime::{Clock, IdGen, Process};
use storage::Storage;
use time::OffsetDateTime;
use tracing::Instrument;
use uuid::Uuid;

use crate::accounts::{PublicUrl, Renewals, SigningIn};
use crate::auth::KeyUses;
use crate::catalog::CatalogView;
use crate::cluster::Acknowledgements;
use crate::config::Config;
use crate::connectors::{Reports, Syncs};
use crate::enforcement;
use crate::error::{Error, Resource};
use crate::service::Deps;

/// Everything that can be asked of the control-plane, by any interface. Cheap to clone.
#[derive(Clone)]
pub struct Operations(Arc<Core>);

struct Core {
    config: Config,
    signing_in: SigningIn,
    deps: Deps,
    process: Process,
    listeners: RwLock<Vec<Arc<dyn ConfigListener>>>,
    workers: OnceLock<Arc<dyn Workers>>,
    syncs: Syncs,
    reports: Reports,
    uses: KeyUses,
    renewals: Renewals,
    /// Names this run of the process, and when it began.
    run: (Uuid, OffsetDateTime),
    acknowledgements: Acknowledgements,
    /// Where the others of the cluster reach this process.
    address: OnceLock<String>,
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operations")
    }
}

impl Operations {
    pub(crate) fn new(
        config: Config,
        signing_in: SigningIn,
        deps: Deps,
        process: &Process,
    ) -> anyhow::Result<Self> {
        let renewals = Renewals::open(&config.accounts, &deps.storage, &process.metrics);
        Ok(Self(Arc::new(Core {
            signing_in,
            renewals: renewals.context("control_plane.accounts.spool_dir")?,
            syncs: Syncs::new(config.syncs_at_once, &process.metrics),
            reports: Reports::new(config.resync_delay, config.resync_min_interval),
            run: (deps.ids.next(), now(&*deps.clock)),
            acknowledgements: Acknowledgements::new(),
            address: OnceLock::new(),
            config,
            deps,
            process: process.clone(),
            listeners: RwLock::default(),
            workers: OnceLock::new(),
            uses: KeyUses::default(),
        })))
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.0.deps.storage
    }

    pub(crate) fn hasher(&self) -> &KeyHasher {
        &self.0.deps.hasher
    }

    pub(crate) fn catalog(&self) -> &dyn CatalogView {
        &*self.0.deps.catalog
    }

    /// What asks providers for tokens.
    pub(crate) fn tokens(&self) -> &TokenEndpoint {
        &self.0.deps.tokens
    }

    /// Origins of providers that are answered elsewhere.
    pub(crate) fn oauth_origins(&self) -> &Origins {
        &self.0.signing_in.origins
    }

    /// Where browsers reach this installation; none where nobody can sign in.
    pub(crate) fn public_url(&self) -> Option<&PublicUrl> {
        self.0.signing_in.public_url.as_ref()
    }

    pub(crate) fn ids(&self) -> &dyn IdGen {
        &*self.0.deps.ids
    }

    pub(crate) fn process(&self) -> &Process {
        &self.0.process
    }

    pub(crate) fn syncs(&self) -> &Syncs {
        &self.0.syncs
    }

    pub(crate) fn reports(&self) -> &Reports {
        &self.0.reports
    }

    /// What is known of the renewal of accounts' tokens.
    pub(crate) fn renewals(&self) -> &Renewals {
        &self.0.renewals
    }

    pub(crate) fn uses(&self) -> &KeyUses {
        &self.0.uses
    }

    /// The time, cut to the microseconds that storage keeps: what is answered now is what is read
    /// later.
    pub(crate) fn now(&self) -> OffsetDateTime {
        now(&*self.0.deps.clock)
    }

    /// Names this run of the process, and when it began.
    pub(crate) fn own_run(&self) -> (Uuid, OffsetDateTime) {
        self.0.run
    }

    /// Whether there are other processes that the database knows of.
    pub(crate) fn is_in_cluster(&self) -> bool {
        self.0.address.get().is_some()
    }

    /// Says that there are others, who reach this process at `address`.
    pub(crate) fn join_cluster(&self, address: &str) {
        self.0.address.get_or_init(|| address.to_owned());
    }

    /// Where the others of the cluster reach this process; none where there are no others.
    pub(crate) fn own_address(&self) -> Option<&str> {
        self.0.address.get().map(String::as_str)
    }

    /// What gateways acknowledge.
    pub(crate) fn acknowledgements(&self) -> &Acknowledgements {
        &self.0.acknowledgements
    }

    pub(crate) fn attach_workers(&self, workers: Arc<dyn Workers>) -> Result<(), Error> {
        let taken = |_| Error::internal("attach workers", "there are some already");
        self.0.workers.set(workers).map_err(taken)
    }

    pub(crate) fn workers(&self) -> Result<&Arc<dyn Workers>, Error> {
        let cause = || "no worker is attached".to_owned();
        self.0.workers.get().ok_or_else(|| Error::Unavailable {
            doing: "reach a worker",
            cause: cause(),
        })
    }

    pub(crate) fn subscribe(&self, listener: Arc<dyn ConfigListener>) {
        self.0
            .listeners
            .write()
            .expect("no panic while held")
            .push(listener);
    }

    /// Tells all listeners of a committed change. Call it before the change is acknowledged.
    pub(crate) fn changed(&self, subject: &Subject, revision: i64) {
        enforcement::note(revision);
        for listener in self.0.listeners.read().expect("no panic while held").iter() {
            listener.changed(subject, revision);
        }
    }

    /// The same of several that were committed together.
    pub(crate) fn all_changed(&self, changes: &[Change]) {
        for change in changes {
            self.changed(&change.subject, change.revision);
        }
    }

    pub(crate) fn tenant_changed(&self, tenant: &Tenant, revision: i64) {
        self.changed(&Subject::Tenant(tenant.slug.to_string()), revision);
    }

    /// Runs a change to its end even when the caller goes away in the middle: what was committed
    /// must be told to the listeners and the workers.
    pub(crate) async fn uninterrupted<T, F>(&self, change: F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
        T: Send + 'static,
    {
        let span = tracing::Span::current();
        let change = enforcement::carried(change.instrument(span));
        let ended = self.0.process.tasks.joinable(change).await;
        ended.unwrap_or_else(|error| Err(Error::internal("carry out a change", error)))
    }

    /// The tenant named `slug`, if `caller` may do `action` to it. To a caller whose it is not, it
    /// is exactly as absent as one that does not exist.
    pub(crate) async fn tenant_for(
        &self,
        caller: &Principal,
        slug: &str,
        action: fn(TenantId) -> Action,
    ) -> Result<Tenant, Error> {
        let found = self.storage().find_tenant(slug).await;
        let tenant = found
            .map_err(Error::storage("find a tenant"))?
            .ok_or(Error::NotFound(Resource::Tenant))?;
        authorize(caller, action(tenant.id))?;
        Ok(tenant)
    }

    /// Has the workers let go of connectors that changed, within bounds of time.
    pub(crate) async fn release(&self, tenant: TenantId, connectors: &[ConnectorId]) {
        // Without workers nothing is held.
        let Ok(workers) = self.workers() else { return };
        let all = connectors.iter().map(|id| workers.release(tenant, *id));
        self.let_go(tenant, join_all(all)).await;
    }

    /// Has the workers let go of connectors that were deleted, with all that is kept for them,
    /// within bounds of time.
    pub(crate) async fn forget(&self, tenant: TenantId, connectors: &[ConnectorId]) {
        let Ok(workers) = self.workers() else { return };
        let all = connectors.iter().map(|id| workers.forget(tenant, *id));
        self.let_go(tenant, join_all(all)).await;
    }

    async fn let_go(&self, tenant: TenantId, all: impl Future<Output = Vec<()>>) {
        let timeout = self.config().release_timeout;
        if tokio::time::timeout(timeout, all).await.is_err() {
            tracing::warn!(
                tenant.id = %tenant,
                "workers still hold connectors that were taken from them"
            );
        }
    }
}

fn now(clock: &dyn Clock) -> OffsetDateTime {
    let now = clock.now();
    now.replace_microsecond(now.microsecond()).unwrap_or(now)
}
