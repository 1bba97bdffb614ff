//! What the roles of a cluster have in common.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use fabric::{NodeInfo, Role};
use fabric_grpc::Channel;
use fabric_grpc::config::{ControlPlanes, Follower, Line, LineConfig};
use fabric_grpc::trust::Trust;
use runtime::telemetry::LogConfig;
use runtime::{Clock, IdGen, Process};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::files::ReadyFile;
use super::{exit_code, on_threads, print};

/// Flags of every role; absent ones leave the configuration as it is.
#[derive(Debug, clap::Args, serde::Serialize)]
pub(crate) struct RoleArgs {
    /// Read this TOML file.
    #[arg(long, env = "TURNBUCKLE_CONFIG", value_name = "PATH")]
    #[serde(skip)]
    pub(super) config: Option<PathBuf>,
    /// Write the bound addresses and the process id here, as JSON, once it is ready.
    #[arg(long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_file: Option<PathBuf>,
    /// Print the effective configuration and end.
    #[arg(long)]
    #[serde(skip)]
    pub(super) print_config: bool,
}

/// Variables with our prefix that are no configuration: the command line reads them.
pub(super) const ELSEWHERE: [&str; 5] = ["url", "mcp_url", "api_key", "config", "data_dir"];

/// What every role's configuration has.
pub(super) trait RoleConfig: Default + Serialize + DeserializeOwned {
    /// Checks what no single key can say, and settles what depends on others, so that what is
    /// printed is what holds.
    fn settle(&mut self) -> anyhow::Result<()>;

    fn log(&self) -> &LogConfig;
}

/// Reads the configuration that `args` and the environment lead to, and runs the role to its end.
pub(super) fn play<C, F>(args: &RoleArgs, run: impl FnOnce(C) -> F) -> ExitCode
where
    C: RoleConfig,
    F: Future<Output = anyhow::Result<()>>,
{
    let play = || {
        let mut config: C = runtime::config::load(args.config.as_deref(), args, &ELSEWHERE)?;
        config.settle()?;
        if args.print_config {
            return print(&toml::to_string_pretty(&config)?);
        }
        runtime::telemetry::init(config.log())?;
        on_threads(run(config))
    };
    exit_code(play())
}

/// Ways to all control-planes.
pub(super) fn control_planes(addresses: &[String], trust: &Trust) -> anyhow::Result<ControlPlanes> {
    let channel = |address: &String| Channel::new(address, Role::ControlPlane, trust);
    let channels: anyhow::Result<Vec<Channel>> = addresses.iter().map(channel).collect();
    ControlPlanes::new(channels?)
}

/// Keeps a node's line and its certificates fresh.
pub(super) fn follow(
    node: NodeInfo,
    follower: Arc<dyn Follower>,
    control_planes: ControlPlanes,
    trust: &Trust,
    process: &Process,
) {
    let line = Line {
        node,
        follower,
        control_planes,
        config: LineConfig::default(),
    };
    let tasks = &process.tasks;
    tasks.essential("control-plane line", line.keep(process.clone()));
    keep_certificates(trust, process);
}

pub(super) fn keep_certificates(trust: &Trust, process: &Process) {
    let fresh = trust.clone().keep_fresh(process.shutdown.clone());
    process.tasks.essential("certificates", fresh);
}

/// This run of this process, reached at `advertise` or else where it listens.
pub(super) fn node(
    role: Role,
    advertise: Option<&str>,
    listen: SocketAddr,
    capacity: usize,
    clock: &dyn Clock,
    ids: &dyn IdGen,
) -> anyhow::Result<NodeInfo> {
    let address = match advertise {
        Some(address) => address.to_owned(),
        None if listen.ip().is_unspecified() => anyhow::bail!(
            "advertise must say where other roles reach this one: {listen} is any address"
        ),
        None => listen.to_string(),
    };
    Ok(NodeInfo {
        id: ids.next().to_string(),
        role,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address,
        capacity: u32::try_from(capacity).unwrap_or(u32::MAX),
        started_at: clock.now(),
    })
}

/// Tells programs that the role is ready.
pub(super) fn announce(
    file: &ReadyFile,
    node: &NodeInfo,
    addresses: &[(&str, SocketAddr)],
) -> anyhow::Result<()> {
    let mut document = json!({
        "pid": std::process::id(),
        "role": node.role.as_str(),
        "node": node.id,
    });
    for (name, address) in addresses {
        document[*name] = json!(address.to_string());
    }
    file.write(&format!("{document:#}\n"))
}

/// A secret from a file, without the line's end.
pub(in crate::roles) fn read_secret(path: &Path) -> anyhow::Result<secrecy::SecretString> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the secret in {}", path.display()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!text.is_empty(), "{} is empty", path.display());
    Ok(text.to_owned().into())
}
