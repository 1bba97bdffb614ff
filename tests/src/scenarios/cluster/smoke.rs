//! A cluster as its clients see it: one platform, whichever gateway answers.

use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use serde_json::json;

use crate::harness::cluster::{Cluster, PAIR, Stage};

/// Any of the gateways.
pub(super) fn any(n: usize) -> usize {
    usize::try_from(RandomState::new().hash_one(n) % 2).unwrap() % PAIR
}

#[tokio::test]
async fn whichever_gateway_answers_it_is_one_platform() {
    let began = Instant::now();
    let cluster = Cluster::start().await;
    println!("a cluster starts within {:?}", began.elapsed());
    let stage = Stage::on(cluster).await;
    println!("with a tenant and three connectors: {:?}", began.elapsed());
    stage.works().await;

    for wire in [&stage.legacy, &stage.modern, &stage.hosted] {
        let session = wire.open(any(0)).await;
        let mut pids = Vec::new();
        for n in 0..20 {
            let (legacy, modern) = (format!("legacy {n}"), format!("modern {n}"));
            let got = session
                .call(any(n), "echo", json!({ "text": legacy }))
                .await;
            assert_eq!(got.text(), legacy);
            let got = wire.call(any(n), "echo", json!({ "text": modern })).await;
            assert_eq!(got.text(), modern);
            let got = wire.call(any(n), "pid", json!({})).await;
            pids.push(got.text().to_owned());
        }
        pids.dedup();
        assert_eq!(pids.len(), 1, "one server answers: {pids:?}");
        assert_eq!(wire.tools(0).await, wire.tools(1).await);
    }
    // Asserts that it runs once.
    stage.host().await;
    println!("all of it: {:?}", began.elapsed());
}
