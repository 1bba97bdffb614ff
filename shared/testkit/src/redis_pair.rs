//! A private Redis with a replica that a test can put in its place.

use std::time::{Duration, Instant};

use crate::redis::Redis;

const WITHIN: Duration = Duration::from_secs(30);

/// A primary and its replica, of this test's own. They end when this is dropped.
#[derive(Debug)]
pub struct RedisPair {
    /// Made the primary.
    pub first: Redis,
    /// Made the replica.
    pub second: Redis,
}

impl RedisPair {
    /// Starts both and waits until the replica is in step.
    ///
    /// # Panics
    /// When no Redis is installed, or they do not come up.
    pub fn start() -> Self {
        let first = Redis::with_options(&["--repl-diskless-sync-delay", "0"]);
        let port = first.port().to_string();
        let second = Redis::with_options(&["--replicaof", "127.0.0.1", &port]);
        let start = Instant::now();
        let is_in_step = || {
            let role = second.run(&["ROLE"]);
            let primary = first.run(&["INFO", "replication"]);
            role.lines().any(|line| line == "connected") && primary.contains("state=online")
        };
        while !is_in_step() {
            assert!(start.elapsed() < WITHIN, "the replica is not in step");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { first, second }
    }

    /// Waits until the replica has all that the primary has. `WAIT` tells that of its own
    /// connection's writes alone, and a replica gets none before it has spoken for the first time.
    ///
    /// # Panics
    /// When it falls behind for good.
    pub fn settle(&self) {
        let offset = |server: &Redis, name: &str| {
            let info = server.run(&["INFO", "replication"]);
            let found = info.lines().find_map(|line| line.strip_prefix(name));
            found.map(|offset| offset.trim().to_owned())
        };
        let start = Instant::now();
        while offset(&self.first, "master_repl_offset:")
            != offset(&self.second, "slave_repl_offset:")
        {
            assert!(start.elapsed() < WITHIN, "the replica is behind");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The addresses that a client is given.
    pub fn urls(&self) -> Vec<String> {
        vec![self.first.url(), self.second.url()]
    }

    /// Makes the replica the primary, as whoever watches over them would, whatever became of the
    /// first.
    ///
    /// # Panics
    /// When it refuses.
    pub fn promote(&self) {
        self.second.run(&["REPLICAOF", "NO", "ONE"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_takes_the_place_of_its_primary_with_what_that_had() {
        let mut pair = RedisPair::start();
        pair.first.run(&["SET", "key", "value"]);
        pair.settle();

        pair.first.kill();
        pair.promote();

        assert_eq!(pair.second.run(&["GET", "key"]), "value");
        assert!(pair.second.run(&["ROLE"]).starts_with("master"));
    }
}
