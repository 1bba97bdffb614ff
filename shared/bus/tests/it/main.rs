//! What a bus promises, proven on both kinds, and what NATS may do to it.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may fail as the test itself may"
)]

mod faults;
mod promises;
mod rig;
mod trust;
