use std::collections::HashMap;

use domain::ConnectorId;
use runtime::SystemClock;
use uuid::Uuid;

use super::*;
use crate::{PoolConfig, Role, Trust, TrustConfig, WorkerAddress, WorkerPool};

fn worker(node: &str, load: u32) -> WorkerAddress {
    WorkerAddress {
        node: node.to_owned(),
        address: "127.0.0.1:1".to_owned(),
        capacity: 100,
        load,
        draining: false,
    }
}

fn pool(workers: Vec<WorkerAddress>) -> WorkerPool {
    let config = TrustConfig {
        insecure_loopback: true,
        ..TrustConfig::default()
    };
    let trust = Trust::load(&config, Role::Gateway, "g1", Arc::new(SystemClock)).unwrap();
    let pool = WorkerPool::new(PoolConfig::default(), &trust);
    pool.set(workers);
    pool
}

fn owners(pool: &WorkerPool) -> Vec<String> {
    let owner = |n| {
        let key = key_of(ConnectorId::new(Uuid::from_u128(n)));
        by_rendezvous(pool.0.open(), key)[0].node.clone()
    };
    (0..1000).map(owner).collect()
}

#[test]
fn the_hash_is_the_same_in_every_release() {
    assert_eq!(hash(b""), 0xf52a_15e9_a9b5_e89b);
    assert_eq!(hash(b"worker-1"), 0xecd1_384d_da7e_32f2);
}

#[test]
fn a_connector_moves_only_when_its_worker_goes_or_a_new_one_takes_it() {
    let all = pool(vec![worker("a", 0), worker("b", 90), worker("c", 0)]);
    let before = owners(&all);
    for node in ["a", "b", "c"] {
        let count = before.iter().filter(|owner| *owner == node).count();
        assert!((250..420).contains(&count), "{node} has {count} of 1000");
    }

    all.set(vec![worker("c", 5), worker("a", 0)]);
    for (before, after) in before.iter().zip(owners(&all)) {
        assert!(*before == after || before == "b");
    }
    all.set(vec![
        WorkerAddress {
            draining: true,
            ..worker("b", 0)
        },
        worker("a", 0),
        worker("c", 0),
        worker("d", 0),
    ]);
    for (before, after) in before.iter().zip(owners(&all)) {
        assert!(
            after == *before || before == "b" || after == "d",
            "{before} {after}"
        );
        assert!(after != "b");
    }
}

#[test]
fn calls_without_affinity_go_to_the_less_loaded_of_two() {
    let pool = pool(vec![
        worker("a", 0),
        worker("b", 50),
        worker("c", 0),
        worker("d", 50),
    ]);
    let mut first: HashMap<String, u32> = HashMap::new();
    for _ in 0..1200 {
        let order = pool.0.lightly_loaded();
        assert_eq!(order.len(), 4);
        *first.entry(order[0].node.clone()).or_default() += 1;
    }
    // b and d are chosen only when chance picks just those two: a sixth of all.
    let count = |node| first.get(node).copied().unwrap_or_default();
    assert!((420..580).contains(&count("a")), "{first:?}");
    assert!((420..580).contains(&count("c")), "{first:?}");
    assert!((120..280).contains(&(count("b") + count("d"))), "{first:?}");
}
