//! Many legacy sessions in Redis: what they cost, and what a call costs at a gateway that has never
//! seen its session.

use std::time::{Duration, Instant};

use anyhow::ensure;
use bench::client::{Client, Target};
use bench::figures::Sorted;
use futures_util::future::try_join_all;
use serde_json::json;

use super::Found;
use super::ready::Cluster;
use super::redis::used_memory;

const TENANT: &str = "sessions";
/// Connections that begin sessions.
const AT_ONCE: usize = 16;
/// Sessions of which a call is measured at most.
const CALLED: usize = 1000;
/// For what is still under way when the last answer has come.
const SETTLE: Duration = Duration::from_secs(2);

/// # Errors
/// The cluster cannot be reached, or does not do as it is told.
pub(super) async fn measure(
    cluster: &Cluster,
    upstream: &str,
    count: usize,
) -> anyhow::Result<Found> {
    let url = format!("{upstream}/mcp");
    let (_, _, gateways) = cluster.tenant(TENANT, "echo", &url).await?;
    ensure!(gateways.len() > 1, "it takes two gateways");
    let [home, other] = [&gateways[0], &gateways[1]];
    // What the first call makes anew is not what a session costs.
    for gateway in [home, other] {
        let session = begin(gateway, 1).await?;
        timed(gateway, &session).await?;
    }
    tokio::time::sleep(SETTLE).await;
    let (memory, redis) = (
        cluster.gateway_memory()?,
        used_memory(cluster.redis()?).await?,
    );

    let lanes = (0..AT_ONCE).map(|lane| begin(home, (count + lane) / AT_ONCE));
    let sessions: Vec<String> = try_join_all(lanes).await?.into_iter().flatten().collect();
    tokio::time::sleep(SETTLE).await;
    let (memory_with, redis_with) = (
        cluster.gateway_memory()?,
        used_memory(cluster.redis()?).await?,
    );

    let some: Vec<String> = sessions
        .iter()
        .step_by(count.div_ceil(CALLED).max(1))
        .cloned()
        .collect();
    let (elsewhere, at_home) = (timed(other, &some).await?, timed(home, &some).await?);

    let each = |before: u64, after: u64| (after as f64 - before as f64) / count as f64;
    let gateway_bytes: Vec<f64> = memory
        .iter()
        .zip(&memory_with)
        .map(|(before, after)| (each(*before, *after) * 1024.0).round())
        .collect();
    let redis_bytes = each(redis, redis_with).round();
    let [first, later] = [&elsewhere, &at_home].map(|took| {
        let micros = |percent| took.percentile(percent).as_micros();
        (micros(50), micros(99))
    });
    let (count, called) = (sessions.len(), some.len());
    let table = format!(
        "{count} legacy sessions, begun at the first gateway; a call in each of {called} of them, one after the other:\n\n\
         | bytes for each: Redis | first gateway | second gateway | call at the second gateway µs, p50 | p99 | at the first gateway µs, p50 | p99 |\n|---|---|---|---|---|---|---|\n\
         | {redis_bytes} | {} | {} | {} | {} | {} | {} |\n",
        gateway_bytes[0], gateway_bytes[1], first.0, first.1, later.0, later.1,
    );
    let figures = json!({
        "count": count, "redis_bytes": redis_bytes, "gateway_bytes": gateway_bytes,
        "called": called,
        "elsewhere_us": { "p50": first.0, "p99": first.1 },
        "at_home_us": { "p50": later.0, "p99": later.1 },
    });
    Ok(Found { table, figures })
}

/// Begins sessions over one connection.
async fn begin(gateway: &Target, count: usize) -> anyhow::Result<Vec<String>> {
    let mut client = Client::connect(gateway).await?;
    let mut sessions = Vec::with_capacity(count);
    for _ in 0..count {
        sessions.push(client.initialize().await?);
    }
    Ok(sessions)
}

/// A call in each session.
async fn timed(gateway: &Target, sessions: &[String]) -> anyhow::Result<Sorted> {
    let mut client = Client::connect(gateway).await?;
    let mut took = Vec::with_capacity(sessions.len());
    for session in sessions {
        let began = Instant::now();
        let answer = client.call_in(session, "echo").await?;
        took.push(began.elapsed());
        ensure!(answer.is_result(), "{}", answer.told());
    }
    Ok(Sorted::of(took))
}
