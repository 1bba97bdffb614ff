//! A gateway's configuration in a cluster: what it serves, held in memory and on disk, and kept
//! up to date by the line.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use crypto::DerivedKey;
use domain::KeyId;
use fabric::{
    BoxFuture, Changes, ConfigListener, ConfigSource, NodeReport, PlatformConfig, SourceError,
    Subject, TenantConfig, WorkerAddress,
};
use futures_util::StreamExt;
use moka::sync::Cache;
use proto::fabric::v1 as wire;
use proto::fabric::v1::config_service_client::ConfigServiceClient;
use runtime::{Process, Readiness};
use tokio::sync::Notify;
use tonic::Status;

use super::convert::{workers_from, workers_to};
use super::{ControlPlanes, Follower, LastGood};
use crate::WorkerPool;
use crate::convert::{platform_from, tenant_config_from, tenant_config_to};

/// What readiness calls configuration that could not be brought up to date.
const NAME: &str = "configuration";

/// How often a tenant is fetched in a row while changes of it are told.
const FETCHES: usize = 3;

/// Bounds of what a gateway holds.
#[derive(Clone, Debug)]
pub struct GatewayConfigLimits {
    /// Tenants held in memory; not fewer than the gateway itself compiles and keeps.
    pub tenants: u64,
    /// Bytes of one tenant's configuration.
    pub tenant_bytes: usize,
    /// Tenants that are fetched at once after a change.
    pub fetches: usize,
}

impl Default for GatewayConfigLimits {
    fn default() -> Self {
        Self {
            tenants: 10_000,
            tenant_bytes: 64 << 20,
            fetches: 8,
        }
    }
}

/// What is held of one tenant.
#[derive(Default)]
struct Held {
    /// The newest change that was told.
    wanted: AtomicI64,
    current: ArcSwapOption<Known>,
}

struct Known {
    /// The state that was read, not the change that led to it.
    revision: i64,
    config: Option<TenantConfig>,
}

/// The configuration source of a gateway: asks control-planes, remembers, and serves what it
/// remembers while none of them answers. Outdated configuration is replaced as soon as it is told;
/// what cannot be replaced is served on, and readiness says so.
pub struct GatewayConfig {
    control_planes: ControlPlanes,
    last_good: LastGood,
    limits: GatewayConfigLimits,
    workers: Arc<WorkerPool>,
    listener: Mutex<Option<Arc<dyn ConfigListener>>>,
    tenants: Cache<String, Arc<Held>>,
    platform: ArcSwapOption<PlatformConfig>,
    /// Told, and not enforced yet: by subject, the revision.
    pending: Mutex<BTreeMap<Option<String>, i64>>,
    known: AtomicI64,
    enforced: AtomicI64,
    load: OnceLock<Box<dyn Fn() -> u32 + Send + Sync>>,
    process: Process,
    /// Name and address of those that are kept on disk.
    kept_workers: Mutex<Vec<(String, String)>>,
    unwritten: Mutex<HashSet<Option<String>>>,
    write: Notify,
    served_old: AtomicBool,
}

/// The keys that the gateway is built with.
pub struct Keys {
    pub hashing: DerivedKey,
    pub sealing: DerivedKey,
}

impl GatewayConfig {
    /// Asks for the platform's keys, of a control-plane or, when none answers within `patience`, of
    /// the last good configuration on disk; waits for a control-plane while there is neither.
    ///
    /// # Errors
    /// The control-plane refuses this gateway, or the process ends.
    pub async fn start(
        control_planes: ControlPlanes,
        last_good: LastGood,
        workers: Arc<WorkerPool>,
        limits: GatewayConfigLimits,
        patience: Duration,
        process: &Process,
    ) -> anyhow::Result<(Arc<Self>, Keys)> {
        let began = tokio::time::Instant::now();
        let told = loop {
            match ask_platform(&control_planes).await {
                Ok(told) => break told,
                Err(status) if is_final(&status) => {
                    anyhow::bail!(
                        "the control-plane refuses this gateway: {}",
                        status.message()
                    )
                }
                Err(status) => {
                    tracing::warn!("no control-plane answers: {}", status.message());
                    if began.elapsed() >= patience
                        && let Some(kept) = last_good.platform()
                    {
                        tracing::warn!("starts with the last good configuration");
                        process
                            .readiness
                            .degrade(NAME, "as it was last kept on disk");
                        if let Some(known) = last_good.workers() {
                            workers.set(workers_from(known));
                        }
                        break kept;
                    }
                }
            }
            tokio::select! {
                () = process.shutdown.draining() => anyhow::bail!("told to end while starting"),
                () = tokio::time::sleep(Duration::from_millis(250)) => {}
            }
        };
        let keys = Keys {
            hashing: key(&told.hashing_key)?,
            sealing: key(&told.sealing_key)?,
        };
        let this = Arc::new(Self {
            control_planes,
            last_good,
            workers,
            listener: Mutex::default(),
            tenants: Cache::builder().max_capacity(limits.tenants).build(),
            limits,
            platform: ArcSwapOption::empty(),
            pending: Mutex::default(),
            known: AtomicI64::new(0),
            enforced: AtomicI64::new(0),
            load: OnceLock::new(),
            process: process.clone(),
            kept_workers: Mutex::default(),
            unwritten: Mutex::default(),
            write: Notify::new(),
            served_old: AtomicBool::new(false),
        });
        this.take_platform(told)?;
        let writer = this.clone();
        process
            .tasks
            .disposable("last good configuration", async move {
                writer.keep_on_disk().await;
                Ok(())
            });
        Ok((this, keys))
    }

