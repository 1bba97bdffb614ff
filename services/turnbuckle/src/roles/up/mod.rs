//! `turnbuckle up`: control-plane, gateway and worker in one process, on embedded defaults.

mod args;
mod config;
mod data;
mod greeting;
mod platform;
mod signals;
mod start_page;

use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use args::UpArgs;

/// Runs the platform until it is told to end.
pub(crate) fn up(args: UpArgs, data_dir: Option<PathBuf>) -> ExitCode {
    match run(args, data_dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(args: UpArgs, data_dir: Option<PathBuf>) -> anyhow::Result<()> {
    let config = config::load(&args, data_dir)?;
    let new_admin_key = args.new_admin_key;
    if args.print_config {
        return greeting::print(&toml::to_string_pretty(&config)?);
    }
    runtime::telemetry::init(&config.log)?;
    let threads = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = threads.block_on(platform::run(config, new_admin_key));
    // What is left was told to end and had its time.
    threads.shutdown_background();
    ended
}

#[expect(
    clippy::print_stderr,
    reason = "why the program ends, for whoever started it"
)]
fn complain(error: &anyhow::Error) {
    eprintln!("turnbuckle: {error:#}");
}
