//! Files that a role writes for others to find it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// A file that tells others that we are ready: theirs to read while we are, and gone after.
pub(in crate::roles) struct ReadyFile(Option<PathBuf>);

impl ReadyFile {
    /// Fails now if the file could not be written later. Touches no file that is there: it may be
    /// of a platform that runs.
    pub(in crate::roles) fn check(path: Option<&Path>) -> anyhow::Result<()> {
        let Some(path) = path else { return Ok(()) };
        let probe = beside(path);
        let tried = fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe));
        tried.with_context(|| format!("cannot write the ready file {}", path.display()))
    }

    /// Takes away what an earlier start that was killed may have left.
    pub(in crate::roles) fn prepare(path: Option<PathBuf>) -> Self {
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

    pub(in crate::roles) fn write(&self, text: &str) -> anyhow::Result<()> {
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
pub(in crate::roles) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
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
