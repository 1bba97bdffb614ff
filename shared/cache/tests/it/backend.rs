//! The backends, and how a story is told on each of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cache::{Cache, LocalLimits, RedisConfig, RedisUrl, SessionLimits, SessionOwner, StreamLimits};
use domain::{KeyId, TenantId};
use futures_util::future::BoxFuture;
use runtime::{Process, ShutdownTrigger, TimeOrderedIds};
use testkit::redis::Redis;
use testkit::redis_cluster::RedisCluster;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// Bounds that stories change one by one. Times are short, because some backends wait them out.
pub(crate) const LIMITS: LocalLimits = LocalLimits {
    sessions: SessionLimits {
        idle: Duration::from_millis(400),
        age: Duration::from_millis(1_000),
        per_owner: 100,
        per_tenant: 100,
        total: 100,
        subscriptions: 100,
        subscription_bytes: 10_000,
    },
    streams: StreamLimits {
        events: 100,
        bytes: 100_000,
        age: Duration::from_millis(1_000),
        unread: Duration::from_millis(400),
        per_session: 100,
        total_bytes: 1_000_000,
    },
    marks: 100,
    quotas: 100,
};

/// The session and the stream of stories that have one.
pub(crate) const SESSION: Uuid = Uuid::from_u128(1);
pub(crate) const STREAM: Uuid = Uuid::from_u128(11);

/// Long enough that nothing expires while a story is told.
pub(crate) fn lasting() -> LocalLimits {
    let long = Duration::from_secs(60);
    LocalLimits {
        sessions: SessionLimits {
            idle: long,
            age: long,
            ..LIMITS.sessions
        },
        streams: StreamLimits {
            age: long,
            unread: long,
            events: 10_000,
            ..LIMITS.streams
        },
        ..LIMITS
    }
}

pub(crate) fn owner() -> SessionOwner {
    SessionOwner {
        tenant: TenantId::new(Uuid::from_u128(1)),
        key: KeyId::new(Uuid::from_u128(2)),
    }
}

pub(crate) fn text(n: u64) -> Bytes {
    Bytes::from(format!("event {n}"))
}

pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), work).await.unwrap()
}

/// Something that keeps what a gateway gives it.
pub(crate) trait Backend: Sync {
    /// A new and empty cache. Its times are longer by [`Self::slowness`].
    fn cache(&self, limits: &LocalLimits) -> BoxFuture<'_, Cache>;

    /// Lets time pass: longer by [`Self::slowness`].
    fn pass(&self, time: Duration) -> BoxFuture<'_, ()>;

    /// How much longer all times are, where they are waited out on a busy machine.
    fn slowness(&self) -> u32;

    /// Waits for what is told late, if at all.
    fn settles<'a>(&'a self, holds: &'a (dyn Fn() -> bool + Sync)) -> BoxFuture<'a, ()>;
}

/// Memory, in a runtime whose time is paused.
pub(crate) struct Local;

impl Backend for Local {
    fn cache(&self, limits: &LocalLimits) -> BoxFuture<'_, Cache> {
        Box::pin(std::future::ready(Cache::local(limits)))
    }

    fn pass(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::advance(time))
    }

    fn slowness(&self) -> u32 {
        1
    }

    fn settles<'a>(&'a self, holds: &'a (dyn Fn() -> bool + Sync)) -> BoxFuture<'a, ()> {
        assert!(holds());
        Box::pin(std::future::ready(()))
    }
}

/// A Redis or a cluster of its own, `S` keeping it.
pub(crate) struct OnRedis<S> {
    pub(crate) server: S,
    urls: Vec<String>,
    caches: AtomicUsize,
    trigger: ShutdownTrigger,
    pub(crate) process: Process,
}

impl OnRedis<Redis> {
    pub(crate) fn start() -> Self {
        let server = Redis::start();
        let urls = vec![server.url()];
        Self::new(server, urls)
    }
}

