//! What is held of each connector in use: its lease, and what was built from it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use domain::{ConnectorId, TenantId};
use egress::Deadline;
use fabric::{Call, Failure, FailureKind, Lease, LeaseError, Leases};
use runtime::{Metrics, ReadGauge, Shutdown};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use crate::config::Config;
use crate::failure::unsent;
use crate::runner::{Runner, RunnerParts};

/// How often idle connectors are looked for.
const SWEEP_MIN: Duration = Duration::from_millis(20);
const SWEEP_MAX: Duration = Duration::from_secs(60);
/// How often a watch looks whether its connector is still the same, at the rarest.
const WATCH_MAX: Duration = Duration::from_secs(5);

/// A connector of a tenant.
pub(crate) type Key = (TenantId, ConnectorId);

/// One version of a connector, ready to be called.
pub(crate) struct Held {
    pub(crate) version: i64,
    takes_accounts: bool,
    pub(crate) runner: Runner,
}

/// What a connector is wanted to be like: as some configuration has it, or newer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) version: i64,
    /// The number of its accounts; absent: as many as there are now.
    pub(crate) accounts: Option<i64>,
}

impl Wanted {
    pub(crate) fn by(call: &Call) -> Self {
        Self {
            version: call.version,
            accounts: Some(call.accounts),
        }
    }
}

impl Held {
    fn is_of(&self, lease: &Lease) -> bool {
        (self.version, self.takes_accounts) == (lease.connector.version, lease.takes_accounts)
    }
}

/// One connector's place. It outlives the versions of the connector, so that all of them share
/// one limit.
pub(crate) struct Place {
    pub(crate) calls: Arc<Semaphore>,
    current: ArcSwapOption<Current>,
    /// Held while a lease is asked for: one at a time.
    leasing: Mutex<()>,
}

impl Place {
    fn in_version(&self, version: i64) -> Option<Arc<Held>> {
        let current = self.current.load();
        let held = &current.as_ref()?.held;
        (held.version >= version).then(|| held.clone())
    }
}

struct Current {
    held: Arc<Held>,
    leased_at: Instant,
    /// The number of accounts under which it was leased, as far as that was known.
    accounts: i64,
}

/// Of each lease that is held, the time since it was asked for.
fn ages(places: &moka::sync::Cache<Key, Arc<Place>>) -> impl Iterator<Item = Duration> {
    places
        .iter()
        .filter_map(|(_, place)| Some(place.current.load().as_ref()?.leased_at.elapsed()))
}

/// The connectors in use. Bounded; the least used are dropped first.
pub(crate) struct Places {
    places: moka::sync::Cache<Key, Arc<Place>>,
    leases: Arc<dyn Leases>,
    parts: Arc<RunnerParts>,
    config: Arc<Config>,
}

impl Places {
    pub(crate) fn new(leases: Arc<dyn Leases>, parts: RunnerParts, config: Arc<Config>) -> Self {
        let places = moka::sync::Cache::builder()
            .max_capacity(config.max_leases)
            .time_to_idle(config.lease_idle_timeout)
            .build();
        Self {
            places,
            leases,
            parts: Arc::new(parts),
            config,
        }
    }

    /// Tells how many leases are held, and how old the oldest is.
    pub(crate) fn measure(&self, metrics: &Metrics) {
        let places = self.places.clone();
        metrics.register(
            "worker_leases_held",
            "Credentials that are held, each with its connector",
            ReadGauge::new(move || ages(&places).count() as f64),
        );
        let places = self.places.clone();
        metrics.register(
            "worker_lease_oldest_seconds",
            "Since the oldest of them was confirmed by a control-plane",
            ReadGauge::new(move || ages(&places).max().unwrap_or_default().as_secs_f64()),
        );
    }

    /// The place of a connector, made when there is none.
    pub(crate) fn place(&self, key: Key) -> Arc<Place> {
        if let Some(place) = self.places.get(&key) {
            return place;
        }
        self.places.get_with(key, || {
            let most = self
                .config
                .max_calls_per_connector
                .min(Semaphore::MAX_PERMITS);
            Arc::new(Place {
                calls: Arc::new(Semaphore::new(most)),
                current: ArcSwapOption::empty(),
                leasing: Mutex::default(),
            })
        })
    }

    /// The connector as it is wanted, or newer.
    ///
    /// # Errors
    /// - `Gone`: there is no such connector, or it is disabled.
    /// - `Credential`: its secrets cannot be opened, or cannot be sent as they are.
    /// - `Busy`: leases cannot be had now.
    /// - `Timeout`: not before the deadline.
    pub(crate) async fn hold(
        &self,
        place: &Place,
        key: Key,
        wanted: Wanted,
        deadline: Deadline,
    ) -> Result<Arc<Held>, Failure> {
        if let Some(held) = self.fresh(place, wanted) {
            return Ok(held);
        }
        // Boxed, because it is large and rare.
        let leasing = Box::pin(self.lease(place, key, wanted));
        match tokio::time::timeout_at(deadline.instant(), leasing).await {
            Ok(leased) => leased,
            Err(_) => Err(unsent(
                FailureKind::Timeout,
                "no lease could be had in time",
            )),
        }
    }

