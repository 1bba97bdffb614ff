//! The native engine from outside: real requests to a strict stand-in for the provider.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod adding;
mod contract;
mod digests;
mod grammar;
mod hooks_gmail;
mod hooks_google;
mod hooks_messages;
mod hooks_metrics;
mod hooks_notion;
mod hooks_office;
mod kept;
mod offers;
mod output;
mod own_token;
mod parts;
mod peculiar;
mod quotas;
mod refusals;
mod sending;
mod stage;
mod stats;
mod strange;
mod support;
mod turns;
mod violations;
