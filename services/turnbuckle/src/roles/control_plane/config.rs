//! The configuration of `turnbuckle control-plane`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bus::NatsConfig;
use fabric_grpc::trust::TrustConfig;
use runtime::telemetry::LogConfig;
use serde::{Deserialize, Serialize};
use web::ServeLimits;

use crate::roles::node::RoleConfig;

/// Order: defaults < file < environment < flags.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    /// REST, for administrators.
    pub(super) listen: SocketAddr,
    /// The gRPC admin API.
    pub(super) grpc_listen: SocketAddr,
    /// Where gateways and workers get configuration and leases.
    pub(super) fabric_listen: SocketAddr,
    /// Health and metrics; meant for the operator's network alone.
    pub(super) admin_listen: SocketAddr,
    /// `host:port` that others reach `fabric_listen` by. Absent: as it is bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advertise: Option<String>,
    /// Holds the URL of the Postgres database, password included.
    pub(super) database_url_file: PathBuf,
    /// The installation's root key: the same for every control-plane.
    pub(super) root_key_file: PathBuf,
    /// Where the first platform key is written, when none is there yet.
    pub(super) admin_key_file: PathBuf,
    /// Change hints between control-planes. Absent: there is one, or they look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nats: Option<NatsConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ready_file: Option<PathBuf>,
    /// Host names, without port, that clients may use beside loopback ones.
    pub(super) allowed_hosts: Vec<String>,
    /// Origins of web pages that may call, e.g. `https://app.example.com`.
    pub(super) allowed_origins: Vec<String>,
    /// How long, when it is told to end, it goes on serving after it has said that it is not ready.
    #[serde(with = "runtime::seconds")]
    pub(super) leave_notice: Duration,
    pub(super) log: LogConfig,
    pub(super) http: ServeLimits,
    pub(super) trust: TrustConfig,
    pub(super) control_plane: control_plane::Config,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            listen: loopback(8001),
            grpc_listen: loopback(9090),
            fabric_listen: loopback(9100),
            admin_listen: loopback(9101),
            advertise: None,
            database_url_file: PathBuf::from("./database.url"),
            root_key_file: PathBuf::from("./root.key"),
            admin_key_file: PathBuf::from("./admin.key"),
            nats: None,
            ready_file: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            leave_notice: Duration::from_secs(1),
            log: LogConfig::default(),
            http: ServeLimits::default(),
            trust: TrustConfig::default(),
            control_plane: control_plane::Config::default(),
        }
    }
}

impl Config {
    /// What certificates and tokens call this process.
    pub(super) fn name(&self) -> String {
        let listen = || self.fabric_listen.to_string();
        self.advertise.clone().unwrap_or_else(listen)
    }
}

impl RoleConfig for Config {
    fn settle(&mut self) -> anyhow::Result<()> {
        for (name, path) in [
            ("database_url_file", &self.database_url_file),
            ("root_key_file", &self.root_key_file),
        ] {
            anyhow::ensure!(path.is_file(), "{name}: {} does not exist", path.display());
        }
        Ok(())
    }

    fn log(&self) -> &LogConfig {
        &self.log
    }
}
