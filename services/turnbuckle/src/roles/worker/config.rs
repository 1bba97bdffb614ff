//! The configuration of `turnbuckle worker`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use egress::EgressConfig;
use fabric_grpc::trust::TrustConfig;
use runtime::telemetry::{LogConfig, TelemetryConfig};
use serde::{Deserialize, Serialize};
use web::ServeLimits;

use crate::roles::manifests;
use crate::roles::node::RoleConfig;

/// Order: defaults < file < environment < flags.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::roles) struct Config {
    /// Where gateways and control-planes reach it.
    pub(in crate::roles) listen: SocketAddr,
    /// Health and metrics; meant for the operator's network alone.
    pub(in crate::roles) admin_listen: SocketAddr,
    /// `host:port` that others reach `listen` by. Absent: as it is bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::roles) advertise: Option<String>,
    /// `host:port` of the control-planes' `fabric_listen`.
    pub(in crate::roles) control_planes: Vec<String>,
    /// What hosted servers keep.
    pub(in crate::roles) state_dir: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::roles) ready_file: Option<PathBuf>,
    /// How long, when it is told to end, it goes on serving after it has told others to call
    /// elsewhere.
    #[serde(with = "runtime::seconds")]
    pub(in crate::roles) leave_notice: Duration,
    pub(in crate::roles) log: LogConfig,
    pub(in crate::roles) telemetry: TelemetryConfig,
    pub(in crate::roles) http: ServeLimits,
    pub(in crate::roles) trust: TrustConfig,
    pub(in crate::roles) worker: connector_worker::Config,
    pub(in crate::roles) manifests: manifests::Config,
    pub(in crate::roles) egress: EgressConfig,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            listen: loopback(9300),
            admin_listen: loopback(9301),
            advertise: None,
            control_planes: Vec::new(),
            state_dir: PathBuf::from("./worker"),
            ready_file: None,
            leave_notice: Duration::from_secs(2),
            log: LogConfig::default(),
            telemetry: TelemetryConfig::default(),
            http: ServeLimits::default(),
            trust: TrustConfig::default(),
            worker: connector_worker::Config::default(),
            manifests: manifests::Config::default(),
            egress: EgressConfig::default(),
        }
    }
}

impl Config {
    /// What certificates and tokens call this process.
    pub(in crate::roles) fn name(&self) -> String {
        self.advertise
            .clone()
            .unwrap_or_else(|| self.listen.to_string())
    }
}

impl RoleConfig for Config {
    fn settle(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.control_planes.is_empty(),
            "control_planes must name at least one host:port"
        );
        if self.worker.hosted.state_dir == connector_worker::Config::default().hosted.state_dir {
            // Hosted servers run elsewhere, so what they are given must not depend on where we run.
            self.worker.hosted.state_dir = std::path::absolute(self.state_dir.join("hosted"))?;
        }
        Ok(())
    }

    fn log(&self) -> &LogConfig {
        &self.log
    }
}