    /// Resolves when `held` is not what is held of a connector any more: it was changed or let go.
    /// Until then the connector counts as used.
    pub(crate) async fn replaced(&self, key: Key, held: &Arc<Held>) {
        let every = (self.config.lease_idle_timeout / 4).clamp(SWEEP_MIN, WATCH_MAX);
        loop {
            tokio::time::sleep(every).await;
            let Some(place) = self.places.get(&key) else {
                return;
            };
            let current = place.current.load();
            if !current
                .as_ref()
                .is_some_and(|current| Arc::ptr_eq(&current.held, held))
            {
                return;
            }
        }
    }

    /// Drops what is held of a connector. Calls that run keep theirs to their end.
    pub(crate) fn drop_all_of(&self, key: Key) {
        self.parts.credentials.drop_all_of(key.0, key.1);
        self.parts.native.drop_all_of(key.0, key.1);
        if let Some(place) = self.places.remove(&key) {
            place.current.store(None);
        }
    }

    /// Drops what has been idle for too long, now and then, until the worker is no more: the cache
    /// itself does so only while it is used.
    pub(crate) fn sweep(
        &self,
        shutdown: Shutdown,
    ) -> impl Future<Output = anyhow::Result<()>> + Send + 'static {
        let (places, alive) = (self.places.clone(), Arc::downgrade(&self.config));
        let credentials = Arc::downgrade(&self.parts.credentials);
        let native = Arc::downgrade(&self.parts.native);
        let every = (self.config.lease_idle_timeout / 4).clamp(SWEEP_MIN, SWEEP_MAX);
        async move {
            while alive.strong_count() > 0 {
                tokio::select! {
                    () = shutdown.ending() => break,
                    () = tokio::time::sleep(every) => {
                        places.run_pending_tasks();
                        if let Some(credentials) = credentials.upgrade() {
                            credentials.sweep();
                        }
                        if let Some(native) = native.upgrade() {
                            native.sweep();
                        }
                    }
                }
            }
            Ok(())
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&self) {
        self.parts.credentials.clear();
        for (_, place) in &self.places {
            place.current.store(None);
        }
        self.places.invalidate_all();
    }

    fn fresh(&self, place: &Place, wanted: Wanted) -> Option<Arc<Held>> {
        let current = place.current.load();
        let current = current.as_ref()?;
        // One that takes accounts asks for each of them by itself.
        let knows_accounts = current.held.takes_accounts
            || wanted
                .accounts
                .is_some_and(|accounts| accounts <= current.accounts);
        let fresh = current.held.version >= wanted.version
            && knows_accounts
            && current.leased_at.elapsed() < self.config.lease_max_age;
        fresh.then(|| current.held.clone())
    }

    async fn lease(&self, place: &Place, key: Key, wanted: Wanted) -> Result<Arc<Held>, Failure> {
        let _one_at_a_time = place.leasing.lock().await;
        if let Some(held) = self.fresh(place, wanted) {
            return Ok(held);
        }
        let lease = self.leases.lease(key.0, key.1).await;
        self.parts.metrics.leased(match &lease {
            Ok(_) => "granted",
            Err(LeaseError::Unavailable(_)) => "unavailable",
            Err(LeaseError::Gone | LeaseError::Sealed) => "refused",
        });
        let lease = match lease {
            Ok(lease) => lease,
            // What is held is old, but nobody has said that it does not hold any more.
            Err(LeaseError::Unavailable(why)) => {
                tracing::warn!("no lease can be had: {why}");
                return place.in_version(wanted.version).ok_or_else(|| {
                    // Another worker may hold one.
                    let message = "the connector's credential cannot be had at the moment";
                    unsent(FailureKind::Busy, message)
                });
            }
            Err(LeaseError::Gone) => {
                place.current.store(None);
                return Err(unsent(
                    FailureKind::Gone,
                    "there is no such connector any more",
                ));
            }
            Err(LeaseError::Sealed) => {
                place.current.store(None);
                return Err(unsent(
                    FailureKind::Credential,
                    "the connector's credential cannot be opened: an administrator must set it again",
                ));
            }
        };
        let known = place.current.load();
        let known = known.as_ref();
        let held = match known {
            // The same as before: sessions and processes live on.
            Some(current) if current.held.is_of(&lease) => current.held.clone(),
            _ => Arc::new(self.held(lease)?),
        };
        let current = Current {
            held: held.clone(),
            leased_at: Instant::now(),
            accounts: wanted
                .accounts
                .max(known.map(|current| current.accounts))
                .unwrap_or(0),
        };
        place.current.store(Some(Arc::new(current)));
        Ok(held)
    }

    fn held(&self, lease: Lease) -> Result<Held, Failure> {
        let version = lease.connector.version;
        Ok(Held {
            version,
            takes_accounts: lease.takes_accounts,
            runner: Runner::new(lease, &self.parts)?,
        })
    }
}
