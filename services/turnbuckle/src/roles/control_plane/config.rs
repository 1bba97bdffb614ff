//! The configuration of `turnbuckle control-plane`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bus::NatsConfig;
use egress::EgressConfig;
use fabric_grpc::trust::TrustConfig;
use runtime::telemetry::{LogConfig, TelemetryConfig};
use serde::{Deserialize, Serialize};
use storage::StorageConfig;
use web::ServeLimits;

use crate::roles::manifests;
use crate::roles::node::RoleConfig;

/// Order: defaults < file < environment < flags.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::roles) struct Config {
    /// REST, for administrators.
    pub(in crate::roles) listen: SocketAddr,
    /// The gRPC admin API.
    pub(in crate::roles) grpc_listen: SocketAddr,
    /// Where gateways and workers get configuration and leases.
    pub(in crate::roles) fabric_listen: SocketAddr,
    /// Health and metrics; meant for the operator's network alone.
    pub(in crate::roles) admin_listen: SocketAddr,
    /// `host:port` that others reach `fabric_listen` by. Absent: as it is bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::roles) advertise: Option<String>,
    /// Holds the URL of the Postgres database, password included.
    pub(in crate::roles) database_url_file: PathBuf,
    /// How long a request waits for a connection to the database, at most, before it is refused: 0.1
    /// to 60 seconds.
    #[serde(with = "runtime::seconds")]
    pub(in crate::roles) database_patience: Duration,
    /// The installation's root key: the same for every control-plane.
    pub(in crate::roles) root_key_file: PathBuf,
    /// Where the first platform key is written, when none is there yet.
    pub(in crate::roles) admin_key_file: PathBuf,
    /// Change hints between control-planes. Absent: there is one, or they look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::roles) nats: Option<NatsConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::roles) ready_file: Option<PathBuf>,
    /// Host names, without port, that clients may use beside loopback ones.
    pub(in crate::roles) allowed_hosts: Vec<String>,
    /// Origins of web pages that may call, e.g. `https://app.example.com`.
    pub(in crate::roles) allowed_origins: Vec<String>,
    /// How long, when it is told to end, it goes on serving after it has said that it is not ready.
    #[serde(with = "runtime::seconds")]
    pub(in crate::roles) leave_notice: Duration,
    pub(in crate::roles) log: LogConfig,
    pub(in crate::roles) telemetry: TelemetryConfig,
    pub(in crate::roles) http: ServeLimits,
    pub(in crate::roles) trust: TrustConfig,
    pub(in crate::roles) control_plane: control_plane::Config,
    pub(in crate::roles) manifests: manifests::Config,
    /// The way out to providers, where codes and refresh tokens become tokens.
    pub(in crate::roles) egress: EgressConfig,
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
            database_patience: StorageConfig::PATIENCE,
            root_key_file: PathBuf::from("./root.key"),
            admin_key_file: PathBuf::from("./admin.key"),
            nats: None,
            ready_file: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            leave_notice: Duration::from_secs(1),
            log: LogConfig::default(),
            telemetry: TelemetryConfig::default(),
            http: ServeLimits::default(),
            trust: TrustConfig::default(),
            control_plane: control_plane::Config::default(),
            manifests: manifests::Config::default(),
            egress: EgressConfig::default(),
        }
    }
}

impl Config {
    /// What certificates and tokens call this process.
    pub(in crate::roles) fn name(&self) -> String {
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
        let bounds = Duration::from_millis(100)..=Duration::from_secs(60);
        anyhow::ensure!(
            bounds.contains(&self.database_patience),
            "database_patience must be from 0.1 to 60"
        );
        Ok(())
    }

    fn log(&self) -> &LogConfig {
        &self.log
    }
}
