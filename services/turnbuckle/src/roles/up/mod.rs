//! `turnbuckle up`: control-plane, gateway and worker in one process, on embedded defaults.

mod args;
mod config;
mod data;
mod greeting;
mod platform;
mod start_page;

use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use args::UpArgs;

use super::{exit_code, on_threads};

/// Runs the platform until it is told to end.
pub(crate) fn up(args: UpArgs, data_dir: Option<PathBuf>) -> ExitCode {
    exit_code(run(args, data_dir))
}

fn run(args: UpArgs, data_dir: Option<PathBuf>) -> anyhow::Result<()> {
    let config = config::load(&args, data_dir)?;
    let new_admin_key = args.new_admin_key;
    if args.print_config {
        return super::print(&toml::to_string_pretty(&config)?);
    }
    runtime::telemetry::init(&config.log)?;
    on_threads(platform::run(config, new_admin_key))
}
