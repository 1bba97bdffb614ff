//! One process per SQLite database, held by the kernel for as long as the process lives.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::StorageError;

/// The lock on `<database>.lock`. The file stays when the lock goes: removing it would let two
/// processes lock two files of one name.
pub(crate) struct DataLock {
    file: File,
}

impl Drop for DataLock {
    /// Said aloud, because closing the file is not enough while a child that is being started
    /// has it too.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

impl DataLock {
    pub(crate) fn take(database: &Path) -> Result<Self, StorageError> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let failed = |error: Error| {
            StorageError::Unavailable(format!("cannot write {}: {error}", path.display()))
        };

        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.take(20).read_to_string(&mut holder);
                let pid = holder.trim().parse().ok();
                return Err(StorageError::Locked {
                    path: database.to_owned(),
                    pid,
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { file })
    }
}
