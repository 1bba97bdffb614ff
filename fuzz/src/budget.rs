//! How long a run takes, and where it begins.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const USUAL: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) time: Duration,
    pub(crate) seed: u64,
}

impl Budget {
    /// From the environment. A run of the usual length is the same each time; a longer one, or
    /// one with `FUZZ_SEED=random`, looks elsewhere each time.
    pub(crate) fn from_environment() -> Self {
        let seconds = variable("FUZZ_SECONDS");
        let time = seconds.as_deref().map(|text| {
            let seconds = text.parse().expect("FUZZ_SECONDS is a number");
            Duration::from_secs(seconds)
        });
        let seed = match variable("FUZZ_SEED").as_deref() {
            Some("random") => anywhere(),
            Some(text) => text.parse().expect("FUZZ_SEED is a number or `random`"),
            None if time.is_some() => anywhere(),
            None => 0,
        };
        Self {
            time: time.unwrap_or(USUAL),
            seed,
        }
    }
}

/// The standard library seeds its hash maps from the system.
fn anywhere() -> u64 {
    RandomState::new().hash_one(0)
}

/// A variable of the tests alone, which no process of the product reads.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}
