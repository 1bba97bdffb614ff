//! From a change of configuration to its enforcement on every gateway.
//!
//! Four kinds of changes take turns, each at the other control-plane: a tool is switched off, and on;
//! a key is made, and revoked. Time runs from the sending of the admin request until a `tools/call`
//! at each gateway has been answered as the change demands; calls are made one after the other, a
//! millisecond apart, on a connection to each gateway. All the while other clients call.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bench::client::{Answer, Client, Target};
use bench::figures::{Sorted, millis};
use futures_util::future::try_join_all;
use http::Method;
use serde_json::{Value, json};

use super::Found;
use super::admin::{Admin, Key};
use super::prober::{Era, Plan, Prober, durations};
use super::ready::Cluster;

const TENANT: &str = "changes";
/// The tool that is switched.
const SWITCHED: &str = "tool_0001";
/// The tool that other clients call.
const CALLED: &str = "tool_0000";

const LOOK_EVERY: Duration = Duration::from_millis(1);
/// A change that is not enforced by then is a failure of the bench.
const LIMIT: Duration = Duration::from_secs(20);

/// Other clients at each gateway; with their pause about 300 calls/s together.
const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(25);

/// What is changed, and so what a call must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ToolOff,
    ToolOn,
    KeyMade,
    KeyRevoked,
}

const KINDS: [(Kind, &str); 4] = [
    (Kind::ToolOff, "tool switched off"),
    (Kind::ToolOn, "tool switched on"),
    (Kind::KeyMade, "key made"),
    (Kind::KeyRevoked, "key revoked"),
];

impl Kind {
    fn is_enforced(self, answer: &Answer) -> bool {
        match self {
            Self::ToolOn | Self::KeyMade => answer.is_result(),
            Self::ToolOff => {
                let disabled = b"Tool is disabled";
                answer
                    .body
                    .windows(disabled.len())
                    .any(|part| part == disabled)
            }
            Self::KeyRevoked => answer.status == 401,
        }
    }
}

struct Watch {
    clients: Vec<Client>,
    admin: Admin,
    /// The key whose calls show whether a tool is on.
    lasting: String,
    /// The key that was made last.
    made: Option<Key>,
}

/// # Errors
/// The cluster cannot be reached, or does not do as it is told.
pub(super) async fn measure(
    cluster: &Cluster,
    upstream: &str,
    count: usize,
) -> anyhow::Result<Found> {
    let url = format!("{upstream}/tools/3");
    let (admin, key, gateways) = cluster.tenant(TENANT, "server", &url).await?;
    let prober = others(&gateways);
    prober.well(Instant::now(), Duration::from_secs(1)).await?;

    let mut watch = Watch {
        clients: try_join_all(gateways.iter().map(Client::connect)).await?,
        admin,
        lasting: key,
        made: None,
    };
    let (began, mut took) = (Instant::now(), vec![Vec::new(); KINDS.len()]);
    for change in 0..count {
        let kind = change % KINDS.len();
        if kind == 0 {
            watch.admin.turn();
        }
        let enforced = watch.change(KINDS[kind].0).await;
        took[kind].push(enforced.with_context(|| KINDS[kind].1)?);
    }
    let load = prober.look(|notes| {
        let samples = notes.samples.iter().filter(|sample| sample.began >= began);
        let failed = samples.clone().filter(|sample| !sample.good).count();
        (durations(samples), failed)
    });
    let all = ("all", Sorted::of(took.iter().flatten().copied().collect()));
    let kinds = KINDS.iter().zip(took);
    let mut rows: Vec<_> = kinds
        .map(|((_, name), took)| (*name, Sorted::of(took)))
        .collect();
    rows.push(all);
    Ok(found(&rows, &load, began.elapsed()))
}

/// The load beside the changes.
fn others(gateways: &[Target]) -> Prober {
    let plans = gateways.iter().flat_map(|gateway| {
        let plan = Plan {
            gateways: vec![gateway.clone()],
            era: Era::Modern,
            tool: CALLED,
            pause: PAUSE,
        };
        std::iter::repeat_n(plan, CLIENTS)
    });
    Prober::start(plans.collect())
}

impl Watch {
    /// Makes a change; returns how long it took until it was enforced everywhere.
    async fn change(&mut self, kind: Kind) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let enforced_at = match kind {
            Kind::ToolOff | Kind::ToolOn => {
                let path = format!("/tenants/{TENANT}/connectors/server/tools/{SWITCHED}");
                let patch = json!({ "enabled": kind == Kind::ToolOn });
                let (admin, clients, key) = (&mut self.admin, &mut self.clients, &self.lasting);
                // What it does may be seen before its answer has come.
                let changed = admin.ask(Method::PATCH, &path, &patch);
                let watched = enforced(clients, key, SWITCHED, kind);
                tokio::try_join!(watched, changed)?.0
            }
            Kind::KeyMade => {
                // What it does can be seen only once the key is known.
                let made = self.admin.key(TENANT).await?;
                let at = enforced(&mut self.clients, &made.secret, CALLED, kind).await?;
                self.made = Some(made);
                at
            }
            Kind::KeyRevoked => {
                let made = self.made.take().context("no key was made")?;
                let path = format!("/keys/{}", made.id);
                let (admin, clients) = (&mut self.admin, &mut self.clients);
                let revoked = admin.ask(Method::DELETE, &path, &Value::Null);
                let watched = enforced(clients, &made.secret, CALLED, kind);
                tokio::try_join!(watched, revoked)?.0
            }
        };
        Ok(enforced_at - began)
    }
}

/// Calls at each gateway until the answer is as `kind` demands; returns when the last one was.
async fn enforced(
    clients: &mut [Client],
    key: &str,
    tool: &str,
    kind: Kind,
) -> anyhow::Result<Instant> {
    let watched = clients.iter_mut().map(|client| async move {
        client.set_key(key);
        let began = Instant::now();
        loop {
            let answer = client.call(tool).await?;
            if kind.is_enforced(&answer) {
                return anyhow::Ok(());
            }
            ensure!(began.elapsed() < LIMIT, "not enforced: {}", answer.told());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    try_join_all(watched).await?;
    Ok(Instant::now())
}

fn found(rows: &[(&str, Sorted)], (load, failed): &(Sorted, usize), took: Duration) -> Found {
    let calls_per_second = (load.count() as f64 / took.as_secs_f64()).round();
    let load_p99 = millis(load.percentile(99));
    let mut table = format!(
        "Changes under {calls_per_second} other calls/s (p99 {load_p99} ms, {failed} failed), until a `tools/call` at every gateway shows them:\n\n"
    );
    table.push_str("| change | count | p50 ms | p99 ms | longest ms |\n|---|---|---|---|---|\n");
    let mut changes = Vec::new();
    for (name, took) in rows {
        let count = took.count();
        let [p50, p99] = [50, 99].map(|percent| millis(took.percentile(percent)));
        let longest = millis(took.longest());
        let row = writeln!(table, "| {name} | {count} | {p50} | {p99} | {longest} |");
        row.expect("a string takes all");
        changes.push(json!({
            "change": name, "count": count, "p50_ms": p50, "p99_ms": p99, "longest_ms": longest,
        }));
    }
    let figures = json!({
        "changes": changes,
        "load": { "calls_per_second": calls_per_second, "p99_ms": load_p99, "failed": failed },
    });
    Found { table, figures }
}
