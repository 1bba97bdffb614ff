//! Load that no general tool makes: whole legacy sessions, and thousands of idle ones.
//!
//! ```text
//! bench-sessions cycles URL SECONDS CONNECTIONS   each a handshake, a call and a goodbye, again and again
//! bench-sessions idle URL COUNT                   begins COUNT sessions, says READY, and waits for its end of input
//! bench-sessions listen URL COUNT                 the same, each with an open GET stream
//! ```
//!
//! `BENCH_KEY` is sent as a bearer token when it is set.

mod client;

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use client::{Client, Target};
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
            cycles(Target::parse(url)?, length, connections.parse()?).await
        }
        ["idle", url, count] => idle(Target::parse(url)?, count.parse()?).await,
        ["listen", url, count] => listen(Target::parse(url)?, count.parse()?).await,
        _ => bail!("usage: bench-sessions cycles|idle|listen URL …"),
    }
}

/// Prints `RESULT cycles microseconds p50 p99 failures`, as the script for wrk does.
async fn cycles(target: Target, length: Duration, connections: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let target = target.clone();
        running.spawn(async move {
            let mut took = Vec::new();
            let mut client = Client::connect(&target).await?;
            while begun.elapsed() < length {
                let start = Instant::now();
                cycle(&mut client).await?;
                took.push(start.elapsed().as_micros());
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
    all.sort_unstable();
    let at = |share: usize| all.get(all.len() * share / 100).copied().unwrap_or(0);
    let micros = begun.elapsed().as_micros();
    let (count, p50, p99) = (all.len(), at(50), at(99));
    writeln!(
        std::io::stdout(),
        "RESULT {count} {micros} {p50} {p99} {failures}"
    )?;
    Ok(())
}

async fn cycle(client: &mut Client) -> anyhow::Result<()> {
    let session = client.initialize().await?;
    let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"message":"x"}}}"#;
    client.post(call, Some(&session), 200).await?;
    client.delete(&session).await
}

async fn idle(target: Target, count: usize) -> anyhow::Result<()> {
    let mut client = Client::connect(&target).await?;
    for _ in 0..count {
        client.initialize().await?;
    }
    // The connection itself is not what is measured.
    drop(client);
    wait().await
}

async fn listen(target: Target, count: usize) -> anyhow::Result<()> {
    let mut streams = Vec::with_capacity(count);
    while streams.len() < count {
        let some = (count - streams.len()).min(OPENING);
        let opened = (0..some).map(|_| async {
            let mut client = Client::connect(&target).await?;
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
