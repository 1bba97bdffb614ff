//! A gateway, or two, whose neighbours do what a test says.

mod answer;
mod chance;
mod requests;
mod source;
mod store;
mod tenants;
mod way;
mod worker;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use cache::Cache;
use crypto::{KeyHasher, RootKey, TokenSealer};
use gateway::{Config, Deps, Gateway};
use runtime::{ManualClock, Process, SequentialIds, ShutdownTrigger};
use time::OffsetDateTime;

pub(crate) use answer::Answer;
pub(crate) use chance::Chance;
pub(crate) use requests::{initialize, meta};
pub(crate) use source::Source;
pub(crate) use tenants::definition;
pub(crate) use way::Way;
pub(crate) use worker::{Worker, result};

use chance::Seed;
use store::Store;

pub(crate) const NOW: OffsetDateTime = time::macros::datetime!(2026-11-21 12:00 UTC);
pub(crate) const MODERN: &str = "2026-07-28";

/// What serves a test's clients, and all around it.
///
/// A test is written as if there were one gateway. In the test binary `on_two_gateways` there are
/// two, over one Redis, and each request goes to one of them by chance.
pub(crate) struct Rig {
    pub(crate) router: Router,
    pub(crate) source: Arc<Source>,
    pub(crate) worker: Arc<Worker>,
    pub(crate) clock: Arc<ManualClock>,
    /// Of the first gateway.
    pub(crate) process: Process,
    pub(crate) keys: Vec<String>,
    gateways: Vec<Node>,
    config: Config,
    root: Arc<RootKey>,
    hasher: KeyHasher,
    ids: Arc<SequentialIds>,
    store: Option<Arc<Store>>,
    seed: Seed,
}

/// One gateway.
struct Node {
    gateway: Gateway,
    cache: Cache,
    process: Process,
    trigger: ShutdownTrigger,
}

impl Rig {
    /// Two tenants, `acme` and `rival`, each with the connectors `one` and `two` and a key.
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        match crate::GATEWAYS {
            1 => Self::alone("there is one", config),
            gateways => Self::sharing(config, gateways),
        }
    }

    /// One gateway in either binary, that keeps all by itself: `why` says what of the test is a
    /// matter of one process, or of stopped time, which Redis does not know.
    pub(crate) fn alone(why: &str, config: Config) -> Self {
        assert!(!why.is_empty());
        let cache = Cache::local(&config.cache_limits());
        Self::over(config, cache)
    }

    /// One gateway over a cache of the test's own.
    pub(crate) fn over(config: Config, cache: Cache) -> Self {
        let mut rig = Self::bare(config);
        rig.join(cache, Process::new());
        rig.furnish()
    }

    /// Gateways over one Redis.
    fn sharing(config: Config, gateways: usize) -> Self {
        let mut rig = Self::bare(config);
        rig.store = Some(Arc::new(Store::start()));
        for _ in 0..gateways {
            rig.join_at_store();
        }
        rig.furnish()
    }

    /// Two gateways over one Redis, each to be spoken to by itself.
    pub(crate) fn pair() -> (Self, Self) {
        let one = Self::sharing(Config::default(), 1);
        let mut two = one.empty_beside();
        two.store.clone_from(&one.store);
        two.join_at_store();
        (one, two)
    }

    /// Another gateway of the same cluster, over a cache that leads to the same store.
    pub(crate) fn beside(&self, cache: Cache) -> Self {
        let mut rig = self.empty_beside();
        rig.join(cache, Process::new());
        rig
    }

    fn empty_beside(&self) -> Self {
        Self {
            source: self.source.clone(),
            worker: self.worker.clone(),
            clock: self.clock.clone(),
            keys: self.keys.clone(),
            root: self.root.clone(),
            hasher: KeyHasher::new(&self.root),
            ids: self.ids.clone(),
            ..Self::bare(self.config.clone())
        }
    }

    /// All but gateways and tenants.
    fn bare(config: Config) -> Self {
        let root = Arc::new(RootKey::generate());
        Self {
            router: Router::new(),
            source: Arc::default(),
            worker: Arc::default(),
            clock: Arc::new(ManualClock::new(NOW)),
            process: Process::new().1,
            keys: Vec::new(),
            gateways: Vec::new(),
            config,
            hasher: KeyHasher::new(&root),
            root,
            ids: Arc::default(),
            store: None,
            seed: Seed::new(),
        }
    }

    fn furnish(mut self) -> Self {
        for (number, slug) in [(1, "acme"), (2, "rival")] {
            self.add_tenant(number, slug);
        }
        self
    }

    fn join_at_store(&mut self) {
        let store = self.store.clone().expect("it was started");
        let process = Process::new();
        let cache = store.cache(&self.config.cache_limits(), &process.1);
        self.join(cache, process);
    }

    /// Adds a gateway.
    fn join(&mut self, cache: Cache, (trigger, process): (ShutdownTrigger, Process)) {
        let deps = Deps {
            source: self.source.clone(),
            workers: self.worker.clone(),
            cache: cache.clone(),
            hasher: KeyHasher::new(&self.root),
            sealer: TokenSealer::new(&self.root, "mcp-session"),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
        };
        let gateway = Gateway::build(self.config.clone(), deps, &process).unwrap();
        self.gateways.push(Node {
            gateway,
            cache,
            process,
            trigger,
        });
        let routers = self.gateways.iter().map(|node| node.gateway.router());
        self.router = chance::any_of(routers.collect(), &self.seed);
        self.process = self.gateways[0].process.clone();
    }

    /// The processes are asked to end.
    pub(crate) fn drain(&self) {
        self.gateways.iter().for_each(|node| node.trigger.drain());
    }

    /// Requests under way.
    pub(crate) fn in_flight(&self) -> u32 {
        let nodes = self.gateways.iter();
        nodes.map(|node| node.gateway.in_flight()).sum()
    }

    /// Names under which mail is waited for; gateways over one store have one each for themselves.
    pub(crate) fn open_mailboxes(&self) -> usize {
        let nodes = self.gateways.iter();
        let open: usize = nodes.map(|node| node.cache.mailboxes.count()).sum();
        match &self.store {
            Some(_) => open - self.gateways.len(),
            None => open,
        }
    }

    /// Waits until the metrics say so: gateways tell each other some of it.
    pub(crate) async fn counts(&self, line: &str) {
        let line = format!("{line}\n");
        let told = async {
            while !self.metrics().contains(&line) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(20), told).await;
        assert!(told.is_ok(), "{line} in:\n{}", self.metrics());
    }

    /// The metrics of all gateways, each added up.
    pub(crate) fn metrics(&self) -> String {
        let mut sums: BTreeMap<String, f64> = BTreeMap::new();
        for node in &self.gateways {
            let text = node.process.metrics.encode();
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                let (name, value) = line.rsplit_once(' ').unwrap();
                *sums.entry(name.to_owned()).or_default() += value.parse::<f64>().unwrap();
            }
        }
        sums.iter().fold(String::new(), |mut text, (name, sum)| {
            writeln!(text, "{name} {sum}").unwrap();
            text
        })
    }
}
