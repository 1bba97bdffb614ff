//! What the list of nodes says, as metrics. Every control-plane tells of all of them, so that a
//! process that cannot be scraped is seen too.

use std::collections::HashSet;

use ::fabric::Role;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use runtime::Metrics;
use storage::KnownNode;
use uuid::Uuid;

use crate::nodes::{STATES, state};

/// Nodes that are told of one by one: those that are furthest behind.
const NODES_MAX: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Group {
    /// Not `role`: the scrape has that label for who tells.
    node_role: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Node {
    node_role: &'static str,
    node: String,
}

/// Who is there, and how far each gateway is.
pub(super) struct NodeMetrics {
    nodes: Family<Group, Gauge>,
    behind: Family<Node, Gauge>,
    /// Nodes that are told of now.
    told: HashSet<Node>,
}

impl NodeMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        Self {
            nodes: metrics.register(
                "cluster_nodes",
                "Processes that were heard of within ten minutes, by role and state",
                Family::<Group, Gauge>::default(),
            ),
            behind: metrics.register(
                "cluster_node_revisions_behind",
                "Changes that a node that is not silent does not enforce yet",
                Family::<Node, Gauge>::default(),
            ),
            told: HashSet::new(),
        }
    }

    /// What holds now; `latest` is the newest revision.
    pub(super) fn set(&mut self, nodes: &[KnownNode], latest: i64) {
        for role in Role::ALL {
            for group in STATES {
                let counted = |known: &&KnownNode| known.node.role == role && of(known) == group;
                let count = nodes.iter().filter(counted).count();
                let labels = Group {
                    node_role: role.as_str(),
                    state: group,
                };
                let gauge = self.nodes.get_or_create_owned(&labels);
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        // Workers enforce what their calls name: they are never behind.
        let mut following: Vec<(i64, Uuid)> = nodes
            .iter()
            .filter(|known| known.node.role == Role::Gateway && of(known) != "silent")
            .map(|known| ((latest - known.node.enforced).max(0), known.node.id))
            .collect();
        following.sort_unstable_by(|a, b| b.cmp(a));
        following.truncate(NODES_MAX);
        let mut told = HashSet::new();
        for (behind, id) in following {
            let labels = Node {
                node_role: Role::Gateway.as_str(),
                node: id.to_string(),
            };
            self.behind.get_or_create_owned(&labels).set(behind);
            told.insert(labels);
        }
        for gone in self.told.difference(&told) {
            self.behind.remove(gone);
        }
        self.told = told;
    }
}

fn of(known: &KnownNode) -> &'static str {
    state(known.node.draining, known.silent_for)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::OffsetDateTime;

    use super::*;

    fn node(number: u128, role: Role, enforced: i64, silent_for: Duration) -> KnownNode {
        KnownNode {
            node: storage::Node {
                id: Uuid::from_u128(number),
                role,
                version: "1".to_owned(),
                address: String::new(),
                started_at: OffsetDateTime::UNIX_EPOCH,
                enforced,
                load: 0,
                capacity: 0,
                draining: number == 3,
            },
            last_seen: OffsetDateTime::UNIX_EPOCH,
            silent_for,
        }
    }

    #[test]
    fn nodes_are_counted_and_only_those_that_are_there_can_be_behind() {
        let metrics = Metrics::default();
        let mut measured = NodeMetrics::register(&metrics);
        let (heard, silent) = (Duration::ZERO, Duration::from_secs(60));
        let mut nodes = vec![
            node(1, Role::Gateway, 7, heard),
            node(2, Role::Gateway, 2, silent),
            node(3, Role::Gateway, 9, heard),
            node(4, Role::Worker, 0, heard),
        ];
        measured.set(&nodes, 9);
        let text = metrics.encode();
        let says = |line: &str| assert!(text.contains(line), "{line} is not in\n{text}");
        for state in ["ready", "draining", "silent"] {
            says(&format!(
                "turnbuckle_cluster_nodes{{node_role=\"gateway\",state=\"{state}\"}} 1\n"
            ));
        }
        says("turnbuckle_cluster_nodes{node_role=\"worker\",state=\"ready\"} 1\n");
        says("turnbuckle_cluster_nodes{node_role=\"control-plane\",state=\"ready\"} 0\n");
        let behind = |text: &str| {
            let name = "turnbuckle_cluster_node_revisions_behind{";
            text.lines().filter(|line| line.starts_with(name)).count()
        };
        assert_eq!(behind(&text), 2);
        says(&format!("node=\"{}\"}} 2\n", Uuid::from_u128(1)));

        nodes.remove(0);
        measured.set(&nodes, 9);
        assert_eq!(behind(&metrics.encode()), 1, "who is gone is not told of");
    }
}
