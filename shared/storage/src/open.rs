//! Opening and closing, and the two handles everything else hangs on.

use std::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crypto::RootKey;
use domain::TenantId;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Row};
use tokio::time::timeout;

use crate::StorageError;
use crate::lock::DataLock;
use crate::migrate::{inspect, migrate};
use crate::tx::{Pool, Scope, Tx, answered, fetch_one};

/// Which database.
#[derive(Clone, Debug)]
pub enum StorageConfig {
    /// A file in a folder that exists and can be written; `-wal`, `-shm` and `.lock` files come
    /// beside it.
    Sqlite { path: PathBuf },
    /// `postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=FILE`, version
    /// 15 or later, itself or through a pooler, by transactions too. The role should own the
    /// database and be no superuser: those see past row-level security.
    Postgres {
        url: SecretString,
        /// How long an operation waits for a connection before it fails as `Unavailable`: one that
        /// is free, or one to a server that is away.
        patience: Duration,
    },
}

impl StorageConfig {
    /// Default of the patience with Postgres.
    pub const PATIENCE: Duration = Duration::from_secs(1);

    /// A Postgres with the default patience.
    pub fn postgres(url: SecretString) -> Self {
        let patience = Self::PATIENCE;
        Self::Postgres { url, patience }
    }
}

/// Reads that run at once on SQLite.
const SQLITE_READERS: u32 = 4;
/// Transactions that run at once on Postgres.
const POSTGRES_CONNECTIONS: u32 = 16;
/// How long an operation waits for its turn on SQLite before it fails as `Unavailable`.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection that is given back may take to show that it is still one.
const RELEASING: Duration = Duration::from_secs(3);

/// Whether row-level security does not hold for our role.
const IS_UNBOUND: &str =
    "SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user";

/// The database. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Storage(Arc<Inner>);

struct Inner {
    pool: Pool,
    root: Arc<RootKey>,
    lock: Mutex<Option<DataLock>>,
}

/// Everything that belongs to one tenant. The only way to a tenant's rows.
#[derive(Clone, Copy)]
pub struct TenantStorage<'a> {
    pub(crate) storage: &'a Storage,
    pub(crate) tenant: TenantId,
}

impl Storage {
    /// Opens a database, makes it if it is not there, and brings it to this version's schema.
    ///
    /// # Errors
    /// `WrongRootKey`, `Locked` and `Corrupt` are told before anything is changed.
    pub async fn open(config: &StorageConfig, root: Arc<RootKey>) -> Result<Self, StorageError> {
        let (pool, lock) = match config {
            StorageConfig::Sqlite { path } => {
                let lock = DataLock::take(path)?;
                (open_sqlite(path, &root).await?, Some(lock))
            }
            StorageConfig::Postgres { url, patience } => {
                (open_postgres(url, *patience).await?, None)
            }
        };
        migrate(&pool, &root).await?;
        Ok(Self(Arc::new(Inner {
            pool,
            root,
            lock: Mutex::new(lock),
        })))
    }

