//! An empty storage of each kind, for tests. What the suite of this crate runs on, others may
//! run theirs on.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use crypto::RootKey;
use secrecy::SecretString;
use testkit::postgres::{self, Database};

use crate::{Storage, StorageConfig};

/// An open storage with what it stands on, which goes when this is dropped.
pub struct TestStorage {
    storage: Storage,
    ground: Ground,
    root: Arc<RootKey>,
}

enum Ground {
    Sqlite(tempfile::TempDir),
    Postgres(Database),
}

impl Ground {
    fn config(&self) -> StorageConfig {
        match self {
            Self::Sqlite(folder) => StorageConfig::Sqlite {
                path: folder.path().join("turnbuckle.db"),
            },
            Self::Postgres(database) => StorageConfig::postgres(SecretString::from(database.url())),
        }
    }
}

/// Storage on SQLite and on Postgres, both empty.
///
/// # Panics
/// When one cannot be had: a suite that quietly runs on half of them proves nothing.
pub async fn each_storage() -> Vec<TestStorage> {
    vec![sqlite().await, postgres().await]
}

/// An empty storage in a file of its own.
pub async fn sqlite() -> TestStorage {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    TestStorage::on(Ground::Sqlite(folder)).await
}

/// An empty storage in a database of its own on the run's private Postgres.
pub async fn postgres() -> TestStorage {
    TestStorage::on(Ground::Postgres(postgres::database())).await
}

impl TestStorage {
    async fn on(ground: Ground) -> Self {
        let root = Arc::new(RootKey::generate());
        let storage = Storage::open(&ground.config(), Arc::clone(&root))
            .await
            .unwrap_or_else(|error| panic!("an empty database does not open: {error}"));
        Self {
            storage,
            ground,
            root,
        }
    }

    /// Closes and opens it again, as a restart does.
    pub async fn reopen(&mut self) {
        self.storage.close().await;
        self.storage = Storage::open(&self.config(), Arc::clone(&self.root))
            .await
            .unwrap_or_else(|error| panic!("a database that was closed does not open: {error}"));
    }

    pub fn config(&self) -> StorageConfig {
        self.ground.config()
    }

    pub fn root(&self) -> Arc<RootKey> {
        Arc::clone(&self.root)
    }

    /// The SQLite file; none on Postgres.
    pub fn file(&self) -> Option<PathBuf> {
        match self.config() {
            StorageConfig::Sqlite { path } => Some(path),
            StorageConfig::Postgres { .. } => None,
        }
    }

    /// The Postgres database; none on SQLite.
    pub fn database(&self) -> Option<&Database> {
        match &self.ground {
            Ground::Postgres(database) => Some(database),
            Ground::Sqlite(_) => None,
        }
    }
}

impl Deref for TestStorage {
    type Target = Storage;

    fn deref(&self) -> &Storage {
        &self.storage
    }
}
