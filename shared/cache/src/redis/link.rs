//! The way to Redis: every operation has a deadline and fails at once while Redis is away. One
//! connection carries all of them, or with a cluster one to each of its nodes.

use std::sync::Mutex;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind, ToRedisArgs, Value};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::breaker::Breakers;
use super::script::Script;
use crate::CacheError;

/// The way to one Redis.
pub(super) struct Link {
    pub(super) prefix: String,
    /// What the names of the nodes' channels begin with.
    pub(super) channels: String,
    /// Names this process, new with each start.
    pub(super) node: String,
    pub(super) timeout: Duration,
    pub(super) breakers: Breakers,
    /// Asks the keeper to look at once.
    pub(super) suspect: Notify,
    /// Tells those who wait that Redis can be used.
    pub(super) back: Notify,
    connection: Mutex<Option<Connection>>,
    in_flight: Semaphore,
    /// Commands, by what became of them.
    pub(super) operations: Family<Labels, Counter>,
}

/// What became of a command, as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Labels {
    outcome: &'static str,
}

#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(super) async fn run(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        let answer = match self {
            Self::One(connection) => connection.req_packed_command(command).await,
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        };
        answer?.extract_error()
    }
}

impl Link {
    pub(super) fn new(config: &super::RedisConfig, cluster: bool, node: Uuid) -> Self {
        let prefix = config.prefix.clone();
        Self {
            channels: format!("{prefix}:n:"),
            prefix,
            node: node.as_simple().to_string(),
            timeout: config.timeout,
            breakers: Breakers::new(cluster),
            suspect: Notify::new(),
            back: Notify::new(),
            connection: Mutex::default(),
            in_flight: Semaphore::new(config.in_flight),
            operations: Family::default(),
        }
    }

    /// The beginning of the names of all keys with this hash tag.
    pub(super) fn base(&self, tag: impl std::fmt::Display) -> String {
        format!("{}:{{{tag}}}:", self.prefix)
    }

    /// The key that says that a node is there; its hash tag is the node.
    pub(super) fn heart(&self, node: &str) -> String {
        format!("{}:{{{node}}}:h", self.prefix)
    }

    pub(super) fn channel(&self) -> String {
        format!("{}{}", self.channels, self.node)
    }

    pub(super) fn connection(&self) -> Option<Connection> {
        self.connection.lock().expect("no panic while held").clone()
    }

    pub(super) fn set_connection(&self, connection: Option<Connection>) {
        *self.connection.lock().expect("no panic while held") = connection;
    }

    /// Runs a script on keys whose hash tag is `tag`.
    pub(super) async fn eval<T: FromRedisValue>(
        &self,
        script: &Script,
        tag: &str,
        keys: &[&str],
        arguments: impl Fn(&mut Cmd),
    ) -> Result<T, CacheError> {
        let command = |name: &str, what: &str| {
            let mut command = redis::cmd(name);
            command.arg(what).arg(keys.len()).arg(keys);
            arguments(&mut command);
            command
        };
        let by_digest = command("EVALSHA", script.digest());
        let answer = match self.run(tag, &by_digest).await? {
            Ok(answer) => answer,
            // A server that has restarted knows no scripts.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let whole = command("EVAL", script.source);
                self.run(tag, &whole)
                    .await?
                    .map_err(|error| failed(&error))?
            }
            Err(error) => return Err(failed(&error)),
        };
        redis::from_redis_value(answer).map_err(|error| failed(&error.into()))
    }

    /// Runs a command on keys whose hash tag is `tag`.
    pub(super) async fn command<T: FromRedisValue>(
        &self,
        tag: &str,
        command: &Cmd,
    ) -> Result<T, CacheError> {
        let answer = self.run(tag, command).await?;
        let answer = answer.map_err(|error| failed(&error))?;
        redis::from_redis_value(answer).map_err(|error| failed(&error.into()))
    }

    /// What the server answers, unless it cannot be reached. Refusals of the server are answers.
    async fn run(&self, tag: &str, command: &Cmd) -> Result<Result<Value, RedisError>, CacheError> {
        let ran = self.try_run(tag, command).await;
        let outcome = match &ran {
            Ok(Ok(_)) => "ok",
            Ok(Err(_)) => "refused",
            Err(_) => "unavailable",
        };
        self.operations.get_or_create(&Labels { outcome }).inc();
        ran
    }

    async fn try_run(
        &self,
        tag: &str,
        command: &Cmd,
    ) -> Result<Result<Value, RedisError>, CacheError> {
        let breaker = self.breakers.of(tag.as_bytes());
        let away = || CacheError::Unavailable("Redis is away".to_owned());
        let epoch = breaker.closed().ok_or_else(away)?;
        let mut connection = self.connection().ok_or_else(away)?;
        let end = Instant::now() + self.timeout;
        // Being busy is no sign of being away.
        let permit = timeout_at(end, self.in_flight.acquire()).await;
        let busy = |_| CacheError::Unavailable("too much is asked of Redis at once".to_owned());
        let _permit = permit.map_err(busy)?;
        breaker.closed().ok_or_else(away)?;
        let end = Instant::now() + self.timeout;
        let failure = match timeout_at(end, connection.run(command)).await {
            Ok(Ok(answer)) => return Ok(Ok(answer)),
            Ok(Err(error)) if !is_outage(&error) => return Ok(Err(error)),
            Ok(Err(error)) => describe(&error),
            Err(_) => format!("no answer within {} ms", self.timeout.as_millis()),
        };
        breaker.trip(epoch);
        self.suspect.notify_one();
        Err(CacheError::Unavailable(failure))
    }
}

/// Arguments that are the same for the scripts of streams and mail.
pub(super) fn args(command: &mut Cmd, arguments: &[&dyn Arg]) {
    for argument in arguments {
        argument.add(command);
    }
}

/// What can be an argument.
pub(super) trait Arg {
    fn add(&self, command: &mut Cmd);
}

impl<T: ToRedisArgs> Arg for T {
    fn add(&self, command: &mut Cmd) {
        command.arg(self);
    }
}

/// Whether it says that the server, or a part of the cluster, cannot be used now.
pub(super) fn is_outage(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io
        | ErrorKind::Parse
        | ErrorKind::AuthenticationFailed
        | ErrorKind::ClusterConnectionNotFound => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::TryAgain
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
        ),
        _ => matches!(
            error.code(),
            Some("MISCONF" | "NOREPLICAS" | "BUSY" | "NOAUTH")
        ),
    }
}

fn failed(error: &RedisError) -> CacheError {
    match error.code() {
        Some("OOM") => CacheError::Full("Redis has no memory left".to_owned()),
        _ => CacheError::Failed(describe(error)),
    }
}

/// In words, without what was written or read.
pub(super) fn describe(error: &RedisError) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.category()),
        None => error.to_string(),
    }
}
