//! What an operator gets wrong about a role, found before it is started. Nothing is changed.

mod checks;
#[cfg(test)]
mod tests;

use std::path::Path;

use fabric::Role;
use fabric_grpc::trust::TrustConfig;
use runtime::{Clock, SystemClock};
use std::sync::Arc;

use super::node::{ELSEWHERE, RoleConfig};
use super::{control_plane, gateway, worker};
use checks::Checks;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Ok,
    /// It works, and will hurt one day.
    Warn,
    /// The role does not start, or does not work.
    Fail,
}

impl Level {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What was looked at, how it is, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    pub(crate) what: &'static str,
    pub(crate) says: String,
}

/// Flags of nothing: the configuration alone counts.
#[derive(serde::Serialize)]
struct NoFlags {}

/// Looks at all that the role of this configuration needs.
pub(crate) async fn examine(role: Role, config: Option<&Path>) -> Vec<Finding> {
    let mut checks = Checks::default();
    match role {
        Role::ControlPlane => {
            if let Some(config) = load(config, &mut checks) {
                of_control_plane(&config, &mut checks).await;
            }
        }
        Role::Gateway => {
            if let Some(config) = load(config, &mut checks) {
                of_gateway(&config, &mut checks).await;
            }
        }
        Role::Worker => {
            if let Some(config) = load(config, &mut checks) {
                of_worker(&config, &mut checks).await;
            }
        }
    }
    checks.found
}

/// The configuration as the role would settle it.
fn load<C: RoleConfig>(path: Option<&Path>, checks: &mut Checks) -> Option<C> {
    let loaded = runtime::config::load(path, NoFlags {}, &ELSEWHERE).and_then(|mut config: C| {
        config.settle()?;
        Ok(config)
    });
    checks.configuration(loaded)
}

async fn of_control_plane(config: &control_plane::config::Config, checks: &mut Checks) {
    let trust = (&config.trust, Role::ControlPlane, config.name());
    checks.trust(trust, Some(config.fabric_listen));
    for (name, address) in [
        ("listen", config.listen),
        ("grpc_listen", config.grpc_listen),
        ("fabric_listen", config.fabric_listen),
        ("admin_listen", config.admin_listen),
    ] {
        checks.port(name, address);
    }
    checks.private_file("admin key", &config.admin_key_file);
    if let Some(root) = checks.root_key(&config.root_key_file) {
        checks.database(&config.database_url_file, &root).await;
    }
    checks.nats(config.nats.as_ref()).await;
}

async fn of_gateway(config: &gateway::config::Config, checks: &mut Checks) {
    let trust = checks.trust((&config.trust, Role::Gateway, config.name()), None);
    checks.port("listen", config.listen);
    checks.port("admin_listen", config.admin_listen);
    checks.folder(&config.state_dir);
    checks.control_planes(&config.control_planes, trust).await;
    checks.redis(config.redis.as_ref()).await;
}

async fn of_worker(config: &worker::config::Config, checks: &mut Checks) {
    let trust = (&config.trust, Role::Worker, config.name());
    let trust = checks.trust(trust, Some(config.listen));
    checks.port("listen", config.listen);
    checks.port("admin_listen", config.admin_listen);
    checks.folder(&config.state_dir);
    checks.control_planes(&config.control_planes, trust).await;
}

/// A section `trust`, whose it is, and what the process calls itself.
type TrustOf<'a> = (&'a TrustConfig, Role, String);

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}
