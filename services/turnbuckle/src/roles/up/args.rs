//! The flags of `turnbuckle up`. Each says what a key of the configuration says, and wins.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

/// Flags of `up`; absent ones leave the configuration as it is.
#[derive(Debug, Args, Serialize)]
pub(crate) struct UpArgs {
    /// Read this TOML file.
    #[arg(long, env = "TURNBUCKLE_CONFIG", value_name = "PATH")]
    #[serde(skip)]
    pub(super) config: Option<PathBuf>,
    /// Where REST, MCP and the start page are served (default 127.0.0.1:8000).
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,
    /// Where health and metrics are served (default 127.0.0.1:9000).
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_listen: Option<SocketAddr>,
    /// Where the gRPC admin API is served (default 127.0.0.1:9090).
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc_listen: Option<SocketAddr>,
    /// Write the bound addresses and the process id here, as JSON, once everything is ready.
    #[arg(long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_file: Option<PathBuf>,
    /// A further host name that clients reach this platform by. May be repeated.
    #[arg(long = "allowed-host", value_name = "NAME")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_hosts: Vec<String>,
    /// Let connectors call private addresses. For development: a tenant then reaches whatever
    /// this machine reaches.
    #[arg(long)]
    #[serde(skip)]
    pub(super) allow_private_upstreams: bool,
    /// Make another platform key and write it to `admin.key`, for when all of them were lost.
    #[arg(long)]
    #[serde(skip)]
    pub(super) new_admin_key: bool,
    /// Print the effective configuration and end.
    #[arg(long)]
    #[serde(skip)]
    pub(super) print_config: bool,
}
