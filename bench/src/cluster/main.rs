//! What is measured of a cluster that `deploy/cluster` runs, beside the load that wrk makes.
//!
//! ```text
//! bench-cluster setup READY UPSTREAM KEYS                      a tenant and a connector; prints keys
//! bench-cluster processes READY ROLE…                          prints their ids
//! bench-cluster changes READY UPSTREAM JSON COUNT              from a change to its enforcement
//! bench-cluster tenants READY UPSTREAM JSON CONFIGURED ACTIVE  memory of a gateway by tenants
//! bench-cluster sessions READY UPSTREAM JSON COUNT             legacy sessions in Redis
//! bench-cluster faults READY UPSTREAM JSON SECONDS PROGRAM     what each fault costs clients
//! ```
//!
//! READY is the ready file of the cluster, UPSTREAM the address of `bench-upstream` without a path,
//! and PROGRAM is `bench-upstream` itself. A part prints a table as Markdown and writes its figures
//! to JSON.

mod admin;
mod changes;
mod faults;
mod member;
mod prober;
mod ready;
mod redis;
mod sessions;
mod tenants;

use std::fs;
use std::io::Write;

use anyhow::bail;
use serde_json::Value;

use ready::Cluster;

/// What a part found.
struct Found {
    table: String,
    figures: Value,
}

// One thread: what it starts ends with it, and load is not what is measured here.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = std::io::stdout();
    let (json, found) = match words.as_slice() {
        ["setup", ready, upstream, keys] => {
            let cluster = Cluster::read(ready)?;
            let keys = setup(&cluster, upstream, keys.parse()?).await?;
            writeln!(out, "{}", keys.join(","))?;
            return Ok(());
        }
        ["processes", ready, roles @ ..] => {
            let cluster = Cluster::read(ready)?;
            for member in cluster.members() {
                if roles.contains(&member.role()) {
                    writeln!(out, "{}", member.pid())?;
                }
            }
            return Ok(());
        }
        ["changes", ready, upstream, json, count] => {
            let cluster = Cluster::read(ready)?;
            let found = changes::measure(&cluster, upstream, count.parse()?).await?;
            (json, found)
        }
        ["tenants", ready, upstream, json, configured, active] => {
            let cluster = Cluster::read(ready)?;
            let (configured, active) = (configured.parse()?, active.parse()?);
            let found = tenants::measure(&cluster, upstream, configured, active).await?;
            (json, found)
        }
        ["sessions", ready, upstream, json, count] => {
            let cluster = Cluster::read(ready)?;
            let found = sessions::measure(&cluster, upstream, count.parse()?).await?;
            (json, found)
        }
        ["faults", ready, upstream, json, seconds, program] => {
            let cluster = Cluster::read(ready)?;
            let found = faults::measure(cluster, upstream, program, seconds.parse()?).await?;
            (json, found)
        }
        _ => bail!("usage: bench-cluster setup|processes|changes|tenants|sessions|faults READY …"),
    };
    write!(out, "{}", found.table)?;
    fs::write(json, found.figures.to_string())?;
    Ok(())
}

/// The tenant `bench` with the connector `echo`, and keys for it.
async fn setup(cluster: &Cluster, upstream: &str, keys: usize) -> anyhow::Result<Vec<String>> {
    let mut admin = cluster.admin();
    admin.tenant("bench").await?;
    admin
        .remote("bench", "echo", &format!("{upstream}/mcp"))
        .await?;
    let mut secrets = Vec::new();
    for _ in 0..keys {
        secrets.push(admin.key("bench").await?.secret);
    }
    Ok(secrets)
}
