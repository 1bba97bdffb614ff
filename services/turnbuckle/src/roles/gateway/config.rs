//! The configuration of `turnbuckle gateway`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cache::{Cache, RedisConfig};
use fabric_grpc::trust::TrustConfig;
use runtime::telemetry::{LogConfig, TelemetryConfig};
use runtime::{IdGen, Process};
use serde::{Deserialize, Serialize};
use web::ServeLimits;

use crate::roles::node::RoleConfig;

/// Order: defaults < file < environment < flags.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::roles) struct Config {
    /// Where MCP clients connect, through a load balancer.
    pub(in crate::roles) listen: SocketAddr,
    /// Health and metrics; meant for the operator's network alone.
    pub(in crate::roles) admin_listen: SocketAddr,
    /// `host:port` that the load balancer reaches `listen` by. Absent: as it is bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::roles) advertise: Option<String>,
    /// `host:port` of the control-planes' `fabric_listen`.
    pub(in crate::roles) control_planes: Vec<String>,
    /// Where the last good configuration is kept.
    pub(in crate::roles) state_dir: PathBuf,
    /// How long to wait for a control-plane at the start before the last good configuration is
    /// used.
    #[serde(with = "runtime::seconds")]
    pub(in crate::roles) start_patience: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::roles) ready_file: Option<PathBuf>,
    /// Host names, without port, that clients may use beside loopback ones.
    pub(in crate::roles) allowed_hosts: Vec<String>,
    /// Origins of web pages that may call, e.g. `https://app.example.com`.
    pub(in crate::roles) allowed_origins: Vec<String>,
    /// How long, when it is told to end, it goes on serving after it has said that it is not ready,
    /// so that load balancers send clients elsewhere.
    #[serde(with = "runtime::seconds")]
    pub(in crate::roles) leave_notice: Duration,
    pub(in crate::roles) log: LogConfig,
    pub(in crate::roles) telemetry: TelemetryConfig,
    pub(in crate::roles) http: ServeLimits,
    pub(in crate::roles) trust: TrustConfig,
    /// What the gateways share. Absent: there is one, and a restart ends its sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::roles) redis: Option<RedisConfig>,
    pub(in crate::roles) gateway: gateway::Config,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            listen: loopback(8000),
            admin_listen: loopback(9201),
            advertise: None,
            control_planes: Vec::new(),
            state_dir: PathBuf::from("./gateway"),
            start_patience: Duration::from_secs(2),
            ready_file: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            leave_notice: Duration::from_secs(2),
            log: LogConfig::default(),
            telemetry: TelemetryConfig::default(),
            http: ServeLimits::default(),
            trust: TrustConfig::default(),
            redis: None,
            gateway: gateway::Config::default(),
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

    pub(in crate::roles) fn cache(
        &self,
        process: &Process,
        ids: &Arc<dyn IdGen>,
    ) -> anyhow::Result<Cache> {
        let limits = self.gateway.cache_limits();
        match &self.redis {
            Some(redis) => Ok(Cache::redis(redis, &limits, process, ids.clone())?),
            None => {
                tracing::warn!("without Redis, sessions are this gateway's alone");
                Ok(Cache::local(&limits))
            }
        }
    }
}

impl RoleConfig for Config {
    fn settle(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.control_planes.is_empty(),
            "control_planes must name at least one host:port"
        );
        Ok(())
    }

    fn log(&self) -> &LogConfig {
        &self.log
    }
}
