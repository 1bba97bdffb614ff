//! What storage promises, proven on SQLite and on Postgres.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may fail as the test itself may"
)]

mod approval;
mod backups;
mod changes;
mod config;
mod connectors;
mod faults;
mod fixtures;
mod isolation;
mod keys;
mod leases;
mod migrations;
mod nodes;
mod opening;
mod poolers;
mod remembered;
mod sealed;
mod tenants;
mod tools;
