//! What every cache must do, told against its traits: each story runs on each backend.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod backend;
mod failover;
mod faults;
mod mailboxes;
mod marks;
mod nodes;
mod quotas;
mod sessions;
mod streams;
