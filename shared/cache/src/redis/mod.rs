//! All of it in Redis 7, a server of its own, one with replicas, or a cluster: shared by all nodes, and it outlives
//! each of them.
//!
//! What belongs to one session has one hash tag, so that a script may touch all of it; a script is
//! one step. Every key expires. Times are those of the server's clock. Redis replicates without
//! waiting, so a failover may forget the last moments: a session or an event that had just been
//! written can be gone, and one that had just been ended can live on for its idle time.

use std::future::Future;
use std::sync::Arc;

use runtime::{IdGen, Process, ReadGauge};

use self::courier::{Courier, Told};
use self::keeper::{Keeper, Maker};
use self::link::Link;
use self::mailboxes::RedisMailboxes;
use self::marks::RedisMarks;
use self::quotas::RedisQuotas;
use self::sessions::RedisSessions;
use self::streams::RedisStreams;
use crate::{Cache, LocalLimits};

mod breaker;
mod config;
mod courier;
mod examine;
mod keeper;
mod link;
mod mailboxes;
mod marks;
mod primary;
mod quotas;
mod script;
mod sessions;
mod streams;

pub use config::{RedisConfig, RedisConfigError, RedisUrl};
pub use examine::RedisExamination;

impl Cache {
    /// Everything in Redis. Returns at once: until Redis is reached, and whenever it is away,
    /// operations fail at once with [`CacheError::Unavailable`](crate::CacheError), and readiness
    /// says `redis` is degraded. Marks are bounded by their time alone.
    ///
    /// # Errors
    /// When the configuration is wrong, not when Redis is away.
    pub fn redis(
        config: &RedisConfig,
        limits: &LocalLimits,
        process: &Process,
        ids: Arc<dyn IdGen>,
    ) -> Result<Self, RedisConfigError> {
        let maker = Arc::new(Maker::new(config.check()?, config.timeout)?);
        let link = Arc::new(Link::new(config, maker.is_cluster(), ids.next()));
        process.metrics.register(
            "cache_operations",
            "Commands for Redis, by what became of them",
            link.operations.clone(),
        );
        let measured = link.clone();
        process.metrics.register(
            "cache_circuits_open",
            "Parts of Redis that are left alone because they failed: of 1, of 64 in a Redis Cluster",
            ReadGauge::new(move || measured.breakers.open_count() as f64),
        );
        let (sessions, lister) = RedisSessions::new(link.clone(), limits.sessions);
        let streams = RedisStreams::new(link.clone(), limits.streams);
        let mailboxes = RedisMailboxes::new(link.clone(), ids);

        let keeper = Keeper {
            link: link.clone(),
            maker: maker.clone(),
            readiness: process.readiness.clone(),
        };
        let courier = Courier {
            link: link.clone(),
            maker,
            told: vec![
                streams.clone() as Arc<dyn Told>,
                mailboxes.clone() as Arc<dyn Told>,
            ],
        };
        while_it_runs(process, "connection to Redis", keeper.run());
        while_it_runs(process, "subscription to Redis", courier.run());
        while_it_runs(process, "lists of sessions", lister.run());
        while_it_runs(process, "readers of streams", streams.clone().keep());
        while_it_runs(process, "mailboxes", mailboxes.clone().keep());

        Ok(Self {
            sessions,
            streams,
            mailboxes,
            marks: Arc::new(RedisMarks(link.clone())),
            quotas: Arc::new(RedisQuotas(link)),
        })
    }
}

/// Spawns work that goes on until the process ends.
fn while_it_runs(
    process: &Process,
    name: &'static str,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let shutdown = process.shutdown.clone();
    process.tasks.essential(name, async move {
        tokio::select! {
            () = shutdown.ending() => {}
            () = work => {}
        }
        Ok(())
    });
}
