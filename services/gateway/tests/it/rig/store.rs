//! A Redis for the gateways of a rig, spoken to from a runtime of its own. A test may stop its own
//! runtime's time: Redis and the way to it keep theirs, and the test's goes on step by step.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::time::{Duration, Instant};

use cache::{Cache, CacheError, LocalLimits, RedisConfig, RedisUrl};
use futures_util::future::BoxFuture;
use runtime::{Process, TimeOrderedIds};
use testkit::redis::Redis;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::Way;

/// Rigs that live at once in one process share a server.
static SERVER: Mutex<Weak<Redis>> = Mutex::new(Weak::new());

/// How long a step of stopped time takes, and how far it goes.
const STEP: Duration = Duration::from_millis(1);
const STRIDE: Duration = Duration::from_millis(100);
/// Nothing that is asked of the store takes longer, or it never ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// Gone with the rig.
pub(super) struct Store {
    runtime: Option<Runtime>,
    redis: Arc<Redis>,
    prefix: String,
    distant: Distant,
    _steps: JoinSet<()>,
}

/// Runs what is asked of the store where its time is.
#[derive(Clone)]
pub(super) struct Distant {
    runtime: Handle,
    /// What has been asked and not been answered yet.
    open: Arc<AtomicUsize>,
}

struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Distant {
    /// Does work there. Stopped time does not pass meanwhile, but for work that `waits`.
    pub(super) fn run<T: Send + 'static>(
        &self,
        waits: bool,
        work: impl Future<Output = Result<T, CacheError>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, CacheError>> {
        let Self { runtime, open } = self.clone();
        Box::pin(async move {
            let counted = (!waits).then(|| {
                open.fetch_add(1, Ordering::AcqRel);
                Open(open)
            });
            let task = runtime.spawn(async move {
                let _counted = counted;
                work.await
            });
            let gone = |_| Err(CacheError::Unavailable("the rig is gone".to_owned()));
            AbortOnDropHandle::new(task).await.unwrap_or_else(gone)
        })
    }
}

impl Store {
    pub(super) fn start() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let distant = Distant {
            runtime: runtime.handle().clone(),
            open: Arc::default(),
        };
        Self {
            runtime: Some(runtime),
            redis: server(),
            prefix: Uuid::new_v4().to_string(),
            _steps: steps(distant.open.clone()),
            distant,
        }
    }

    /// The way of one gateway's process.
    pub(super) fn cache(&self, limits: &LocalLimits, process: &Process) -> Cache {
        let config = RedisConfig {
            nodes: vec![RedisUrl::new(self.redis.url())],
            prefix: self.prefix.clone(),
            // The machine may have much else to do.
            timeout: Duration::from_secs(5),
            ..RedisConfig::default()
        };
        let _entered = self.distant.runtime.enter();
        let cache = Cache::redis(&config, limits, process, Arc::new(TimeOrderedIds)).unwrap();
        let (reached, when_reached) = mpsc::channel();
        let sessions = cache.sessions.clone();
        self.distant.runtime.spawn(async move {
            while sessions.touch(Uuid::nil()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            reached.send(()).unwrap();
        });
        when_reached.recv_timeout(PATIENCE).unwrap();
        Way::to(cache).at(self.distant.clone()).cache()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn server() -> Arc<Redis> {
    let mut server = SERVER.lock().unwrap();
    server.upgrade().unwrap_or_else(|| {
        let started = Arc::new(Redis::start());
        *server = Arc::downgrade(&started);
        started
    })
}

/// Lets stopped time go on, as long as what is returned is kept. Time never passes by itself while
/// a thread is busy.
fn steps(open: Arc<AtomicUsize>) -> JoinSet<()> {
    let mut steps = JoinSet::new();
    let before = tokio::time::Instant::now();
    std::thread::sleep(STEP);
    if before.elapsed().is_zero() {
        steps.spawn(async move {
            loop {
                let open = open.clone();
                let step = tokio::task::spawn_blocking(move || {
                    let begun = Instant::now();
                    std::thread::sleep(STEP);
                    while open.load(Ordering::Acquire) > 0 && begun.elapsed() < PATIENCE {
                        std::thread::sleep(STEP / 4);
                    }
                });
                step.await.unwrap();
                tokio::time::sleep(STRIDE).await;
            }
        });
    }
    steps
}
