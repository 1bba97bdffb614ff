//! The data folder: what is in it, and what is refused about it.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use crypto::{RootKey, RootKeyError};

/// Paths in the data folder.
pub(super) struct DataDir(PathBuf);

impl DataDir {
    /// Makes the folder, for its owner alone, if it is not there.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path);
        made.with_context(|| format!("cannot make the data folder {}", path.display()))?;
        // Hosted servers run elsewhere, so what they are given must not depend on where we run.
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot use {}", path.display()))?;
        let probe = path.join(".writable");
        let written = fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe));
        written.with_context(|| format!("the data folder {} is not writable", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn database(&self) -> PathBuf {
        self.0.join("turnbuckle.db")
    }

    pub(super) fn admin_key(&self) -> PathBuf {
        self.0.join("admin.key")
    }

    /// Where the command line finds this platform.
    pub(super) fn addresses(&self) -> PathBuf {
        self.0.join("turnbuckle.json")
    }

    /// Refuses to begin anew where an earlier start has left its traces but no database: that one
    /// is lost, not new, and a fresh start would replace the key that opens it.
    fn refuse_lost_database(&self) -> anyhow::Result<()> {
        let empty = |path: &Path| fs::metadata(path).map_or(true, |found| found.len() == 0);
        let mut log = self.database().into_os_string();
        log.push("-wal");
        let lost = empty(&self.database()) && empty(Path::new(&log));
        let trace = [self.admin_key(), self.addresses()]
            .into_iter()
            .find(|path| path.exists());
        match trace {
            Some(trace) if lost => bail!(
                "the database {} is missing or empty, but {} is of an earlier start: restore the \
                 database from your backup, or use another data folder; nothing was changed",
                self.database().display(),
                trace.display()
            ),
            _ => Ok(()),
        }
    }

    /// Reads the root key; makes one only when there is no data yet that another one sealed.
    pub(super) fn root_key(&self) -> anyhow::Result<Arc<RootKey>> {
        self.refuse_lost_database()?;
        let path = self.0.join("root.key");
        match RootKey::read(&path) {
            Ok(key) => Ok(Arc::new(key)),
            Err(RootKeyError::Missing(_)) => {
                if self.database().exists() {
                    bail!(
                        "the root key {} is missing, but {} was sealed with it: restore the key \
                         from your backup; nothing was changed",
                        path.display(),
                        self.database().display()
                    );
                }
                match RootKey::create(&path) {
                    // Another start was faster; which of us goes on, the database's lock decides.
                    Err(RootKeyError::Exists(_)) => Ok(Arc::new(RootKey::read(&path)?)),
                    created => Ok(Arc::new(created?)),
                }
            }
            Err(error) => Err(error.into()),
        }
    }
}
