//! What storage promises, proven on SQLite and on Postgres.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may fail as the test itself may"
)]

mod accounts;
mod approval;
mod backups;
mod changes;
mod config;
mod connect_flows;
mod connectors;
mod faults;
mod fixtures;
mod isolation;
mod keys;
mod leases;
mod migrations;
mod nodes;
mod oauth_clients;
mod opening;
mod poolers;
mod remembered;
mod renewal;
mod sealed;
mod tenants;
mod tools;
