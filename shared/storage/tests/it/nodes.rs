use std::time::Duration;

use fabric::Role;
use storage::Node;
use storage::testing::each_storage;
use uuid::Uuid;

use crate::fixtures::{at, raw};

const MINUTE: Duration = Duration::from_secs(60);

fn node(number: u128, role: Role) -> Node {
    Node {
        id: Uuid::from_u128(number),
        role,
        version: "0.1.0".to_owned(),
        address: "https://10.0.0.1:7000".to_owned(),
        started_at: at(0),
        enforced: 7,
        load: 3,
        capacity: 100,
        draining: false,
    }
}

#[tokio::test]
async fn nodes_are_known_as_they_reported_last() {
    for storage in each_storage().await {
        let worker = node(1, Role::Worker);
        let gateway = node(2, Role::Gateway);
        let plane = node(3, Role::ControlPlane);
        let all = [worker.clone(), gateway.clone(), plane.clone()];
        storage.save_nodes(&all).await.unwrap();
        let later = Node {
            enforced: 9,
            load: 0,
            draining: true,
            ..worker
        };
        storage
            .save_nodes(std::slice::from_ref(&later))
            .await
            .unwrap();

        let known = storage.list_nodes(MINUTE).await.unwrap();

        assert!(known.iter().all(|known| known.silent_for < MINUTE));
        let nodes: Vec<_> = known.into_iter().map(|known| known.node).collect();
        assert_eq!(nodes, [plane, gateway, later], "on {}", storage.backend());
        assert_eq!(storage.last_revision().await.unwrap(), 0, "no change");
    }
}

#[tokio::test]
async fn nodes_that_say_goodbye_or_fall_silent_are_forgotten() {
    for storage in each_storage().await {
        let all: Vec<_> = (1..=3).map(|n| node(n, Role::Worker)).collect();
        storage.save_nodes(&all).await.unwrap();
        let silent = "UPDATE nodes SET last_seen = last_seen - 120000000 WHERE load = 50";
        let loud = Node {
            load: 50,
            ..all[1].clone()
        };
        storage.save_nodes(&[loud]).await.unwrap();
        raw(&storage, silent).await;

        storage.forget_node(all[0].id).await.unwrap();
        let ids = |known: Vec<storage::KnownNode>| -> Vec<_> {
            known.into_iter().map(|known| known.node.id).collect()
        };
        let recent = ids(storage.list_nodes(MINUTE).await.unwrap());
        assert_eq!(recent, [all[2].id], "on {}", storage.backend());
        assert_eq!(storage.prune_nodes(10 * MINUTE).await.unwrap(), 0);
        assert_eq!(ids(storage.list_nodes(10 * MINUTE).await.unwrap()).len(), 2);
        assert_eq!(storage.prune_nodes(MINUTE).await.unwrap(), 1);
        let left = ids(storage.list_nodes(10 * MINUTE).await.unwrap());
        assert_eq!(left, [all[2].id]);
    }
}
