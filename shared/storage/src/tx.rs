//! One transaction on whichever database this process uses, and the macros that run a statement
//! in it.
//!
//! Everything runs in a transaction, reads too: they are consistent then, and with a pooler
//! between us and Postgres a transaction is what stays on one connection. For the same reason no
//! statement is left prepared in Postgres, and what is set is set for the transaction alone: for
//! whom it works, and how long it may hold others up.

use std::future::Future;
use std::time::Duration;

use domain::TenantId;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Sqlite, SqlitePool, Transaction};
use tokio::time::timeout;

use crate::StorageError;

/// Runs a query in a [`Tx`] and takes all rows.
macro_rules! fetch_all {
    ($tx:expr, $query:expr) => {
        $crate::tx::fetch!($tx, $query, fetch_all)
    };
}

/// Runs a query in a [`Tx`] and takes the first row, if any.
macro_rules! fetch_optional {
    ($tx:expr, $query:expr) => {
        $crate::tx::fetch!($tx, $query, fetch_optional)
    };
}

/// Runs a query in a [`Tx`] that always has a row, and takes it.
macro_rules! fetch_one {
    ($tx:expr, $query:expr) => {
        $crate::tx::fetch!($tx, $query, fetch_one)
    };
}

macro_rules! fetch {
    ($tx:expr, $query:expr, $how:ident) => {
        match $tx {
            $crate::tx::Tx::Sqlite(tx) => $query
                .$how(&mut **tx)
                .await
                .map_err($crate::StorageError::from),
            $crate::tx::Tx::Postgres(tx) => {
                $crate::tx::answered($query.persistent(false).$how(&mut **tx)).await
            }
        }
    };
}

/// Runs a statement in a [`Tx`] and tells how many rows it touched.
macro_rules! execute {
    ($tx:expr, $query:expr) => {
        match $tx {
            $crate::tx::Tx::Sqlite(tx) => $query
                .execute(&mut **tx)
                .await
                .map(|done| done.rows_affected())
                .map_err($crate::StorageError::from),
            $crate::tx::Tx::Postgres(tx) => {
                $crate::tx::answered($query.persistent(false).execute(&mut **tx))
                    .await
                    .map(|done| done.rows_affected())
            }
        }
    };
}

/// Where the data lies.
#[derive(Clone)]
pub(crate) enum Pool {
    Sqlite {
        /// One connection: SQLite has one writer, and waiting here is fairer than at its lock.
        writer: SqlitePool,
        reader: SqlitePool,
    },
    Postgres(PgPool),
}

/// For whom a transaction works. Postgres shows it the rows of that one alone, whatever it asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope {
    /// Everybody's rows.
    Platform,
    Tenant(TenantId),
}

/// A transaction; rolled back when dropped.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// How long Postgres may take for one answer, as we see it; it is told to give up before.
const ANSWER: Duration = Duration::from_secs(5);
/// What Postgres is told: so long it tries one statement, waits for another's lock, and keeps a
/// transaction whose process says nothing. The last frees what a node held that was cut off.
const LIMITS: &str = "SET LOCAL statement_timeout = '4s'; SET LOCAL lock_timeout = '3s'; \
    SET LOCAL idle_in_transaction_session_timeout = '20s'";
/// The same for migrations, which may rewrite tables and wait for another process that does.
const MIGRATION_LIMITS: &str = "SET LOCAL statement_timeout = 0; \
    SET LOCAL lock_timeout = '10min'; SET LOCAL idle_in_transaction_session_timeout = '60s'";

const NOW_SQLITE: &str = "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)";
const NOW_POSTGRES: &str = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)";

impl Scope {
    /// The statement that says so. There is nothing in it but ours: no text of anybody else.
    fn statement(self) -> String {
        match self {
            Self::Platform => "SET LOCAL turnbuckle.tenant = 'platform'".to_owned(),
            Self::Tenant(tenant) => {
                let id = tenant.as_uuid().hyphenated();
                format!("SET LOCAL turnbuckle.tenant = '{id}'")
            }
        }
    }
}

