//! The gateway's view of the world: the last configuration of each tenant in use, compiled.
//!
//! Requests read it without locks. The first request for a tenant loads it, once for all who ask
//! meanwhile. A change makes what was loaded before it invalid at once: the next request loads
//! again, and is refused while that cannot be done, because what it would be served by is known
//! to be revoked. Configuration that nobody called outdated is served however old it is.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwapOption;
use fabric::{ConfigListener, ConfigSource, SourceError, Subject};
use moka::sync::Cache;
use tokio::sync::Mutex;

use crate::access::Keys;
use crate::snapshot::Snapshot;

/// How often a load is repeated when changes outrun it.
const LOAD_ATTEMPTS: usize = 5;

/// Compiled configuration by tenant slug, and the platform's keys.
pub(crate) struct Tenants {
    source: Arc<dyn ConfigSource>,
    shared: Arc<Shared>,
}

struct Shared {
    /// Hears of each change, after what it outdates is known to be outdated.
    observer: OnceLock<Weak<dyn ConfigListener>>,
    tenants: Cache<String, Arc<Slot<Option<Snapshot>>>>,
    platform: Slot<Keys>,
}

/// One thing that is loaded on first use and again after each change.
struct Slot<T> {
    /// The newest change heard of: anything older is out of force.
    wanted: AtomicI64,
    current: ArcSwapOption<Loaded<T>>,
    loading: Mutex<()>,
}

struct Loaded<T> {
    revision: i64,
    value: Arc<T>,
}

impl<T> Slot<T> {
    fn new() -> Self {
        Self {
            wanted: AtomicI64::new(0),
            current: ArcSwapOption::empty(),
            loading: Mutex::new(()),
        }
    }

    fn valid(&self) -> Option<Arc<T>> {
        let current = self.current.load();
        let loaded = current.as_ref()?;
        (loaded.revision >= self.wanted.load(Ordering::Acquire)).then(|| loaded.value.clone())
    }

    /// The value in force, loaded if need be by one caller for all. `load` says of which revision
    /// its value is, or `None` for "of whatever was wanted when it began".
    async fn get<F, L>(&self, load: F) -> Result<Arc<T>, SourceError>
    where
        F: Fn() -> L,
        L: Future<Output = Result<(Option<i64>, T), SourceError>>,
    {
        if let Some(value) = self.valid() {
            return Ok(value);
        }
        let _loading = self.loading.lock().await;
        for _ in 0..LOAD_ATTEMPTS {
            if let Some(value) = self.valid() {
                return Ok(value);
            }
            let wanted = self.wanted.load(Ordering::Acquire);
            let (revision, value) = load().await?;
            let revision = revision.unwrap_or(wanted);
            self.current.store(Some(Arc::new(Loaded {
                revision,
                value: Arc::new(value),
            })));
        }
        self.valid()
            .ok_or_else(|| SourceError("it changes faster than it can be read".to_owned()))
    }

    fn outdate(&self, revision: i64) {
        self.wanted.fetch_max(revision, Ordering::AcqRel);
    }
}

impl Tenants {
    /// Keeps at most `cached` tenants.
    pub(crate) fn new(source: Arc<dyn ConfigSource>, cached: u64) -> Self {
        let tenants = Cache::builder().max_capacity(cached).build();
        let shared = Arc::new(Shared {
            observer: OnceLock::new(),
            tenants,
            platform: Slot::new(),
        });
        source.subscribe(shared.clone());
        Self { source, shared }
    }

    /// From now on tells `observer` of each change too; the first one that is named.
    pub(crate) fn observe(&self, observer: Weak<dyn ConfigListener>) {
        self.shared.observer.set(observer).ok();
    }

    /// The tenant's snapshot in force; `None` when there is no such tenant.
    pub(crate) async fn get(&self, slug: &str) -> Result<Arc<Option<Snapshot>>, SourceError> {
        // The slot must be findable before the load begins, so that a change during it is heard.
        let slot = match self.shared.tenants.get(slug) {
            Some(slot) => slot,
            None => self
                .shared
                .tenants
                .get_with(slug.to_owned(), || Arc::new(Slot::new())),
        };
        let source = self.source.as_ref();
        slot.get(move || async move {
            let config = source.tenant(slug).await?;
            let revision = config.as_ref().map(|config| config.revision);
            Ok((revision, config.map(Snapshot::compile)))
        })
        .await
    }

    /// The platform's keys in force.
    pub(crate) async fn platform_keys(&self) -> Result<Arc<Keys>, SourceError> {
        let source = self.source.as_ref();
        let load = move || async move {
            let config = source.platform().await?;
            Ok((Some(config.revision), Keys::compile(config.keys)))
        };
        self.shared.platform.get(load).await
    }
}

impl ConfigListener for Shared {
    fn changed(&self, subject: &Subject, revision: i64) {
        match subject {
            Subject::Platform => self.platform.outdate(revision),
            Subject::Tenant(slug) => {
                if let Some(slot) = self.tenants.get(slug) {
                    slot.outdate(revision);
                }
            }
        }
        if let Some(observer) = self.observer.get().and_then(Weak::upgrade) {
            observer.changed(subject, revision);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test]
    async fn one_caller_loads_for_all() {
        let (slot, loads) = (Slot::new(), AtomicUsize::new(0));
        let load = || async {
            loads.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok((Some(1), "value"))
        };

        let all = futures_util::future::join_all((0..10).map(|_| slot.get(load))).await;

        assert!(all.into_iter().all(|value| *value.unwrap() == "value"));
        assert_eq!(loads.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_change_during_a_load_makes_its_value_invalid() {
        let (slot, loads) = (Slot::new(), AtomicI64::new(0));

        let value = slot
            .get(|| async {
                let revision = loads.fetch_add(1, Ordering::Relaxed);
                if revision == 0 {
                    slot.outdate(1);
                }
                Ok((Some(revision), revision))
            })
            .await;

        assert_eq!(*value.unwrap(), 1);
    }

    #[tokio::test]
    async fn what_is_known_to_be_outdated_is_not_served_when_loading_fails() {
        let slot = Slot::new();
        slot.get(|| async { Ok((Some(1), ())) }).await.unwrap();
        let fails = || async { Err(SourceError("away".to_owned())) };

        assert!(slot.get(fails).await.is_ok(), "old but not outdated");
        slot.outdate(2);
        assert!(slot.get(fails).await.is_err());
    }
}
