//! One transaction on whichever database this process uses, and the macros that run a statement
//! in it.
//!
//! Everything runs in a transaction, reads too: they are consistent then, and with a pooler
//! between us and Postgres a transaction is what stays on one connection. For the same reason no
//! statement is left prepared in Postgres.

use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use crate::StorageError;

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

/// A transaction; rolled back when dropped.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Pool {
    /// Starts a transaction that sees one state of the data throughout.
    pub(crate) async fn read(&self) -> Result<Tx, StorageError> {
        Ok(match self {
            Self::Sqlite { reader, .. } => Tx::Sqlite(reader.begin_with("BEGIN").await?),
            Self::Postgres(pool) => Tx::Postgres(
                pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    .await?,
            ),
        })
    }

    /// Starts a transaction that may change data.
    pub(crate) async fn write(&self) -> Result<Tx, StorageError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }
}

impl Tx {
    pub(crate) async fn commit(self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// Runs a query in a [`Tx`] and takes all rows.
macro_rules! fetch_all {
    ($tx:expr, $query:expr) => {
        match $tx {
            $crate::tx::Tx::Sqlite(tx) => $query.fetch_all(&mut **tx).await,
            $crate::tx::Tx::Postgres(tx) => $query.persistent(false).fetch_all(&mut **tx).await,
        }
        .map_err($crate::StorageError::from)
    };
}

/// Runs a query in a [`Tx`] and takes the first row, if any.
macro_rules! fetch_optional {
    ($tx:expr, $query:expr) => {
        match $tx {
            $crate::tx::Tx::Sqlite(tx) => $query.fetch_optional(&mut **tx).await,
            $crate::tx::Tx::Postgres(tx) => {
                $query.persistent(false).fetch_optional(&mut **tx).await
            }
        }
        .map_err($crate::StorageError::from)
    };
}

/// Runs a query in a [`Tx`] that always has a row, and takes it.
macro_rules! fetch_one {
    ($tx:expr, $query:expr) => {
        match $tx {
            $crate::tx::Tx::Sqlite(tx) => $query.fetch_one(&mut **tx).await,
            $crate::tx::Tx::Postgres(tx) => $query.persistent(false).fetch_one(&mut **tx).await,
        }
        .map_err($crate::StorageError::from)
    };
}

/// Runs a statement in a [`Tx`] and tells how many rows it touched.
macro_rules! execute {
    ($tx:expr, $query:expr) => {
        match $tx {
            $crate::tx::Tx::Sqlite(tx) => $query
                .execute(&mut **tx)
                .await
                .map(|done| done.rows_affected()),
            $crate::tx::Tx::Postgres(tx) => $query
                .persistent(false)
                .execute(&mut **tx)
                .await
                .map(|done| done.rows_affected()),
        }
        .map_err($crate::StorageError::from)
    };
}

pub(crate) use {execute, fetch_all, fetch_one, fetch_optional};

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
