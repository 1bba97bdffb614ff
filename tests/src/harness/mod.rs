//! What the scenarios are written in.

mod api;
mod cli;
pub(crate) mod cluster;
mod doors;
mod home;
mod mcp;
mod node;
mod platform;
mod process;
mod wait;

pub(crate) use api::{Answer, Api};
pub(crate) use cli::Cli;
pub(crate) use home::{Home, Refusal};
pub(crate) use mcp::{Mcp, Session};
pub(crate) use node::{
    NodeServer, browser_folder, clients_folder, conformance_folder, node_script,
};
pub(crate) use platform::Platform;
pub(crate) use process::{Signal, alive, descendants, signal};
pub(crate) use wait::{eventually, eventually_blocking};