    /// `sqlite` or `postgres`.
    pub fn backend(&self) -> &'static str {
        match self.0.pool {
            Pool::Sqlite { .. } => "sqlite",
            Pool::Postgres(_) => "postgres",
        }
    }

    /// Everything of one tenant. Whether there is such a tenant shows when it is used.
    pub fn tenant(&self, tenant: TenantId) -> TenantStorage<'_> {
        TenantStorage {
            storage: self,
            tenant,
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StorageError> {
        let mut tx = self.read().await?;
        let _: (i64,) = fetch_one!(&mut tx, sqlx::query_as("SELECT last FROM revision_counter"))?;
        tx.commit().await
    }

    /// Waits for what runs, then lets go of the database. Later operations are `Unavailable`.
    pub async fn close(&self) {
        match &self.0.pool {
            Pool::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
            Pool::Postgres(pool) => {
                // Connections that are cut off cannot be closed in good manners.
                let _ = timeout(PATIENCE, pool.close()).await;
            }
        }
        self.0.lock.lock().expect("no panic while held").take();
    }

    /// Reads with the eyes of the platform. What belongs to a tenant is read by [`TenantStorage`].
    pub(crate) async fn read(&self) -> Result<Tx, StorageError> {
        self.0.pool.read(Scope::Platform).await
    }

    /// Starts a change that is the platform's. Those of a tenant begin in [`TenantStorage`].
    pub(crate) async fn write(&self) -> Result<Tx, StorageError> {
        self.0.pool.write(Scope::Platform).await
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    pub(crate) fn root(&self) -> &RootKey {
        &self.0.root
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storage({})", self.backend())
    }
}

async fn open_sqlite(path: &Path, root: &RootKey) -> Result<Pool, StorageError> {
    let failed = |error: std::io::Error| {
        StorageError::Unavailable(format!("cannot open {}: {error}", path.display()))
    };
    // Made here rather than by SQLite, for its mode; SQLite gives the files beside it the same.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let is_new = file.metadata().map_err(failed)?.len() == 0;
    drop(file);

    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(PATIENCE)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full);
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let reader = pool(SQLITE_READERS).connect_lazy_with(options.clone().read_only(true));
    // Going over to WAL writes to the file, so whose it is must be known first.
    if !is_new {
        let looking = pool(1).connect_lazy_with(options.clone().read_only(true));
        let mut tx = Tx::Sqlite(looking.begin().await?);
        let found = inspect(&mut tx, root).await;
        drop(tx);
        looking.close().await;
        found?;
    }
    let writer = pool(1).connect_lazy_with(
        options
            .journal_mode(SqliteJournalMode::Wal)
            // Deleted secrets are overwritten, not only forgotten.
            .pragma("secure_delete", "ON"),
    );
    Ok(Pool::Sqlite { writer, reader })
}

async fn open_postgres(url: &SecretString, patience: Duration) -> Result<Pool, StorageError> {
    let options = PgConnectOptions::from_str(url.expose_secret())
        .map_err(|_| {
            let how = "its URL must be postgres://user:password@host:port/database";
            StorageError::Unavailable(how.to_owned())
        })?
        .application_name("turnbuckle")
        // We store no floats, and poolers refuse parameters that they do not know.
        .extra_float_digits(None);
    // The pool would try again and again, and in the end only say that time is up.
    let mut first = answered(PgConnection::connect_with(&options)).await?;
    // Not a prepared statement: without a transaction a pooler would part its two halves.
    let row = answered(sqlx::raw_sql(IS_UNBOUND).fetch_one(&mut first)).await?;
    if row.try_get(0)? {
        tracing::warn!(
            "the database role of Turnbuckle is a superuser or bypasses row-level security: \
             the second wall between tenants is open; give it a plain role that owns its database"
        );
    }
    let _ = timeout(RELEASING, first.close()).await;
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(patience)
        // The pool itself would wait without end for one that is cut off, and keep its place taken.
        .after_release(|connection, _| {
            Box::pin(async move {
                match timeout(RELEASING, connection.ping()).await {
                    Ok(answer) => answer.map(|()| true),
                    Err(_) => Err(sqlx::Error::PoolTimedOut),
                }
            })
        })
        .connect_lazy_with(options);
    Ok(Pool::Postgres(pool))
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use crate::testing;
    use crate::tx::fetch_one;

    /// A kill cannot show whether a write would also survive the loss of power.
    #[tokio::test]
    async fn sqlite_waits_for_the_disk_and_overwrites_what_is_deleted() {
        let storage = testing::sqlite().await;

        for (pragma, expected) in [
            ("PRAGMA synchronous", 2),
            ("PRAGMA foreign_keys", 1),
            ("PRAGMA secure_delete", 1),
        ] {
            let mut tx = storage.write().await.unwrap();
            let (value,): (i64,) = fetch_one!(&mut tx, sqlx::query_as(pragma)).unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
        let mut tx = storage.write().await.unwrap();
        let (mode,): (String,) =
            fetch_one!(&mut tx, sqlx::query_as("PRAGMA journal_mode")).unwrap();
        assert_eq!(mode, "wal");
    }
}
