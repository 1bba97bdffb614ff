//! Load that no general tool makes: whole legacy sessions, and thousands of idle ones.
//!
//! ```text
//! bench-sessions cycles URL SECONDS CONNECTIONS   each a handshake, a call and a goodbye, again and again
//! bench-sessions idle URL COUNT                   begins COUNT sessions, says READY, and waits for its end of input
//! bench-sessions listen URL COUNT                 the same, each with an open GET stream
//! ```
//!
//! `BENCH_KEY` is sent as a bearer token when it is set; of several, with commas between them, each
//! connection takes another one.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bench::client::{Client, Target};
use bench::figures::Sorted;
use tokio::io::AsyncReadExt;

/// Streams that are opened at once.
const OPENING: usize = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["cycles", url, seconds, connections] => {
            let length = Duration::from_secs(seconds.parse()?);
            cycles(&targets(url)?, length, connections.parse()?).await
        }
        ["idle", url, count] => idle(&targets(url)?[0], count.parse()?).await,
        ["listen", url, count] => listen(&targets(url)?[0], count.parse()?).await,
        _ => bail!("usage: bench-sessions cycles|idle|listen URL …"),
    }
}

/// `url` with each of the keys, or without one.
#[expect(
    clippy::disallowed_methods,
    reason = "a tool of one run has no configuration"
)]
fn targets(url: &str) -> anyhow::Result<Vec<Target>> {
    let keys = std::env::var("BENCH_KEY").unwrap_or_default();
    let keys = keys.split(',');
    keys.map(|key| Target::new(url, Some(key).filter(|key| !key.is_empty())))
        .collect()
}

/// Prints `RESULT cycles microseconds p50 p99 failures`, as the script for wrk does.
async fn cycles(targets: &[Target], length: Duration, connections: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for target in targets.iter().cycle().take(connections) {
        let target = target.clone();
        running.spawn(async move {
            let mut took = Vec::new();
            let mut client = Client::connect(&target).await?;
            while begun.elapsed() < length {
                let start = Instant::now();
                cycle(&mut client).await?;
                took.push(start.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let (mut all, mut failures) = (Vec::new(), 0);
    while let Some(ended) = running.join_next().await {
        match ended? {
            Ok(took) => all.extend(took),
            Err(error) => {
                failures += 1;
                writeln!(std::io::stderr(), "bench-sessions: {error:#}")?;
            }
        }
    }
    let all = Sorted::of(all);
    let micros = begun.elapsed().as_micros();
    let at = |percent| all.percentile(percent).as_micros();
    let (count, p50, p99) = (all.count(), at(50), at(99));
    writeln!(
        std::io::stdout(),
        "RESULT {count} {micros} {p50} {p99} {failures}"
    )?;
    Ok(())
}

async fn cycle(client: &mut Client) -> anyhow::Result<()> {
    let session = client.initialize().await?;
    let answer = client.call_in(&session, "echo").await?;
    ensure!(answer.is_result(), "{}", answer.told());
    client.delete(&session).await
}

async fn idle(target: &Target, count: usize) -> anyhow::Result<()> {
    let mut client = Client::connect(target).await?;
    for _ in 0..count {
        client.initialize().await?;
    }
    // The connection itself is not what is measured.
    drop(client);
    wait().await
}

async fn listen(target: &Target, count: usize) -> anyhow::Result<()> {
    let mut streams = Vec::with_capacity(count);
    while streams.len() < count {
        let some = (count - streams.len()).min(OPENING);
        let opened = (0..some).map(|_| async {
            let mut client = Client::connect(target).await?;
            let session = client.initialize().await?;
            client.get(&session).await
        });
        for stream in futures_util::future::join_all(opened).await {
            streams.push(stream.context("open a stream")?);
        }
    }
    wait().await
}

async fn wait() -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "READY")?;
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    Ok(())
}
