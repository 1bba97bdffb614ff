//! The network between gateways and workers is half open, stalled or cut.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::cutting_proxy::{CuttingProxy, Network};

use crate::harness::cluster::{Cluster, Stage};
use crate::harness::eventually;

const SOON: Duration = Duration::from_secs(15);

#[tokio::test]
async fn calls_end_in_time_and_go_on_when_the_network_to_a_worker_is_dead() {
    let mut cluster = Cluster::prepare();
    let mut proxies = Vec::new();
    for address in cluster.worker_addresses() {
        proxies.push(CuttingProxy::start(address).await);
    }
    let addresses: Vec<String> = proxies
        .iter()
        .map(|proxy| proxy.address().to_string())
        .collect();
    cluster.advertise_workers(&addresses);
    cluster.launch().await;
    let stage = Stage::on(cluster).await;
    stage.works().await;
    let (host, _) = stage.host().await;

    for network in [Network::Cut, Network::Stalled, Network::HalfOpen] {
        proxies[host].set(network);
        let began = Instant::now();
        let mut worst = Duration::ZERO;
        for n in 0..6 {
            let call = Instant::now();
            let args = json!({ "text": "hi" });
            let got = stage.legacy.call(n % 2, "echo", args).await;
            worst = worst.max(call.elapsed());
            println!("{network:?}: {:?} {}", call.elapsed(), got.is_result());
        }
        eventually(SOON, "calls go by the other worker", async || {
            stage.echoes(&stage.legacy, 0).await.then_some(())
        })
        .await;
        println!("{network:?}: worst {worst:?}, all {:?}", began.elapsed());
        proxies[host].set(Network::Fine);
        let back = Instant::now();
        for gateway in 0..2 {
            eventually(SOON, "all is well again", async || {
                let modern = stage.echoes(&stage.modern, gateway).await;
                (modern && stage.echoes(&stage.hosted, gateway).await).then_some(())
            })
            .await;
        }
        println!("{network:?}: well again after {:?}", back.elapsed());
        assert!(worst < SOON, "{network:?}: a call took {worst:?}");
    }
}
