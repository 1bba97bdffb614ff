//! A primary and its replicas, where whoever watches over them may promote another at any time:
//! which of them takes changes now. All nodes that can reach the same servers decide alike.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Value};
use tokio::time::timeout;

use super::examine::text_of;
use super::link::describe;

/// The servers, and which of them was the primary when somebody looked last.
pub(super) struct Replicated {
    clients: Vec<Client>,
    chosen: AtomicUsize,
}

/// What a server says of its place in the replication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Standing {
    is_primary: bool,
    /// Names the history of changes that it has.
    history: String,
    /// The one that it continues since it was promoted.
    continues: Option<String>,
    /// How far its history goes.
    offset: u64,
}

impl Replicated {
    pub(super) fn new(clients: Vec<Client>) -> Self {
        Self {
            clients,
            chosen: AtomicUsize::new(0),
        }
    }

    /// The primary, as far as it is known.
    pub(super) fn chosen(&self) -> &Client {
        &self.clients[self.chosen.load(Ordering::Relaxed)]
    }

    pub(super) fn all(&self) -> &[Client] {
        &self.clients
    }

    /// Connects to the primary.
    pub(super) async fn connect(&self, limit: Duration) -> Result<MultiplexedConnection, String> {
        let (at, mut answers) = self.find(limit).await?;
        self.chosen.store(at, Ordering::Relaxed);
        match answers.swap_remove(at) {
            Ok((connection, _)) => Ok(connection),
            Err(why) => Err(why),
        }
    }

    /// Whether another one is the primary by now. No, while that cannot be told.
    pub(super) async fn has_moved(&self, limit: Duration) -> bool {
        let found = self.find(limit).await;
        found.is_ok_and(|(at, _)| at != self.chosen.load(Ordering::Relaxed))
    }

    async fn find(
        &self,
        limit: Duration,
    ) -> Result<
        (
            usize,
            Vec<Result<(MultiplexedConnection, Standing), String>>,
        ),
        String,
    > {
        let answers = join_all(self.clients.iter().map(|client| ask(client, limit))).await;
        let standings: Vec<Option<&Standing>> = answers
            .iter()
            .map(|answer| answer.as_ref().ok().map(|(_, standing)| standing))
            .collect();
        match choose(&standings) {
            Ok(at) => Ok((at, answers)),
            Err(why) => Err(answers.into_iter().find_map(Result::err).map_or_else(
                || why.to_owned(),
                |unreachable| format!("{why}; of one that does not answer: {unreachable}"),
            )),
        }
    }
}

async fn ask(
    client: &Client,
    limit: Duration,
) -> Result<(MultiplexedConnection, Standing), String> {
    let asked = async {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limit))
            .set_response_timeout(Some(limit));
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let info: Value = redis::cmd("INFO")
            .arg("replication")
            .query_async(&mut connection)
            .await?;
        Ok::<_, RedisError>((connection, read(&text_of(info))))
    };
    match timeout(limit, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(describe(&error)),
        Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
    }
}

fn read(info: &str) -> Standing {
    let said = |name: &str| {
        let mut lines = info.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    let text = |name: &str| said(name).map(|value| value.trim().to_owned());
    let was_promoted = text("second_repl_offset").is_some_and(|offset| offset != "-1");
    Standing {
        is_primary: text("role").as_deref() == Some("master"),
        history: text("master_replid").unwrap_or_default(),
        continues: text("master_replid2").filter(|_| was_promoted),
        offset: text("master_repl_offset")
            .and_then(|offset| offset.parse().ok())
            .unwrap_or_default(),
    }
}

/// Which one takes changes. Of several that say so, which is what a former primary says that came
/// back and was not told, it is the one that was promoted in the place of the others.
fn choose(standings: &[Option<&Standing>]) -> Result<usize, &'static str> {
    let mut primaries: Vec<(usize, &Standing)> = standings
        .iter()
        .enumerate()
        .filter_map(|(at, standing)| Some((at, (*standing)?)))
        .filter(|(_, standing)| standing.is_primary)
        .collect();
    let continued: Vec<&str> = primaries
        .iter()
        .filter_map(|(_, standing)| standing.continues.as_deref())
        .collect();
    primaries.retain(|(_, standing)| !continued.contains(&standing.history.as_str()));
    if primaries.len() > 1 {
        primaries.retain(|(_, standing)| standing.continues.is_some());
        primaries.sort_by_key(|(_, standing)| std::cmp::Reverse(standing.offset));
        if let [(_, first), (_, second), ..] = primaries.as_slice()
            && first.offset == second.offset
        {
            primaries.clear();
        }
        let first = primaries.first().map(|(at, _)| *at);
        return first.ok_or("several servers are primaries, and none was promoted");
    }
    let first = primaries.first().map(|(at, _)| *at);
    first.ok_or("none of the servers takes changes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(history: &str, continues: Option<&str>, offset: u64) -> Standing {
        Standing {
            is_primary: true,
            history: history.to_owned(),
            continues: continues.map(str::to_owned),
            offset,
        }
    }

    #[test]
    fn what_a_server_says_of_its_replication_is_read() {
        let info = "# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_replid:aa\r\n\
                    master_replid2:bb\r\nmaster_repl_offset:7\r\nsecond_repl_offset:5\r\n";
        assert_eq!(read(info), primary("aa", Some("bb"), 7));
        let never = info.replace("second_repl_offset:5", "second_repl_offset:-1");
        assert_eq!(read(&never), primary("aa", None, 7));
        assert!(!read("role:slave\r\nmaster_replid:aa\r\n").is_primary);
    }

    #[test]
    fn of_several_primaries_the_one_that_was_promoted_counts() {
        let replica = Standing::default();
        let (old, fresh) = (primary("a", None, 9), primary("c", None, 0));
        let promoted = primary("b", Some("a"), 12);
        let restored = primary("d", Some("a"), 10);
        let back = primary("e", Some("b"), 20);

        assert_eq!(choose(&[Some(&old), Some(&replica)]), Ok(0));
        assert_eq!(choose(&[None, Some(&promoted)]), Ok(1));
        // It was cut off, or restarted without its data or with it.
        assert_eq!(choose(&[Some(&old), Some(&promoted)]), Ok(1));
        assert_eq!(choose(&[Some(&fresh), Some(&promoted)]), Ok(1));
        assert_eq!(choose(&[Some(&restored), Some(&promoted)]), Ok(1));
        assert_eq!(choose(&[Some(&back), Some(&promoted)]), Ok(0));
        assert!(choose(&[Some(&old), Some(&fresh)]).is_err());
        assert!(choose(&[None, Some(&replica)]).is_err());
    }
}
