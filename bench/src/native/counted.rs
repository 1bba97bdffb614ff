//! How often a call of a native connector's tool asks for memory, for `bench/native`.
//!
//! ```text
//! native-allocations WAY URL TOOL ARGUMENTS CALLS
//! ```
//!
//! WAY is one of `reqwest`, `handler`, `engine`: see `native-calls`. Counting takes time, and the
//! allocator that can be counted is not the platform's: what is counted here is timed there.
//!
//! Prints `RESULT allocations bytes`, of one call: how often memory was asked for, growing included,
//! and how much in all.

mod by_hand;
mod calls;
mod engine;

use std::alloc::System;
use std::io::Write;

use anyhow::{bail, ensure};
use calls::{Calls, What};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (what, count) = match words.as_slice() {
        [way, url, tool, arguments, count] if *way != "up" => {
            let what = What {
                way,
                url,
                tool,
                arguments,
            };
            (what, count.parse::<u32>()?)
        }
        _ => bail!("usage: native-allocations WAY URL TOOL ARGUMENTS CALLS"),
    };
    ensure!(count > 0, "CALLS must be at least 1");
    let mut all = Calls::of(&what, 1).await?;
    let Some(calls) = all.first_mut() else {
        bail!("nothing to call with");
    };
    let bytes = calls.warm_up().await?;

    let region = Region::new(ALLOCATOR);
    for _ in 0..count {
        calls.call_of(bytes).await?;
    }
    let found = region.change();
    let asked = found.allocations + found.reallocations;
    let each = |total: usize| total as f64 / f64::from(count);
    writeln!(
        std::io::stdout(),
        "RESULT {:.1} {:.0}",
        each(asked),
        each(found.bytes_allocated)
    )?;
    Ok(())
}
