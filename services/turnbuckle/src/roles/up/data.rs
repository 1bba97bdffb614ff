//! The data folder: what is in it, and what is refused about it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
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

    pub(super) fn hosted(&self) -> PathBuf {
        self.0.join("hosted")
    }

    /// Reads the root key; makes one only when there is no data yet that another one sealed.
    pub(super) fn root_key(&self) -> anyhow::Result<Arc<RootKey>> {
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

/// Writes a whole file that only its owner can read, or leaves the old one: never half of it.
pub(super) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        match path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            Some(parent) => fs::File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
