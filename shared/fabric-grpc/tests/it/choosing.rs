//! Which worker it is, and what control-planes ask of all.

use std::collections::BTreeSet;

use domain::{ConnectorId, KeyId, TenantId};
use fabric::*;
use uuid::Uuid;

use crate::rig::*;

fn three() -> [Behind; 3] {
    ["a", "b", "c"].map(|name| Behind::new(Worker::answering(&format!("\"{name}\""))))
}

fn addresses(workers: &[Behind; 3]) -> Vec<WorkerAddress> {
    let names = ["a", "b", "c"].iter();
    names
        .zip(workers)
        .map(|(name, worker)| worker.told(name))
        .collect()
}

async fn served_by(pool: &dyn Execute, affinity: Affinity, connector: u128, key: u128) -> String {
    let mut call = call();
    call.affinity = affinity;
    call.connector = ConnectorId::new(Uuid::from_u128(connector));
    call.principal.key = KeyId::new(Uuid::from_u128(key));
    text(&within(pool.execute(call, None)).await)
}

#[tokio::test]
async fn calls_of_one_affinity_go_to_one_worker_from_every_gateway() {
    let workers = three();
    let (one, other) = (pool(addresses(&workers)), {
        let mut reversed = addresses(&workers);
        reversed.reverse();
        pool(reversed)
    });
    let (mut owners, mut sharers) = (BTreeSet::new(), BTreeSet::new());
    for connector in 0..20 {
        let owner = served_by(&one, Affinity::Connector, connector, 1).await;
        for key in 0..3 {
            let found = served_by(&other, Affinity::Connector, connector, key).await;
            assert_eq!(found, owner);
        }
        owners.insert(owner);
        let own = served_by(&one, Affinity::Principal, 1, connector).await;
        let found = served_by(&other, Affinity::Principal, 1, connector).await;
        assert_eq!(found, own);
        sharers.insert(own);
    }
    assert_eq!((owners.len(), sharers.len()), (3, 3));
}

#[tokio::test]
async fn a_connector_moves_when_its_worker_goes_and_others_stay() {
    let workers = three();
    let pool = pool(addresses(&workers));
    let mut before = Vec::new();
    for connector in 0..20 {
        before.push(served_by(&pool, Affinity::Connector, connector, 1).await);
    }
    workers[1].served.kill();
    within(workers[1].served.process.tasks.finished()).await;

    for (connector, before) in (0..).zip(before) {
        let after = served_by(&pool, Affinity::Connector, connector, 1).await;
        match before == "\"b\"" {
            true => assert_ne!(after, before),
            false => assert_eq!(after, before),
        }
    }
}

#[tokio::test]
async fn calls_without_affinity_are_spread() {
    let workers = three();
    let pool = pool(addresses(&workers));
    for _ in 0..90 {
        served_by(&pool, Affinity::None, 1, 1).await;
    }
    let counts = workers.each_ref().map(|worker| worker.worker.count());
    assert!(counts.iter().all(|count| *count >= 10), "{counts:?}");
}

#[tokio::test]
async fn the_reading_of_tools_waits_for_a_worker_that_is_on_its_way() {
    let worker = Behind::new(Worker::answering("\"a\""));
    let pool = pool_of(&trust(&insecure(), Role::ControlPlane), Vec::new());
    let (tenant, connector) = (
        TenantId::new(Uuid::from_u128(1)),
        ConnectorId::new(Uuid::from_u128(7)),
    );

    let comes = async {
        // The reading has begun, and found nobody.
        tokio::task::yield_now().await;
        pool.set(vec![worker.told("a")]);
    };
    let (read, ()) =
        within(async { tokio::join!(pool.list_tools(tenant, connector, 1), comes) }).await;
    assert_eq!(
        read.unwrap_err().kind,
        FailureKind::Credential,
        "it was asked"
    );

    worker.served.kill();
    within(worker.served.process.tasks.finished()).await;
    pool.set(Vec::new());
    let read = within(pool.list_tools(tenant, connector, 1))
        .await
        .unwrap_err();
    assert_eq!(
        (read.kind, read.effect),
        (FailureKind::Unreachable, Effect::None)
    );
}

#[tokio::test]
async fn a_connector_is_released_everywhere_and_its_tools_are_read_by_its_owner() {
    let workers = three();
    let control_plane = trust(&insecure(), Role::ControlPlane);
    let pool = pool_of(&control_plane, addresses(&workers));
    let (tenant, connector) = (
        TenantId::new(Uuid::from_u128(1)),
        ConnectorId::new(Uuid::from_u128(7)),
    );

    let read = within(pool.list_tools(tenant, connector, 1)).await;
    assert_eq!(read.unwrap_err().kind, FailureKind::Credential);
    assert_eq!(within(pool.process(tenant, connector)).await, None);
    assert!(within(pool.stderr(tenant, connector)).await.is_empty());
    within(pool.release(tenant, connector)).await;
    within(pool.forget(tenant, connector)).await;

    let asked = workers
        .each_ref()
        .map(|worker| worker.worker.asked.lock().unwrap().clone());
    let mut lists = 0;
    for asked in asked {
        let own = asked.iter().map(|line| line.split(' ').next().unwrap());
        let own: Vec<_> = own.collect();
        let (first, rest) = own.split_at(own.len() - 4);
        lists += first.len();
        assert_eq!(rest, ["process", "stderr", "release", "forget"]);
    }
    assert_eq!(lists, 1);
    // The hand that runs calls may not do this, nor the other way round.
    let gateway = crate::rig::pool(addresses(&workers));
    let refused = within(gateway.list_tools(tenant, connector, 1)).await;
    assert_eq!(refused.unwrap_err().effect, Effect::None);
    let refused = failure(within(pool.execute(call(), None)).await);
    assert_eq!(
        (refused.kind, refused.effect),
        (FailureKind::Internal, Effect::None)
    );
}
