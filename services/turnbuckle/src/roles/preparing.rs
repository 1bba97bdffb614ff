//! What an operator makes before the first start of a cluster.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crypto::RootKey;
use fabric::Role;
use fabric_grpc::trust::certs_dev;
use runtime::{Clock, SystemClock};

use super::{exit_code, print};

/// Certificates of the roles.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum CertsCommand {
    /// Make an authority and a certificate for each role, for development: the authority's key lies
    /// beside them.
    Dev {
        /// The folder; files that are there stay as they are.
        folder: PathBuf,
    },
}

/// Makes a root key.
pub(crate) fn root_key(path: &Path) -> ExitCode {
    exit_code(make_root_key(path))
}

fn make_root_key(path: &Path) -> anyhow::Result<()> {
    let key = RootKey::create(path)?;
    print(&format!(
        "{}: the root key {}. Back it up: without it no secret can be opened again.\n",
        path.display(),
        key.id()
    ))
}

/// Makes certificates.
pub(crate) fn certs(command: &CertsCommand) -> ExitCode {
    let CertsCommand::Dev { folder } = command;
    exit_code(make_certificates(folder))
}

fn make_certificates(folder: &Path) -> anyhow::Result<()> {
    let all = Role::ALL.map(|role| (role, "dev"));
    let made = certs_dev(folder, &all, SystemClock.now())?;
    made.iter()
        .try_for_each(|path| print(&format!("{}\n", path.display())))
}
