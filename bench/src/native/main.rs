//! What a call of a native connector's tool costs, for `bench/native`.
//!
//! ```text
//! native-calls WAY URL TOOL ARGUMENTS SECONDS CONNECTIONS [PID]
//! ```
//!
//! WAY is one of
//!
//! - `reqwest`: the same request by reqwest, and its answer parsed,
//! - `handler`: that, and an MCP result made of it,
//! - `engine`: the worker's engine in this process, without a gateway,
//! - `up`: `turnbuckle up` at URL, with the key `BENCH_KEY`.
//!
//! Prints `RESULT calls microseconds p50 p99 ticks bytes`: ticks are those of CPU that this process
//! has used meanwhile, or the one of PID; bytes are those of each result.

mod by_hand;
mod calls;
mod engine;

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bench::figures::Sorted;
use calls::{Calls, What};

/// As the platform has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// One thread: all that is done for a call is done there.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (what, seconds, connections, pid) = match words.as_slice() {
        [way, url, tool, arguments, seconds, connections, pid @ ..] if pid.len() < 2 => {
            let what = What {
                way,
                url,
                tool,
                arguments,
            };
            (what, seconds, connections, pid.first())
        }
        _ => bail!("usage: native-calls WAY URL TOOL ARGUMENTS SECONDS CONNECTIONS [PID]"),
    };
    let length = Duration::from_secs(seconds.parse()?);
    let mut all = Calls::of(&what, connections.parse()?).await?;
    let mut bytes = 0;
    for calls in &mut all {
        bytes = calls.warm_up().await?;
    }

    let whose = pid.map_or("self", |pid| *pid);
    let before = ticks(whose)?;
    let begun = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for mut calls in all {
        running.spawn(async move {
            let mut took = Vec::new();
            while begun.elapsed() < length {
                let start = Instant::now();
                calls.call_of(bytes).await?;
                took.push(start.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let mut all = Vec::new();
    while let Some(took) = running.join_next().await {
        all.extend(took??);
    }
    let (micros, spent) = (begun.elapsed().as_micros(), ticks(whose)? - before);
    let all = Sorted::of(all);
    let at = |percent| all.percentile(percent).as_micros();
    let (count, p50, p99) = (all.count(), at(50), at(99));
    writeln!(
        std::io::stdout(),
        "RESULT {count} {micros} {p50} {p99} {spent} {bytes}"
    )?;
    Ok(())
}

/// CPU time of a process so far, in clock ticks: proc(5), `utime` and `stime`.
fn ticks(whose: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{whose}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    // The name before may hold anything, brackets too.
    let (_, rest) = text.rsplit_once(')').with_context(|| path.clone())?;
    let field = |at| rest.split_ascii_whitespace().nth(at).unwrap_or_default();
    Ok(field(11).parse::<u64>()? + field(12).parse::<u64>()?)
}
