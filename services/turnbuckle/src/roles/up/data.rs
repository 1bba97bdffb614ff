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

/// A file that tells others that we are ready: theirs to read while we are, and gone after.
pub(super) struct ReadyFile(Option<PathBuf>);

impl ReadyFile {
    /// Fails now if the file could not be written later. Touches no file that is there: it may be
    /// of a platform that runs.
    pub(super) fn check(path: Option<&Path>) -> anyhow::Result<()> {
        let Some(path) = path else { return Ok(()) };
        let probe = beside(path);
        let tried = fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe));
        tried.with_context(|| format!("cannot write the ready file {}", path.display()))
    }

    /// Takes away what an earlier start that was killed may have left.
    pub(super) fn prepare(path: Option<PathBuf>) -> Self {
        let file = Self(path);
        file.remove();
        file
    }

    /// It may be gone already; then somebody else has tidied up.
    fn remove(&self) {
        if let Some(path) = &self.0 {
            fs::remove_file(path).ok();
        }
    }

    pub(super) fn write(&self, text: &str) -> anyhow::Result<()> {
        self.0
            .as_deref()
            .map_or(Ok(()), |path| write_private(path, text))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Writes a whole file that only its owner can read, or leaves the old one: never half of it.
pub(super) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let beside = beside(path);
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

/// A name next to `path` that nobody else uses.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    PathBuf::from(name)
}