    /// From now on tells the control-plane how many calls are under way; the first one that is
    /// named counts.
    pub fn measure(&self, load: impl Fn() -> u32 + Send + Sync + 'static) {
        self.load.set(Box::new(load)).ok();
    }

    fn take_platform(&self, told: wire::GetPlatformResponse) -> anyhow::Result<()> {
        self.platform.store(Some(Arc::new(platform_from(&told)?)));
        let last_good = self.last_good.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = last_good.keep_platform(&told) {
                tracing::warn!("cannot keep the platform's configuration on disk: {error}");
            }
        });
        Ok(())
    }

    /// Keeps who the workers are and where, when that is not as it was.
    fn keep_workers(&self, workers: &[WorkerAddress]) {
        // None at all are no help to a gateway that starts.
        let places: Vec<_> = workers
            .iter()
            .map(|worker| (worker.node.clone(), worker.address.clone()))
            .collect();
        let mut kept = self.kept_workers.lock().expect("no panic while held");
        if places.is_empty() || *kept == places {
            return;
        }
        *kept = places;
        let (last_good, workers) = (self.last_good.clone(), workers_to(workers));
        tokio::task::spawn_blocking(move || {
            if let Err(error) = last_good.keep_workers(&workers) {
                tracing::warn!("cannot keep on disk where the workers are: {error}");
            }
        });
    }

    async fn fetch(&self, slug: &str) -> Result<Option<wire::TenantConfig>, Status> {
        let most = self.limits.tenant_bytes;
        let answer = self.control_planes.ask(move |channel| {
            let question = wire::GetTenantRequest {
                slug: slug.to_owned(),
            };
            async move {
                let mut client = ConfigServiceClient::new(channel).max_decoding_message_size(most);
                client.get_tenant(question).await
            }
        });
        Ok(answer.await?.into_inner().config)
    }

    /// Fetches a tenant and holds it. A change that is told while it is fetched for the first time
    /// finds nothing to bring up to date: what was fetched is, here.
    async fn refresh(&self, slug: &str, held: &Held) -> Result<(), SourceError> {
        for _ in 0..FETCHES {
            let revision = self.fetch_and_hold(slug, held).await?;
            // In the order of all: whoever is told after this look finds what is held.
            fence(Ordering::SeqCst);
            if held.wanted.load(Ordering::Acquire) <= revision {
                break;
            }
        }
        self.unwritten().insert(Some(slug.to_owned()));
        self.write.notify_one();
        Ok(())
    }

    /// Fetches a tenant once and holds it, unless something newer is held. Of which revision it is.
    async fn fetch_and_hold(&self, slug: &str, held: &Held) -> Result<i64, SourceError> {
        // What is read now is at least as new as what was told by now.
        let wanted = held.wanted.load(Ordering::Acquire);
        let told = self.fetch(slug).await.map_err(source_error)?;
        let before = held
            .current
            .load()
            .as_ref()
            .map_or(0, |known| known.revision);
        // What is gone has no revision of its own.
        let revision = told
            .as_ref()
            .map_or(wanted.max(before + 1), |config| config.revision);
        let config = told.map(tenant_config_from).transpose();
        let config = config.map_err(|malformed| SourceError(malformed.to_string()))?;
        let known = Arc::new(Known { revision, config });
        held.current.rcu(|current| match current {
            Some(current) if current.revision > known.revision => Some(current.clone()),
            _ => Some(known.clone()),
        });
        Ok(revision)
    }

    async fn refresh_platform(&self) -> Result<(), SourceError> {
        let told = ask_platform(&self.control_planes)
            .await
            .map_err(source_error)?;
        self.take_platform(told)
            .map_err(|error| SourceError(error.to_string()))
    }

    /// Brings what is held of a subject up to date, and says of which revision it is then.
    async fn renew(&self, subject: Option<&str>) -> Result<i64, SourceError> {
        let Some(slug) = subject else {
            self.refresh_platform().await?;
            let platform = self.platform.load();
            return Ok(platform.as_ref().map_or(0, |platform| platform.revision));
        };
        let Some(held) = self.tenants.get(slug) else {
            return Ok(0);
        };
        // What nobody has asked for is read when somebody does; who does so now looks at what was
        // told before this.
        fence(Ordering::SeqCst);
        if held.current.load().is_some() {
            self.refresh(slug, &held).await?;
        }
        let current = held.current.load();
        Ok(current.as_ref().map_or(0, |known| known.revision))
    }

    /// Brings one subject up to date and has it enforced.
    async fn enforce(&self, subject: Option<String>, revision: i64) {
        let reached = match self.renew(subject.as_deref()).await {
            Ok(reached) => reached.max(revision),
            Err(error) => {
                tracing::warn!(tenant = subject, "a change cannot be read yet: {error}");
                return;
            }
        };
        let told = match subject.clone() {
            None => Subject::Platform,
            Some(slug) => Subject::Tenant(slug),
        };
        let listener = self.listener.lock().expect("no panic while held").clone();
        if let Some(listener) = listener {
            listener.changed(&told, reached);
        }
        let mut pending = self.pending();
        if pending
            .get(&subject)
            .is_some_and(|wanted| *wanted <= revision)
        {
            pending.remove(&subject);
        }
    }

    /// Enforces all that was told and is not enforced yet.
    async fn settle(&self) {
        let known = self.known.load(Ordering::Acquire);
        let all: Vec<_> = self.pending().clone().into_iter().collect();
        futures_util::stream::iter(all)
            .for_each_concurrent(self.limits.fetches, |(subject, revision)| {
                self.enforce(subject, revision)
            })
            .await;
        let left = self.pending().len();
        let readiness: &Readiness = &self.process.readiness;
        if left == 0 {
            self.enforced.fetch_max(known, Ordering::AcqRel);
            readiness.recover(NAME);
        } else {
            readiness.degrade(NAME, format!("{left} changes are not enforced yet"));
        }
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, BTreeMap<Option<String>, i64>> {
        self.pending.lock().expect("no panic while held")
    }

    fn unwritten(&self) -> std::sync::MutexGuard<'_, HashSet<Option<String>>> {
        self.unwritten.lock().expect("no panic while held")
    }

    /// Writes what was fetched, one tenant after the other, however often it changed meanwhile.
    async fn keep_on_disk(&self) {
        loop {
            tokio::select! {
                () = self.process.shutdown.ending() => return,
                () = self.write.notified() => {}
            }
            let all = std::mem::take(&mut *self.unwritten());
            for slug in all.into_iter().flatten() {
                let Some(known) = self.tenants.get(&slug).and_then(|h| h.current.load_full())
                else {
                    continue;
                };
                let last_good = self.last_good.clone();
                let written = tokio::task::spawn_blocking(move || match &known.config {
                    Some(config) => last_good.keep_tenant(&slug, &tenant_config_to(config)),
                    None => last_good.forget_tenant(&slug),
                });
                if let Ok(Err(error)) = written.await {
                    tracing::warn!("cannot keep configuration on disk: {error}");
                }
            }
        }
    }

    /// What was last kept of a tenant.
    async fn kept(&self, slug: &str) -> Option<Known> {
        let (last_good, slug) = (self.last_good.clone(), slug.to_owned());
        let read = tokio::task::spawn_blocking(move || last_good.tenant(&slug)).await;
        let config = tenant_config_from(read.ok()??).ok()?;
        Some(Known {
            revision: config.revision,
            config: Some(config),
        })
    }

    async fn load(&self, slug: &str) -> Result<Option<TenantConfig>, SourceError> {
        let held = self.tenants.get_with_by_ref(slug, Arc::default);
        if held.current.load().is_none()
            && let Err(error) = self.refresh(slug, &held).await
        {
            let Some(kept) = self.kept(slug).await else {
                return Err(error);
            };
            if !self.served_old.swap(true, Ordering::Relaxed) {
                tracing::warn!("serves tenants from the last good configuration");
            }
            // To be read again as soon as a control-plane answers.
            self.pending()
                .entry(Some(slug.to_owned()))
                .or_insert(kept.revision);
            held.current.store(Some(Arc::new(kept)));
        }
        let current = held.current.load();
        Ok(current.as_ref().and_then(|known| known.config.clone()))
    }
}