impl OnRedis<RedisCluster> {
    pub(crate) fn start_cluster() -> Self {
        let server = RedisCluster::start();
        let urls = server.urls();
        Self::new(server, urls)
    }
}

impl<S> OnRedis<S> {
    pub(crate) fn new(server: S, urls: Vec<String>) -> Self {
        let (trigger, process) = Process::new();
        Self {
            server,
            urls,
            caches: AtomicUsize::new(0),
            trigger,
            process,
        }
    }

    pub(crate) fn config(&self, prefix: &str) -> RedisConfig {
        RedisConfig {
            nodes: self.urls.iter().map(RedisUrl::new).collect(),
            prefix: prefix.to_owned(),
            ..RedisConfig::default()
        }
    }

    /// A node among those with the same prefix, that has found Redis.
    pub(crate) async fn node(&self, prefix: &str, limits: &LocalLimits) -> Cache {
        self.node_of(&self.process, prefix, limits).await
    }

    /// Two of them, for stories in which nothing expires.
    pub(crate) async fn pair(&self, prefix: &str) -> (Cache, Cache) {
        let limits = lasting();
        let first = self.node(prefix, &limits).await;
        (first, self.node(prefix, &limits).await)
    }

    /// The same, in a process of its own.
    pub(crate) async fn node_of(
        &self,
        process: &Process,
        prefix: &str,
        limits: &LocalLimits,
    ) -> Cache {
        let ids = Arc::new(TimeOrderedIds);
        let cache = Cache::redis(&self.config(prefix), limits, process, ids).unwrap();
        works(&cache).await;
        cache
    }
}

impl<S> Drop for OnRedis<S> {
    fn drop(&mut self) {
        self.trigger.end();
    }
}

/// Waits until a cache can be used in all its parts.
pub(crate) async fn works(cache: &Cache) {
    let works = async {
        for n in 0..64 {
            let mark = Uuid::from_u128(0xfeed_0000 + n);
            while cache
                .marks
                .take(mark, Duration::from_millis(1))
                .await
                .is_err()
            {
                sleep(Duration::from_millis(10)).await;
            }
        }
    };
    let works = timeout(Duration::from_secs(30), works).await;
    works.expect("Redis is found in time");
}

const SLOWNESS: u32 = 3;

impl<S: Sync> Backend for OnRedis<S> {
    fn cache(&self, limits: &LocalLimits) -> BoxFuture<'_, Cache> {
        let mut limits = *limits;
        for time in [
            &mut limits.sessions.idle,
            &mut limits.sessions.age,
            &mut limits.streams.age,
            &mut limits.streams.unread,
        ] {
            *time *= SLOWNESS;
        }
        let prefix = format!("story-{}", self.caches.fetch_add(1, Ordering::Relaxed));
        Box::pin(async move { self.node(&prefix, &limits).await })
    }

    fn pass(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(sleep(time * SLOWNESS))
    }

    fn slowness(&self) -> u32 {
        SLOWNESS
    }

    fn settles<'a>(&'a self, holds: &'a (dyn Fn() -> bool + Sync)) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let settles = async {
                while !holds() {
                    sleep(Duration::from_millis(10)).await;
                }
            };
            let settled = timeout(Duration::from_secs(20), settles).await;
            settled.expect("what is told late is told within 20 s");
        })
    }
}

/// Makes each story a test of each backend; on a cluster all stories are told at once, because
/// one takes longer to start than to tell them.
macro_rules! on_each_backend {
    ($($story:ident),* $(,)?) => {
        mod local {
            $(
                #[tokio::test(start_paused = true)]
                async fn $story() {
                    super::$story(&crate::backend::Local).await;
                }
            )*
        }

        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    super::$story(&crate::backend::OnRedis::start()).await;
                }
            )*
        }

        mod redis_cluster {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn all_of_it_holds() {
                let backend = crate::backend::OnRedis::start_cluster();
                tokio::join!($(Box::pin(super::$story(&backend))),*);
            }
        }
    };
}
pub(crate) use on_each_backend;
