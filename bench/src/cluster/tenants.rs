//! What a gateway's memory grows by when tenants are configured, and when they are used.
//!
//! Each tenant has one connector with ten tools, and one key. Active is a tenant whose key has called
//! a tool at each gateway.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use bench::client::Client;
use futures_util::future::try_join_all;
use serde_json::json;

use super::Found;
use super::ready::Cluster;

/// Tenants that are set up at once.
const AT_ONCE: usize = 8;
/// Until the tools of a connector have been read.
const LIMIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// For what is still under way when the last answer has come.
const SETTLE: Duration = Duration::from_secs(3);

/// # Errors
/// The cluster cannot be reached, or does not do as it is told.
pub(super) async fn measure(
    cluster: &Cluster,
    upstream: &str,
    configured: usize,
    active: usize,
) -> anyhow::Result<Found> {
    ensure!(
        (1..=configured).contains(&active),
        "1 to {configured} can be active"
    );
    // The first tenant brings what all need.
    configure(cluster, upstream, "t", 0..1, 1).await?;
    settled().await;
    let empty = cluster.gateway_memory()?;

    let began = Instant::now();
    let keys = configure(cluster, upstream, "tenant", 0..configured, active).await?;
    let seconds = began.elapsed().as_secs();
    // The tools of all are read one after the other; the last one's are asked for last.
    activate(cluster, "tenant", &keys[keys.len() - 1..]).await?;
    settled().await;
    let idle = cluster.gateway_memory()?;

    activate(cluster, "tenant", &keys).await?;
    settled().await;
    let used = cluster.gateway_memory()?;

    let mut table = format!(
        "Memory of a gateway, {configured} tenants configured (in {seconds} s), {active} of them active:\n\n| gateway | MiB before | MiB configured | MiB active | KiB for an active tenant |\n|---|---|---|---|---|\n"
    );
    let mut gateways = Vec::new();
    for (gateway, memory) in cluster.of_role("gateway").zip(0..) {
        let of = |all: &[u64]| all[memory] as f64;
        let mib = |all: &[u64]| (of(all) / 102.4).round() / 10.0;
        let each = ((of(&used) - of(&idle)) / active as f64 * 10.0).round() / 10.0;
        let (name, empty, idle, used) = (gateway.name(), mib(&empty), mib(&idle), mib(&used));
        table.push_str(&format!(
            "| {name} | {empty} | {idle} | {used} | {each} |\n"
        ));
        gateways.push(json!({
            "gateway": name, "before_mib": empty, "configured_mib": idle, "active_mib": used,
            "active_tenant_kib": each,
        }));
    }
    let figures = json!({
        "configured": configured, "active": active, "configured_in_s": seconds,
        "gateways": gateways,
    });
    Ok(Found { table, figures })
}

async fn settled() {
    tokio::time::sleep(SETTLE).await;
}

/// Sets tenants up; returns the number of each that shall be active, with its key.
async fn configure(
    cluster: &Cluster,
    upstream: &str,
    name: &str,
    numbers: std::ops::Range<usize>,
    active: usize,
) -> anyhow::Result<Vec<(usize, String)>> {
    let (total, next) = (numbers.len(), AtomicUsize::new(0));
    let lanes = (0..AT_ONCE).map(|lane| {
        let (next, numbers) = (&next, numbers.clone());
        async move {
            let (mut admin, mut keys) = (cluster.admin(), Vec::new());
            if lane % 2 == 1 {
                admin.turn();
            }
            loop {
                let done = next.fetch_add(1, Ordering::Relaxed);
                if done >= total {
                    return anyhow::Ok(keys);
                }
                let (number, slug) = (numbers.start + done, format!("{name}-{done}"));
                admin.tenant(&slug).await?;
                let url = format!("{upstream}/tools/10");
                let config =
                    json!({ "slug": "server", "type": "remote_mcp", "config": { "url": url } });
                admin.connector(&slug, &config, false).await?;
                let key = admin.key(&slug).await?;
                // Spread over all.
                if (done + 1) * active / total > done * active / total {
                    keys.push((number, key.secret));
                }
            }
        }
    });
    let mut keys: Vec<_> = try_join_all(lanes).await?.into_iter().flatten().collect();
    keys.sort_unstable();
    Ok(keys)
}

/// Calls a tool of each tenant at each gateway.
async fn activate(cluster: &Cluster, name: &str, keys: &[(usize, String)]) -> anyhow::Result<()> {
    for gateway in 0..cluster.of_role("gateway").count() {
        let mut client: Option<Client> = None;
        for (number, key) in keys {
            let endpoints = cluster.endpoints(&format!("{name}-{number}"), "server", key)?;
            let target = &endpoints[gateway];
            let client = match &mut client {
                Some(client) => client,
                None => client.insert(Client::connect(target).await?),
            };
            client.set_target(target);
            let began = Instant::now();
            loop {
                let answer = client.call("tool_0000").await?;
                if answer.is_result() {
                    break;
                }
                ensure!(
                    began.elapsed() < LIMIT,
                    "tenant {number}: {}",
                    answer.told()
                );
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
    Ok(())
}
