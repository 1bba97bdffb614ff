//! What storage promises, proven on SQLite and on Postgres.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may fail as the test itself may"
)]

mod approval;
mod config;
mod connectors;
mod fixtures;
mod isolation;
mod keys;
mod migrations;
mod opening;
mod remembered;
mod sealed;
mod tenants;
mod tools;
