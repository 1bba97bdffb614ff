//! Keeps the way to Redis: connects, looks after it each second and whenever an operation has
//! failed, opens and closes the circuits, and says in readiness how it is.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::cluster::ClusterClient;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisError};
use runtime::Readiness;
use tokio::time::{Instant, sleep, timeout};

use super::breaker::Breaker;
use super::config::{Checked, RedisConfigError};
use super::link::{Connection, Link, describe};
use super::primary::Replicated;

const LOOK: Duration = Duration::from_secs(1);
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LAST_DELAY: Duration = Duration::from_secs(1);
/// After so many looks in vain the nodes of a cluster are found anew.
const GIVE_UP: u32 = 5;
/// One in so many looks asks replicas, too, who the primary is.
const LOOK_AROUND: usize = 5;
const NAME: &str = "redis";

/// How connections are made.
pub(super) enum Maker {
    One(Box<Client>),
    Replicated(Replicated),
    Cluster {
        client: Box<ClusterClient>,
        /// For what needs a connection of its own: any node will do.
        nodes: Vec<Client>,
    },
}

impl Maker {
    pub(super) fn new(checked: Checked, limit: Duration) -> Result<Self, RedisConfigError> {
        // The client takes the cryptography that the process has chosen. Unless it has, ours.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bad = |error: RedisError| RedisConfigError::Certificates(describe(&error));
        let one = |info: ConnectionInfo| match checked.certificates.clone() {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        };
        if let [node] = checked.nodes.as_slice() {
            return Ok(Self::One(Box::new(one(node.clone()).map_err(bad)?)));
        }
        let nodes: Result<Vec<Client>, _> = checked.nodes.iter().cloned().map(one).collect();
        if checked.replicated {
            return Ok(Self::Replicated(Replicated::new(nodes.map_err(bad)?)));
        }
        let mut builder = ClusterClient::builder(checked.nodes.clone())
            .connection_timeout(limit)
            .response_timeout(limit)
            .retries(3)
            .min_retry_wait(10)
            .max_retry_wait(100);
        if let Some(certificates) = checked.certificates.clone() {
            builder = builder.certs(certificates);
        }
        Ok(Self::Cluster {
            client: Box::new(builder.build().map_err(bad)?),
            nodes: nodes.map_err(bad)?,
        })
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster { .. })
    }

    /// The server to try for the `turn`th time, for what any server does that is in step.
    pub(super) fn any(&self, turn: usize) -> &Client {
        match self {
            Self::One(client) => client,
            Self::Replicated(servers) => servers.chosen(),
            Self::Cluster { nodes, .. } => &nodes[turn % nodes.len()],
        }
    }

    /// A way to each server that is named.
    pub(super) fn all(&self) -> &[Client] {
        match self {
            Self::One(client) => std::slice::from_ref(client),
            Self::Replicated(servers) => servers.all(),
            Self::Cluster { nodes, .. } => nodes,
        }
    }

    /// Whether the connection that was made last leads to a server that is not the primary any
    /// more, though it may still take changes.
    async fn has_moved(&self, limit: Duration) -> bool {
        match self {
            Self::Replicated(servers) => servers.has_moved(limit).await,
            Self::One(_) | Self::Cluster { .. } => false,
        }
    }

    async fn connect(&self, limit: Duration) -> Result<Connection, String> {
        let made = async {
            let made = match self {
                Self::One(client) => {
                    let config = AsyncConnectionConfig::new()
                        .set_connection_timeout(Some(limit))
                        .set_response_timeout(Some(limit));
                    let made = client.get_multiplexed_async_connection_with_config(&config);
                    made.await.map(Connection::One)
                }
                Self::Replicated(servers) => {
                    return servers.connect(limit).await.map(Connection::One);
                }
                Self::Cluster { client, .. } => {
                    client.get_async_connection().await.map(Connection::Cluster)
                }
            };
            made.map_err(|error| describe(&error))
        };
        match timeout(2 * limit, made).await {
            Ok(made) => made,
            Err(_) => Err("cannot connect in time".to_owned()),
        }
    }
}

pub(super) struct Keeper {
    pub(super) link: Arc<Link>,
    pub(super) maker: Arc<Maker>,
    pub(super) readiness: Readiness,
}

impl Keeper {
    /// Never ends.
    pub(super) async fn run(self) {
        let (mut delay, mut vain, mut turn) = (FIRST_DELAY, 0, 0);
        let mut away: Option<Instant> = None;
        loop {
            turn += 1;
            match self.look(turn, vain).await {
                Ok(()) => {
                    if let Some(since) = away.take() {
                        let duration_ms = since.elapsed().as_millis() as u64;
                        tracing::info!(duration_ms, "Redis is back");
                    }
                    self.readiness.recover(NAME);
                    self.link.back.notify_waiters();
                    (delay, vain) = (FIRST_DELAY, 0);
                    tokio::select! {
                        () = self.link.suspect.notified() => {}
                        () = sleep(LOOK) => {}
                    }
                }
                Err(why) => {
                    if away.is_none() {
                        away = Some(Instant::now());
                        tracing::warn!("Redis is away, trying on: {why}");
                    }
                    self.readiness.degrade(NAME, why);
                    vain += 1;
                    sleep(delay).await;
                    delay = (2 * delay).min(LAST_DELAY);
                }
            }
        }
    }

    /// Looks whether Redis can be used, and mends what can be mended.
    async fn look(&self, turn: usize, vain: u32) -> Result<(), String> {
        let link = &self.link;
        let kept = link.connection();
        let connection = match &kept {
            Some(connection)
                if !self.maker.is_cluster() && vain == 0 && !self.has_moved(turn).await =>
            {
                connection.clone()
            }
            // A cluster's connection finds its nodes by itself, unless all have moved.
            Some(connection) if self.maker.is_cluster() && !(vain + 1).is_multiple_of(GIVE_UP) => {
                connection.clone()
            }
            _ => {
                let made = self.maker.connect(link.timeout).await;
                made.inspect_err(|_| link.breakers.all().iter().for_each(Breaker::open))?
            }
        };
        let all = link.breakers.all();
        let routine = &all[turn % all.len()];
        let suspects = all
            .iter()
            .filter(|breaker| breaker.closed().is_none() || std::ptr::eq(*breaker, routine));
        let looks = suspects.map(|breaker| self.probe(breaker, connection.clone()));
        let outcomes = join_all(looks).await;
        let well = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        // A new connection is worth keeping when it reaches anything.
        if well > 0 || kept.is_none() {
            link.set_connection(Some(connection));
        }
        match outcomes.into_iter().find_map(Result::err) {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }

    /// Looked at now and then only: it takes a connection to each server.
    async fn has_moved(&self, turn: usize) -> bool {
        turn.is_multiple_of(LOOK_AROUND) && self.maker.has_moved(self.link.timeout).await
    }

    /// Writes a key of the circuit's part: a server that only lets read is of no use.
    async fn probe(&self, breaker: &Breaker, mut connection: Connection) -> Result<(), String> {
        let link = &self.link;
        let mut command = redis::cmd("SET");
        let key = format!("{}probe", link.base(breaker.tag));
        command.arg(key).arg(&link.node).arg("PX").arg(10_000);
        let outcome = match timeout(link.timeout, connection.run(&command)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(describe(&error)),
            Err(_) => Err(format!("no answer within {} ms", link.timeout.as_millis())),
        };
        match &outcome {
            Ok(()) => breaker.close(),
            Err(_) => breaker.open(),
        }
        outcome
    }
}
