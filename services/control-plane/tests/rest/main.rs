//! The REST interface, through its router, over real storage and workers that are made up.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
mod log;

mod accounts;
mod approval;
mod auth;
mod connectors;
mod idempotency;
mod isolation;
mod keys;
mod listeners;
mod openapi;
mod reports;
mod secrets;
mod servers;
mod startup;
mod sync;
mod tenants;
mod tools;
mod waiting;
