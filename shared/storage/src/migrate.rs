//! Brings a database to this version's schema, and binds it to its root key.
//!
//! Everything happens in one transaction: a start that fails or is killed leaves the database as
//! it was. sqlx's own runner is not used for that reason, and because it needs a session lock and
//! prepared statements, which poolers do not carry.

use std::collections::HashMap;

use crypto::RootKey;
use sha2::{Digest, Sha256};

use crate::StorageError;
use crate::tx::{Pool, Tx, execute, fetch_all, fetch_one, fetch_optional};

/// One step of the schema, in both dialects. Never changed once released.
struct Migration {
    version: i64,
    file: &'static str,
    /// The newest migration that code must know at least to run on the schema after this one.
    /// 0 for one that only adds: what ran before runs on.
    needs: i64,
    sqlite: &'static str,
    postgres: &'static str,
}

/// Names a file that both folders of `migrations/` have. One that takes away or changes what older
/// code relies on says what it needs: a release that contracts comes after one that has stopped
/// to rely on it.
macro_rules! migration {
    ($version:literal, $file:literal) => {
        migration!($version, $file, needs 0)
    };
    ($version:literal, $file:literal, needs $needs:literal) => {
        Migration {
            version: $version,
            file: $file,
            needs: $needs,
            sqlite: include_str!(concat!("../../../migrations/sqlite/", $file)),
            postgres: include_str!(concat!("../../../migrations/postgres/", $file)),
        }
    };
}

const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001_foundation.sql"),
    migration!(2, "0002_tool_identity.sql"),
    // Code that does not say for whom it works sees no rows in Postgres from here on.
    migration!(3, "0003_cluster.sql", needs 3),
    migration!(4, "0004_tool_order.sql"),
    migration!(5, "0005_readings.sql"),
    migration!(6, "0006_accounts.sql"),
    migration!(7, "0007_programs.sql"),
    migration!(8, "0008_registrations.sql"),
];

/// Any number will do, as long as nobody else takes the same ("turnbuck" in ASCII).
const LOCK_POSTGRES: &str = "SELECT pg_advisory_xact_lock(8391739299098616683)";

const COUNT_TABLES_SQLITE: &str = "
    SELECT COUNT(*), COUNT(CASE WHEN name = 'migrations' THEN 1 END)
    FROM sqlite_schema WHERE type = 'table'";
const COUNT_TABLES_POSTGRES: &str = "
    SELECT COUNT(*), COUNT(CASE WHEN tablename = 'migrations' THEN 1 END)
    FROM pg_catalog.pg_tables WHERE schemaname = current_schema()";

const CREATE_MIGRATIONS: &str = "
    CREATE TABLE migrations (
        version  BIGINT NOT NULL PRIMARY KEY,
        checksum TEXT   NOT NULL
    )";
const LIST_MIGRATIONS: &str = "SELECT version, checksum FROM migrations";
const RECORD_MIGRATION: &str = "INSERT INTO migrations (version, checksum) VALUES ($1, $2)";
const RECORD_NEEDS: &str = "UPDATE migrations SET needs = $2 WHERE version = $1";
const FIND_NEEDS: &str = "SELECT MAX(needs) FROM migrations";

const FIND_ROOT_KEY: &str = "SELECT value FROM meta WHERE name = 'root_key_id'";
const RECORD_ROOT_KEY: &str = "INSERT INTO meta (name, value) VALUES ('root_key_id', $1)";

/// What a database holds, as far as can be told before it is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    Ours,
}

/// Looks, and refuses what is not ours or was made with another root key. Changes nothing.
pub(crate) async fn inspect(tx: &mut Tx, root: &RootKey) -> Result<Found, StorageError> {
    let count = match tx {
        Tx::Sqlite(_) => COUNT_TABLES_SQLITE,
        Tx::Postgres(_) => COUNT_TABLES_POSTGRES,
    };
    let (tables, of_ours): (i64, i64) = fetch_one!(tx, sqlx::query_as(count))?;
    if tables == 0 {
        return Ok(Found::Nothing);
    }
    if of_ours == 0 {
        let why = "it has tables, but none of Turnbuckle's: give it a database of its own";
        return Err(StorageError::Corrupt(why.to_owned()));
    }
    let made_with: Option<(String,)> = fetch_optional!(tx, sqlx::query_as(FIND_ROOT_KEY))?;
    match made_with {
        Some((id,)) if id == root.id() => Ok(Found::Ours),
        Some(_) => Err(StorageError::WrongRootKey),
        None => Err(StorageError::Corrupt(
            "it does not say which root key it needs".to_owned(),
        )),
    }
}

