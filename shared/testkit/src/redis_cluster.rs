//! A private Redis Cluster of three masters, and replicas of them.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::redis::Redis;

const WITHIN: Duration = Duration::from_secs(30);
/// What each master holds: all slots, in three parts.
const SLOTS: [(&str, &str); 3] = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
const OPTIONS: [&str; 8] = [
    "--cluster-enabled",
    "yes",
    // How soon a master that says nothing is taken for dead.
    "--cluster-node-timeout",
    "1000",
    "--cluster-replica-validity-factor",
    "0",
    "--repl-diskless-sync-delay",
    "0",
];

/// A cluster of this test's own. Ends when it is dropped.
#[derive(Debug)]
pub struct RedisCluster {
    /// The first three were made masters, each of the others the replica of one, in order.
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts a cluster with a replica of the first master, and waits until it serves.
    ///
    /// # Panics
    /// When no Redis is installed or the cluster does not come up.
    pub fn start() -> Self {
        Self::with_replicas(1)
    }

    /// Starts a cluster with replicas of so many of its masters, and waits until it serves.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn with_replicas(replicas: usize) -> Self {
        let start = || std::thread::spawn(|| Redis::in_cluster(&OPTIONS));
        let starting: Vec<_> = (0..SLOTS.len() + replicas).map(|_| start()).collect();
        let nodes = starting.into_iter().map(|node| node.join());
        let nodes: Result<Vec<Redis>, _> = nodes.collect();
        let cluster = Self {
            nodes: nodes.expect("each of them says why it does not start"),
        };
        for (at, node) in cluster.nodes.iter().enumerate() {
            node.run(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
            if let Some((first, last)) = SLOTS.get(at) {
                node.run(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
            }
            let (port, bus) = (node.port().to_string(), node.bus_port().to_string());
            cluster.nodes[0].run(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        for (master, replica) in cluster.nodes.iter().zip(cluster.replicas()) {
            let master = master.run(&["CLUSTER", "MYID"]);
            wait_for("the replica knows its master", || {
                replica.try_run(&["CLUSTER", "REPLICATE", &master]).is_ok()
            });
        }
        cluster.settle();
        cluster
    }

    fn replicas(&self) -> &[Redis] {
        &self.nodes[SLOTS.len()..]
    }

    /// The addresses a client connects to.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// Makes the replica the master of the first part, as an operator would.
    ///
    /// # Panics
    /// When that does not happen.
    pub fn promote(&self) {
        let replica = &self.nodes[3];
        replica.run(&["CLUSTER", "FAILOVER"]);
        self.wait_for_promotion();
    }

    /// Waits until the replica of the first master is one itself.
    ///
    /// # Panics
    /// When that does not happen.
    pub fn wait_for_promotion(&self) {
        let replica = &self.nodes[3];
        wait_for("the replica is promoted", || {
            replica.run(&["ROLE"]).starts_with("master")
                && replica
                    .run(&["CLUSTER", "INFO"])
                    .contains("cluster_state:ok")
        });
    }

    fn settle(&self) {
        let all = format!("cluster_known_nodes:{}", self.nodes.len());
        wait_for("all nodes agree", || {
            self.nodes.iter().all(|node| {
                let info = node.run(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains(&all)
            })
        });
        wait_for("the replicas are in step", || {
            let in_step = |replica: &Redis| {
                let role = replica.run(&["ROLE"]);
                role.lines().any(|line| line == "connected")
            };
            self.replicas().iter().all(in_step)
        });
        wait_for("all nodes know the replicas", || {
            self.nodes.iter().all(|node| {
                let known = node.run(&["CLUSTER", "NODES"]);
                let replicas = known.lines().filter(|line| line.contains("slave"));
                replicas.count() == self.replicas().len()
            })
        });
    }
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < WITHIN, "in vain: {what}");
        sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_serves_each_slot_and_outlives_a_master() {
        let mut cluster = RedisCluster::start();
        let slots = cluster.nodes[0].run(&["CLUSTER", "INFO"]);
        assert!(slots.contains("cluster_slots_ok:16384"), "{slots}");

        cluster.nodes[0].kill();
        cluster.wait_for_promotion();

        assert_eq!(
            cluster.nodes[3].run(&["SET", "{06S}", "in the first part"]),
            "OK"
        );
    }
}
