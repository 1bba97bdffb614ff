//! What every cache must do, told against its traits: each story runs on each backend.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod backend;
mod mailboxes;
mod marks;
mod sessions;
mod streams;