/// Applies what is missing. Processes that start together on Postgres wait for each other here.
pub(crate) async fn migrate(pool: &Pool, root: &RootKey) -> Result<(), StorageError> {
    let mut tx = pool.migrate().await?;
    if let Tx::Postgres(tx) = &mut tx {
        // Whoever has it may take long.
        let lock = sqlx::query(LOCK_POSTGRES).persistent(false);
        lock.execute(&mut **tx).await?;
    }
    let found = inspect(&mut tx, root).await?;
    if found == Found::Nothing {
        execute!(&mut tx, sqlx::query(CREATE_MIGRATIONS))?;
    }
    apply_missing(&mut tx).await?;
    if found == Found::Nothing {
        execute!(&mut tx, sqlx::query(RECORD_ROOT_KEY).bind(root.id()))?;
    }
    tx.commit().await
}

async fn apply_missing(tx: &mut Tx) -> Result<(), StorageError> {
    let applied: Vec<(i64, String)> = fetch_all!(&mut *tx, sqlx::query_as(LIST_MIGRATIONS))?;
    let mut applied: HashMap<i64, String> = applied.into_iter().collect();

    for Migration {
        version,
        file,
        needs,
        sqlite,
        postgres,
    } in MIGRATIONS
    {
        let sql = match tx {
            Tx::Sqlite(_) => *sqlite,
            Tx::Postgres(_) => *postgres,
        };
        let digest = Sha256::digest(sql);
        let checksum: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        match applied.remove(version) {
            Some(known) if known == checksum => continue,
            Some(_) => {
                let why = format!("{file} was applied to it with another text");
                return Err(StorageError::Corrupt(why));
            }
            None => {}
        }
        match &mut *tx {
            Tx::Sqlite(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(|_| ())?,
            Tx::Postgres(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(|_| ())?,
        }
        execute!(
            &mut *tx,
            sqlx::query(RECORD_MIGRATION).bind(*version).bind(checksum)
        )?;
        if *needs > 0 {
            execute!(
                &mut *tx,
                sqlx::query(RECORD_NEEDS).bind(*version).bind(*needs)
            )?;
        }
    }
    match applied.into_keys().max() {
        Some(newest) => check_newer(tx, newest).await,
        None => Ok(()),
    }
}

/// Migrations that a start would apply. Of a database that is ours.
pub(crate) async fn count_missing(tx: &mut Tx) -> Result<usize, StorageError> {
    let applied: Vec<(i64, String)> = fetch_all!(&mut *tx, sqlx::query_as(LIST_MIGRATIONS))?;
    let newest = applied.iter().map(|(version, _)| *version).max();
    let known = MIGRATIONS.last().map_or(0, |step| step.version);
    if let Some(newest) = newest.filter(|newest| *newest > known) {
        check_newer(tx, newest).await?;
    }
    let is_missing =
        |step: &&Migration| applied.iter().all(|(version, _)| *version != step.version);
    Ok(MIGRATIONS.iter().filter(is_missing).count())
}

/// Whether this code runs on a schema that a newer version has brought further.
async fn check_newer(tx: &mut Tx, newest: i64) -> Result<(), StorageError> {
    let (needs,): (i64,) = fetch_one!(tx, sqlx::query_as(FIND_NEEDS))?;
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if needs > known {
        let why =
            format!("a newer version of Turnbuckle has migrated it (to {newest}): run that one");
        return Err(StorageError::Corrupt(why));
    }
    tracing::info!(
        "the database was migrated by a newer version (to {newest}), and this one still runs on it"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_listed_in_order_for_both_databases() {
        let listed: Vec<_> = MIGRATIONS.iter().map(|migration| migration.file).collect();
        for dialect in ["sqlite", "postgres"] {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
            let mut files: Vec<_> = std::fs::read_dir(root.join(dialect))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort_unstable();
            assert_eq!(listed, files, "{dialect}");
        }
        for migration in MIGRATIONS {
            assert!(
                migration
                    .file
                    .starts_with(&format!("{:04}_", migration.version))
            );
        }
    }
}
