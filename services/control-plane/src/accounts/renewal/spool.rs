//! Pairs of tokens that a provider gave and the database does not have yet.
//!
//! A provider that rotates refresh tokens has forgotten the old one by the time its answer is here:
//! the new pair is then nowhere but in this process. So it is written to a file first, sealed, if
//! there is a folder for that, and kept in memory until the database has it, or has a newer one.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::{AccountId, AccountSecrets, TenantId};
use serde::{Deserialize, Serialize};
use storage::{Claim, RenewedTokens, Storage};
use time::OffsetDateTime;
use tokio::sync::Notify;
use zeroize::Zeroizing;

/// Pairs that are kept at most; while there are as many, nothing is renewed here.
const KEPT_MAX: usize = 1_000;
/// Bytes of one file.
const FILE_MAX_BYTES: u64 = 256 * 1024;
const PURPOSE: &str = "account tokens";
const ENDING: &str = "tokens";

/// A pair in hand.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    pub(super) tenant: TenantId,
    pub(super) account: AccountId,
    generation: i64,
    fence: i64,
    pub(super) secrets: AccountSecrets,
    pub(super) scopes: Vec<String>,
    /// Microseconds since 1970, as the others.
    expires_at: Option<i64>,
    refresh_at: Option<i64>,
    at: i64,
}

impl Pair {
    pub(super) fn new(tenant: TenantId, claim: &Claim, tokens: RenewedTokens) -> Self {
        Self {
            tenant,
            account: claim.account,
            generation: claim.generation,
            fence: claim.fence,
            secrets: tokens.secrets,
            scopes: tokens.scopes,
            expires_at: tokens.expires_at.map(micros),
            refresh_at: tokens.refresh_at.map(micros),
            at: micros(tokens.at),
        }
    }

    pub(super) fn claim(&self) -> Claim {
        Claim {
            account: self.account,
            generation: self.generation,
            fence: self.fence,
        }
    }

    pub(super) fn tokens(&self) -> RenewedTokens {
        RenewedTokens {
            secrets: self.secrets.clone(),
            scopes: self.scopes.clone(),
            expires_at: self.expires_at.and_then(moment),
            refresh_at: self.refresh_at.and_then(moment),
            at: moment(self.at).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        }
    }

    fn name(&self) -> String {
        let (account, generation, fence) = (self.account, self.generation, self.fence);
        format!("{account}-{generation}-{fence}.{ENDING}")
    }
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pair({})", self.name())
    }
}

/// The pairs in hand of this process.
pub(super) struct Spool {
    storage: Storage,
    folder: Option<PathBuf>,
    kept: Mutex<BTreeMap<String, Arc<Pair>>>,
    /// Told when there is another.
    pub(super) more: Notify,
}

impl Spool {
    /// Reads what an earlier process of this folder left.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub(super) fn open(storage: Storage, folder: Option<&Path>) -> io::Result<Self> {
        let mut kept = BTreeMap::new();
        if let Some(folder) = folder {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.extension().is_none_or(|ending| ending != ENDING) {
                    continue;
                }
                match read(&storage, &path) {
                    Ok(pair) => {
                        kept.insert(pair.name(), Arc::new(pair));
                    }
                    Err(why) => tracing::error!(
                        "a pair of tokens that was kept in {} cannot be read, its account may have \
                         to be connected anew: {why}",
                        path.display()
                    ),
                }
            }
        }
        Ok(Self {
            storage,
            folder: folder.map(Path::to_owned),
            kept: Mutex::new(kept),
            more: Notify::new(),
        })
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Pair>>> {
        self.kept.lock().expect("no panic while held")
    }

    /// Keeps a pair until [`Self::done`]; on disk too by the time this returns, where that can be.
    pub(super) async fn keep(&self, pair: Pair) -> Arc<Pair> {
        let pair = Arc::new(pair);
        self.kept().insert(pair.name(), pair.clone());
        if let Some(folder) = &self.folder {
            let name = pair.name();
            let plain = serde_json::to_vec(&*pair).map(Zeroizing::new);
            let sealed = plain.map(|plain| self.storage.seal_outside(PURPOSE, &name, &plain));
            let path = folder.join(name);
            let written = match sealed {
                Ok(sealed) => tokio::task::spawn_blocking(move || write(&path, &sealed))
                    .await
                    .unwrap_or_else(|error| Err(io::Error::other(error))),
                Err(error) => Err(io::Error::other(error)),
            };
            if let Err(error) = written {
                tracing::warn!("a renewed pair of tokens is kept in memory alone: {error}");
            }
        }
        pair
    }

    /// The database has it, or has no use for it.
    pub(super) async fn done(&self, pair: &Pair) {
        self.kept().remove(&pair.name());
        if let Some(folder) = &self.folder {
            let path = folder.join(pair.name());
            let removed = tokio::task::spawn_blocking(move || std::fs::remove_file(path)).await;
            if let Ok(Err(error)) = removed
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!("cannot remove a pair of tokens that is stored: {error}");
            }
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Pair>> {
        self.kept().values().cloned().collect()
    }

    /// What is in hand for an account.
    pub(super) fn of(&self, account: AccountId) -> Option<Arc<Pair>> {
        let kept = self.kept();
        kept.values().find(|pair| pair.account == account).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.kept().len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= KEPT_MAX
    }
}

fn read(storage: &Storage, path: &Path) -> Result<Pair, String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or("it has a strange name")?;
    let length = path.metadata().map_err(|error| error.to_string())?.len();
    if length > FILE_MAX_BYTES {
        return Err("it is too long".to_owned());
    }
    let sealed = std::fs::read(path).map_err(|error| error.to_string())?;
    let plain = storage.open_outside(PURPOSE, name, &sealed);
    let plain = plain.map_err(|error| error.to_string())?;
    // The parser's message could quote what it read.
    serde_json::from_slice(&plain).map_err(|_| "it is no such document".to_owned())
}

/// Whole or not at all, and on the disk.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&partial, path)?;
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    File::open(folder)?.sync_all()
}

fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

fn moment(micros: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()
}

/// Between two attempts to store what is in hand.
pub(super) const STORE_EVERY: Duration = Duration::from_millis(500);
