#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod faults;
mod lives;
mod manifests;
mod programs;
mod servers;
mod support;
mod two_tokens;
