//! Hosted servers with the real guard: through the worker's front door, and the guard alone.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod guard;
mod worker;
