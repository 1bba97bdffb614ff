//! Nodes and workers, as they stand on the wire.

use fabric::{NodeInfo, WorkerAddress};
use proto::fabric::v1 as wire;

use crate::convert::{Invalid, role_from, role_to, time_from, time_to};

/// Characters of a node's name, version or address.
const TEXT_MAX: usize = 256;

pub(super) fn hello(node: &NodeInfo, known_revision: i64) -> wire::Hello {
    wire::Hello {
        node: node.id.clone(),
        role: role_to(node.role).into(),
        version: node.version.clone(),
        address: node.address.clone(),
        known_revision,
        capacity: node.capacity,
        started_at: Some(time_to(node.started_at)),
    }
}

pub(super) fn node(hello: wire::Hello) -> Result<NodeInfo, Invalid> {
    let role = role_from(hello.role())?;
    let text = |field: &'static str, text: String| {
        let fine = !text.is_empty() && text.len() <= TEXT_MAX && !text.contains(char::is_control);
        fine.then_some(text).ok_or(Invalid(field))
    };
    Ok(NodeInfo {
        id: text("node", hello.node)?,
        role,
        version: text("version", hello.version)?,
        address: text("address", hello.address)?,
        capacity: hello.capacity,
        started_at: time_from(hello.started_at.ok_or(Invalid("started_at"))?)?,
    })
}

pub(super) fn workers_to(workers: &[WorkerAddress]) -> wire::Workers {
    let worker = |worker: &WorkerAddress| wire::Worker {
        node: worker.node.clone(),
        address: worker.address.clone(),
        capacity: worker.capacity,
        load: worker.load,
        draining: worker.draining,
    };
    wire::Workers {
        workers: workers.iter().map(worker).collect(),
    }
}

pub(super) fn workers_from(workers: wire::Workers) -> Vec<WorkerAddress> {
    let worker = |worker: wire::Worker| WorkerAddress {
        node: worker.node,
        address: worker.address,
        capacity: worker.capacity,
        load: worker.load,
        draining: worker.draining,
    };
    workers.workers.into_iter().map(worker).collect()
}
