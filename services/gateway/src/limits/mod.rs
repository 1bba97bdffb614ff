//! How many requests a key and a tenant may have run at upstreams within a window, over all
//! gateways.
//!
//! A request takes one of what its key and its tenant have left here: memory, and nothing else. What
//! is left here was drawn from a quota that all gateways share, by the portion and before it is
//! used up. The first few of a window are let through without asking, and counted with the first
//! draw: a key that is used now and then asks nobody at all.

mod config;
mod shards;
mod window;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache::{Draw, Quotas, Rate};
use domain::{KeyId, TenantId};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use runtime::{Clock, Tasks};
use tokio::time::Instant;
use uuid::Uuid;

pub use config::RateLimit;
use shards::{Shard, Shards};
use window::{Take, Terms};

/// When a request may come again for which there is no room to count it.
const SOON: Duration = Duration::from_secs(1);

/// Lets requests through, and refuses what is too much. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Limits(Arc<Shared>);

struct Shared {
    quotas: Arc<dyn Quotas>,
    tasks: Tasks,
    window: Duration,
    keys: Option<Counted>,
    tenants: Option<Counted>,
    /// Our time 0.
    start: Instant,
    /// A moment, in milliseconds from `start`, at which a window begins. As the store says; until it
    /// has said anything, by the clock of this machine, which goes about as the store's does.
    begins: AtomicU64,
    limited: Family<Label, Counter>,
}

/// All keys, or all tenants.
struct Counted {
    of: Whose,
    terms: Terms,
    shards: Shards,
}

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    Key,
    Tenant,
}

impl Whose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Tenant => "tenant",
        }
    }
}

/// What a refused request is counted under.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Label {
    limit: &'static str,
}

/// Why a request is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limited {
    whose: Whose,
    /// None where more keys or tenants call than are counted.
    most: Option<u32>,
    window: Duration,
    /// How long until it is worth coming again.
    pub(crate) again: Duration,
}

impl Limited {
    /// The same in whole seconds, at least one.
    pub(crate) fn again_seconds(&self) -> u64 {
        self.again.as_millis().div_ceil(1_000).max(1) as u64
    }
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whose, window) = (self.whose.as_str(), self.window.as_secs_f64());
        let again = self.again_seconds();
        match self.most {
            Some(most) => write!(f, "this {whose} may make {most} within {window} s")?,
            None => write!(f, "more of each {whose} call than can be counted")?,
        }
        write!(f, "; try again in {again} s")
    }
}

impl Limits {
    /// `max` keys, and as many tenants, are counted at once; those beyond are refused.
    pub(crate) fn new(
        config: &RateLimit,
        max: usize,
        quotas: Arc<dyn Quotas>,
        clock: &dyn Clock,
        tasks: &Tasks,
        limited: Family<Label, Counter>,
    ) -> Self {
        let counted = |of, most| {
            let terms = Terms::new(most);
            let shards = Shards::new(max);
            (most > 0).then_some(Counted { of, terms, shards })
        };
        let window = millis(config.window);
        let now = clock.now().unix_timestamp_nanos() / 1_000_000;
        let passed = u64::try_from(now).unwrap_or(0) % window;
        Self(Arc::new(Shared {
            quotas,
            tasks: tasks.clone(),
            window: config.window,
            keys: counted(Whose::Key, config.per_key),
            tenants: counted(Whose::Tenant, config.per_tenant),
            start: Instant::now(),
            begins: AtomicU64::new(window - passed),
            limited,
        }))
    }

    /// Lets a request through. At once, but where what is left here is used up faster than more
    /// can be drawn.
    ///
    /// # Errors
    /// The key or the tenant has had all that it may have.
    pub(crate) async fn admit(&self, tenant: TenantId, key: KeyId) -> Result<(), Limited> {
        let at = self.0.now();
        self.one(self.0.keys.as_ref(), key.as_uuid(), at).await?;
        let tenant = self.one(self.0.tenants.as_ref(), tenant.as_uuid(), at);
        let admitted = tenant.await;
        if admitted.is_err()
            && let Some(keys) = &self.0.keys
        {
            keys.shards.of(key.as_uuid()).give_back(key.as_uuid(), at);
        }
        admitted
    }

    async fn one(&self, counted: Option<&Counted>, what: Uuid, at: u64) -> Result<(), Limited> {
        let Some(counted) = counted else {
            return Ok(());
        };
        let shard = counted.shards.of(what);
        match self.try_one(counted, shard, what, at) {
            Some(admitted) => admitted,
            None => Box::pin(self.when_drawn(counted, shard, what)).await,
        }
    }

    /// None while more is being drawn.
    fn try_one(
        &self,
        counted: &Counted,
        shard: &Shard,
        what: Uuid,
        at: u64,
    ) -> Option<Result<(), Limited>> {
        let refused = |most, again| {
            let limit = counted.of.as_str();
            self.0.limited.get_or_create(&Label { limit }).inc();
            Some(Err(Limited {
                whose: counted.of,
                most,
                window: self.0.window,
                again,
            }))
        };
        let taken = shard.take(what, at, &counted.terms, || self.0.next_begin(at));
        let (draw, admitted) = match taken {
            None => return refused(None, SOON),
            Some(Take::UsedUp { left }) => {
                return refused(Some(counted.terms.most), Duration::from_millis(left));
            }
            Some(Take::Taken(draw)) => (draw, Some(Ok(()))),
            Some(Take::Dry(draw)) => (draw, None),
        };
        if let Some((draw, turn)) = draw {
            self.draw(counted.of, what, draw, turn);
        }
        admitted
    }

    async fn when_drawn(
        &self,
        counted: &Counted,
        shard: &Shard,
        what: Uuid,
    ) -> Result<(), Limited> {
        loop {
            let mut drawn = std::pin::pin!(shard.drawn.notified());
            drawn.as_mut().enable();
            match self.try_one(counted, shard, what, self.0.now()) {
                Some(admitted) => return admitted,
                None => drawn.await,
            }
        }
    }

    /// Draws on the quota, beside whatever goes on. While the store is away a gateway lends itself
    /// what it would be granted if it were alone.
    fn draw(&self, of: Whose, what: Uuid, draw: Draw, turn: u32) {
        let shared = self.0.clone();
        self.0.tasks.disposable("draw on a quota", async move {
            let counted = match of {
                Whose::Key => &shared.keys,
                Whose::Tenant => &shared.tenants,
            };
            let Some(counted) = counted else {
                return Ok(());
            };
            let rate = Rate {
                most: counted.terms.most,
                window: shared.window,
            };
            let asked = shared.now();
            let answer = shared.quotas.draw(what, rate, draw).await;
            let shard = counted.shards.of(what);
            let granted = match answer {
                Ok(drawn) => {
                    let ends = asked + millis(drawn.left);
                    shared.begins.store(ends, Ordering::Relaxed);
                    Some((drawn.granted, ends))
                }
                Err(error) => {
                    let limit = of.as_str();
                    tracing::debug!(limit, "a limit is that of this gateway alone: {error}");
                    None
                }
            };
            shard.settle(what, &counted.terms, draw, turn, granted);
            Ok(())
        });
    }
}

impl Shared {
    /// Milliseconds from our start.
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// When the window ends that is open at a moment.
    fn next_begin(&self, at: u64) -> u64 {
        let (window, begins) = (millis(self.window), self.begins.load(Ordering::Relaxed));
        match begins > at {
            true => at + 1 + (begins - at - 1) % window,
            false => at + window - (at - begins) % window,
        }
    }
}

/// At least one.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).map_or(u64::MAX, |ms| ms.max(1))
}