impl ConfigSource for GatewayConfig {
    fn platform(&self) -> BoxFuture<'_, Result<PlatformConfig, SourceError>> {
        Box::pin(async {
            let platform = self.platform.load_full();
            let platform = platform.expect("taken before the gateway was made");
            Ok((*platform).clone())
        })
    }

    fn tenant<'a>(
        &'a self,
        slug: &'a str,
    ) -> BoxFuture<'a, Result<Option<TenantConfig>, SourceError>> {
        Box::pin(self.load(slug))
    }

    fn subscribe(&self, listener: Arc<dyn ConfigListener>) {
        *self.listener.lock().expect("no panic while held") = Some(listener);
    }

    fn keys_used<'a>(&'a self, keys: &'a [KeyId]) -> BoxFuture<'a, Result<(), SourceError>> {
        let key_ids: Vec<String> = keys.iter().map(ToString::to_string).collect();
        Box::pin(async move {
            let noted = self.control_planes.ask(|channel| {
                let key_ids = key_ids.clone();
                async move {
                    let mut client = ConfigServiceClient::new(channel);
                    client
                        .note_key_uses(wire::NoteKeyUsesRequest { key_ids })
                        .await
                }
            });
            noted.await.map(drop).map_err(source_error)
        })
    }
}

impl Follower for GatewayConfig {
    fn known(&self) -> i64 {
        self.known.load(Ordering::Acquire)
    }

