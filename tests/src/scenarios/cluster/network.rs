//! The network between the roles is slow, half open, stalled or cut.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::cutting_proxy::{CuttingProxy, Network};

use crate::harness::cluster::{Cluster, PAIR, Stage, Traffic};
use crate::harness::eventually;

const SOON: Duration = Duration::from_secs(15);
/// What a slow network adds to every piece, each way.
const DELAY: Duration = Duration::from_millis(200);
/// How long the network to control-planes stays bad: longer than it takes to notice.
const BAD: Duration = Duration::from_secs(7);

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

    for network in [
        Network::Slow(DELAY),
        Network::Cut,
        Network::Stalled,
        Network::HalfOpen,
    ] {
        proxies[host].set(network);
        let began = Instant::now();
        let mut worst = Duration::ZERO;
        for n in 0..6 {
            let call = Instant::now();
            // That of the hosted server belongs to the worker whose network it is.
            let wire = [&stage.hosted, &stage.legacy][n % 2];
            let got = wire.call(n / 2 % 2, "echo", json!({ "text": "hi" })).await;
            if network == Network::Slow(DELAY) {
                assert!(got.is_result(), "{got:?}");
                assert!(n % 2 == 1 || call.elapsed() > 2 * DELAY, "it passes there");
            }
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

/// What the network between `role` and all control-planes does, calls go on; and nothing is left of
/// it once it is well.
async fn calls_go_on_while_control_planes_are_cut_off_from(role: &str) {
    let mut cluster = Cluster::prepare();
    let mut proxies = Vec::new();
    for address in cluster.fabric_addresses() {
        proxies.push((address.clone(), CuttingProxy::start(address).await));
    }
    cluster.configure_further(role, |mut toml| {
        for (address, proxy) in &proxies {
            toml = toml.replace(address.as_str(), &proxy.address().to_string());
        }
        toml
    });
    cluster.launch().await;
    let stage = Stage::on(cluster).await;
    stage.works().await;
    let all = [&stage.legacy, &stage.modern, &stage.hosted];
    let traffic = Traffic::start(&all, &[0, 1]).await;
    let members = match role {
        "gateway" => &stage.cluster.gateways,
        _ => &stage.cluster.workers,
    };
    let descriptors = || members.iter().map(|member| member.holds().descriptors);
    let before: Vec<usize> = descriptors().collect();
    let mut enabled = false;

    for network in [
        Network::Slow(DELAY),
        Network::Cut,
        Network::Stalled,
        Network::HalfOpen,
    ] {
        proxies.iter().for_each(|(_, proxy)| proxy.set(network));
        let began = Instant::now();
        if !matches!(network, Network::Slow(_)) {
            for member in members {
                eventually(SOON, "it says that it is degraded", async || {
                    (member.ready().await["status"] == "degraded").then_some(())
                })
                .await;
            }
            println!(
                "{role}, {network:?}: it says so after {:?}",
                began.elapsed()
            );
        }
        tokio::time::sleep(BAD.saturating_sub(began.elapsed())).await;
        let tally = traffic.take();
        println!("{role}, {network:?}: {tally:?}");
        tally.unharmed();

        proxies
            .iter()
            .for_each(|(_, proxy)| proxy.set(Network::Fine));
        let back = Instant::now();
        for member in members {
            eventually(SOON, "it is ready again", async || {
                (member.ready().await["status"] == "ready").then_some(())
            })
            .await;
        }
        let path = "/tenants/acme/connectors/legacy/tools/hold";
        let patch = json!({ "enabled": enabled });
        stage.cluster.admin(0).patch(path, &patch).await.expect(200);
        for gateway in 0..PAIR {
            eventually(SOON, "changes are enforced again", async || {
                let tools = stage.legacy.tools(gateway).await;
                (tools.contains(&"hold".to_owned()) == enabled).then_some(())
            })
            .await;
        }
        enabled = !enabled;
        println!("{role}, {network:?}: well again after {:?}", back.elapsed());
        eventually(SOON, "no connection is left over", async || {
            let mut both = descriptors().zip(&before);
            both.all(|(now, before)| now <= before + 6).then_some(())
        })
        .await;
    }
    traffic.take().unharmed();
    stage.works().await;
}

#[tokio::test]
async fn calls_go_on_when_the_network_between_gateways_and_control_planes_is_bad() {
    calls_go_on_while_control_planes_are_cut_off_from("gateway").await;
}

#[tokio::test]
async fn calls_go_on_when_the_network_between_workers_and_control_planes_is_bad() {
    calls_go_on_while_control_planes_are_cut_off_from("worker").await;
}
