//! The native engine from outside: real requests to a strict stand-in for the provider.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract;
mod grammar;
mod own_token;
mod parts;
mod refusals;
mod sending;
mod stats;
mod support;
mod violations;
