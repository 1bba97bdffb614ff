//! The configuration of `turnbuckle up`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use egress::EgressConfig;
use runtime::telemetry::{LogConfig, TelemetryConfig};
use serde::{Deserialize, Serialize};
use web::ServeLimits;

use super::args::UpArgs;
use crate::roles::manifests;

/// Everything that `up` can be told. Order: defaults < file < environment < flags.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    /// Database, root key, admin key and what hosted servers keep.
    pub(super) data_dir: PathBuf,
    /// REST, MCP and the start page.
    pub(super) listen: SocketAddr,
    /// Health and metrics; meant for the operator's network alone.
    pub(super) admin_listen: SocketAddr,
    /// The gRPC admin API.
    pub(super) grpc_listen: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ready_file: Option<PathBuf>,
    /// Host names, without port, that clients may use beside loopback ones.
    pub(super) allowed_hosts: Vec<String>,
    /// Origins of web pages that may call, e.g. `https://app.example.com`.
    pub(super) allowed_origins: Vec<String>,
    /// Whether connectors may call this machine itself. Absent: only while everything listens on
    /// loopback, where the operator and the user are the same person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allow_loopback_upstreams: Option<bool>,
    pub(super) log: LogConfig,
    pub(super) telemetry: TelemetryConfig,
    pub(super) http: ServeLimits,
    pub(super) gateway: gateway::Config,
    pub(super) control_plane: control_plane::Config,
    pub(super) worker: connector_worker::Config,
    pub(super) manifests: manifests::Config,
    pub(super) egress: EgressConfig,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            data_dir: PathBuf::from("./data"),
            listen: loopback(8000),
            admin_listen: loopback(9000),
            grpc_listen: loopback(9090),
            ready_file: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            allow_loopback_upstreams: None,
            log: LogConfig::default(),
            telemetry: TelemetryConfig::default(),
            http: ServeLimits::default(),
            gateway: gateway::Config::default(),
            control_plane: control_plane::Config::default(),
            worker: connector_worker::Config::default(),
            manifests: manifests::Config::default(),
            egress: EgressConfig::default(),
        }
    }
}

/// Variables with our prefix that are no configuration: the command line reads them.
const ELSEWHERE: [&str; 4] = ["url", "mcp_url", "api_key", "config"];

/// Reads the configuration that `args` and the environment lead to.
pub(super) fn load(args: &UpArgs, data_dir: Option<PathBuf>) -> anyhow::Result<Config> {
    #[derive(Serialize)]
    struct Flags<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        data_dir: Option<PathBuf>,
        #[serde(flatten)]
        args: &'a UpArgs,
    }
    let flags = Flags { data_dir, args };
    let mut config: Config = runtime::config::load(args.config.as_deref(), flags, &ELSEWHERE)?;
    config.egress.allow_private |= args.allow_private_upstreams;
    // What depends on other settings is settled here, so that what is printed is what holds.
    let listeners = [config.listen, config.admin_listen, config.grpc_listen];
    let local_only = listeners.iter().all(|addr| addr.ip().is_loopback());
    config.allow_loopback_upstreams.get_or_insert(local_only);
    let default = connector_worker::Config::default().hosted.state_dir;
    if config.worker.hosted.state_dir == default {
        // Hosted servers run elsewhere, so what they are given must not depend on where we run.
        config.worker.hosted.state_dir = std::path::absolute(config.data_dir.join("hosted"))?;
    }
    let tokens = config.data_dir.join("tokens");
    config
        .control_plane
        .accounts
        .spool_dir
        .get_or_insert(tokens);
    Ok(config)
}

impl Config {
    /// The way out, with this machine itself opened or not.
    pub(super) fn egress(&self) -> anyhow::Result<EgressConfig> {
        let mut egress = self.egress.clone();
        if self.allow_loopback_upstreams == Some(true) {
            for network in ["127.0.0.0/8", "::1/128"] {
                egress.allow.push(network.parse()?);
            }
        }
        Ok(egress)
    }
}
