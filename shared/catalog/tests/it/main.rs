//! The catalog as its users see it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod builtin;
mod faults;
mod folder;
mod format;
mod listed;