impl Pool {
    /// Starts a transaction that sees one state of the data throughout.
    pub(crate) async fn read(&self, scope: Scope) -> Result<Tx, StorageError> {
        match self {
            Self::Sqlite { reader, .. } => Ok(Tx::Sqlite(reader.begin_with("BEGIN").await?)),
            Self::Postgres(pool) => {
                let how = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                begin(pool, how, scope, LIMITS).await
            }
        }
    }

    /// Starts a transaction that may change data.
    pub(crate) async fn write(&self, scope: Scope) -> Result<Tx, StorageError> {
        match self {
            Self::Sqlite { writer, .. } => {
                Ok(Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?))
            }
            Self::Postgres(pool) => begin(pool, "BEGIN", scope, LIMITS).await,
        }
    }

    /// Starts a transaction that may change the schema, and may take its time.
    pub(crate) async fn migrate(&self) -> Result<Tx, StorageError> {
        match self {
            Self::Sqlite { .. } => self.write(Scope::Platform).await,
            Self::Postgres(pool) => begin(pool, "BEGIN", Scope::Platform, MIGRATION_LIMITS).await,
        }
    }
}

/// One round trip, whatever is said at the beginning.
async fn begin(pool: &PgPool, how: &str, scope: Scope, limits: &str) -> Result<Tx, StorageError> {
    let statements = format!("{how}; {}; {limits}", scope.statement());
    let begun = answered(pool.begin_with(AssertSqlSafe(statements))).await?;
    Ok(Tx::Postgres(begun))
}

/// Waits for Postgres, which may be stopped or cut off without our connection noticing.
pub(crate) async fn answered<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StorageError> {
    match timeout(ANSWER, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(StorageError::Unavailable("it does not answer".to_owned())),
    }
}

impl Tx {
    /// # Errors
    /// `InDoubt` when Postgres went away before it said whether it is done.
    pub(crate) async fn commit(self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => match timeout(ANSWER, tx.commit()).await {
                Ok(Ok(())) => {}
                Ok(Err(error @ sqlx::Error::Database(_))) => return Err(error.into()),
                Ok(Err(error)) => return Err(StorageError::InDoubt(error.to_string())),
                Err(_) => return Err(StorageError::InDoubt("it does not answer".to_owned())),
            },
        }
        Ok(())
    }

    /// Works for somebody else from here on.
    pub(crate) async fn enter(&mut self, scope: Scope) -> Result<(), StorageError> {
        if let Self::Postgres(tx) = self {
            answered(sqlx::raw_sql(AssertSqlSafe(scope.statement())).execute(&mut **tx)).await?;
        }
        Ok(())
    }

    /// The time by the database's own clock, in microseconds: the one clock that all processes of
    /// a cluster share.
    pub(crate) async fn now(&mut self) -> Result<i64, StorageError> {
        let sql = match self {
            Self::Sqlite(_) => NOW_SQLITE,
            Self::Postgres(_) => NOW_POSTGRES,
        };
        let (now,): (i64,) = fetch_one!(self, sqlx::query_as(sql))?;
        Ok(now)
    }
}

pub(crate) use {execute, fetch, fetch_all, fetch_one, fetch_optional};

#[cfg(all(test, feature = "testing"))]
mod tests {
    use domain::TenantId;
    use uuid::Uuid;

    use crate::testing;

    #[tokio::test]
    async fn no_statement_stays_prepared_in_postgres() {
        let storage = testing::postgres().await;
        storage.list_tenants(None, 1).await.unwrap();
        storage.platform_config().await.unwrap();
        storage
            .keys_used(&[], time::OffsetDateTime::UNIX_EPOCH)
            .await
            .unwrap();
        let tenant = storage.tenant(TenantId::new(Uuid::from_u128(1)));
        assert!(tenant.list_keys(None, 1).await.unwrap().is_empty());

        let mut tx = storage.read().await.unwrap();
        let count = "SELECT COUNT(*) FROM pg_prepared_statements";
        let (left,): (i64,) = fetch_one!(&mut tx, sqlx::query_as(count)).unwrap();

        assert_eq!(left, 0);
    }
}