    fn apply(&self, changes: Changes) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            {
                let mut pending = self.pending();
                let mut want = |subject: Option<String>, revision: i64| {
                    if let Some(slug) = &subject
                        && let Some(held) = self.tenants.get(slug)
                    {
                        held.wanted.fetch_max(revision, Ordering::AcqRel);
                    }
                    let wanted = pending.entry(subject).or_insert(revision);
                    *wanted = revision.max(*wanted);
                };
                for change in changes.changes {
                    let subject = match change.subject {
                        Subject::Platform => None,
                        Subject::Tenant(slug) => Some(slug),
                    };
                    want(subject, change.revision);
                }
                if changes.start_over || self.known() == 0 {
                    want(None, changes.revision);
                    let held: Vec<_> = self
                        .tenants
                        .iter()
                        .map(|(slug, _)| (*slug).clone())
                        .collect();
                    for slug in held {
                        want(Some(slug), changes.revision);
                    }
                }
            }
            self.known.fetch_max(changes.revision, Ordering::AcqRel);
            self.settle().await;
        })
    }

    fn retry(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if !self.pending().is_empty() {
                self.settle().await;
            }
        })
    }

    fn workers(&self, workers: Vec<WorkerAddress>) {
        self.keep_workers(&workers);
        self.workers.set(workers);
    }

    fn report(&self) -> NodeReport {
        NodeReport {
            enforced: self.enforced.load(Ordering::Acquire),
            load: self.load.get().map_or(0, |load| load()),
            draining: self.process.shutdown.is_draining(),
        }
    }
}

async fn ask_platform(control_planes: &ControlPlanes) -> Result<wire::GetPlatformResponse, Status> {
    let answer = control_planes.ask(|channel| async move {
        let mut client = ConfigServiceClient::new(channel);
        client.get_platform(wire::GetPlatformRequest {}).await
    });
    Ok(answer.await?.into_inner())
}

/// Whether asking again would bring the same.
fn is_final(status: &Status) -> bool {
    matches!(
        status.code(),
        tonic::Code::PermissionDenied | tonic::Code::Unauthenticated | tonic::Code::Unimplemented
    )
}

fn key(bytes: &[u8]) -> anyhow::Result<DerivedKey> {
    let bytes = <[u8; 32]>::try_from(bytes)
        .map_err(|_| anyhow::anyhow!("the control-plane told a key that has not 32 bytes"))?;
    Ok(DerivedKey::from_bytes(bytes))
}

fn source_error(status: Status) -> SourceError {
    SourceError(format!("no control-plane answers: {}", status.message()))
}
