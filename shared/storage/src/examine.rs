//! A look at a database from outside, for who sets it up. Nothing is changed.

use std::str::FromStr;
use std::time::Duration;

use crypto::RootKey;
use secrecy::{ExposeSecret, SecretString};
use sqlx::Row;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use time::OffsetDateTime;
use tokio::time::timeout;

use crate::StorageError;
use crate::migrate::{Found, count_missing, inspect};
use crate::row::time;
use crate::tx::{Pool, Scope, answered};

const CONNECTING: Duration = Duration::from_secs(5);

const LOOK: &str = "
    SELECT current_setting('server_version') AS version,
           current_setting('server_version_num')::INT4 AS number,
           COALESCE((SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles
                     WHERE rolname = current_user), FALSE) AS unbound,
           COALESCE((SELECT ssl FROM pg_catalog.pg_stat_ssl
                     WHERE pid = pg_backend_pid()), FALSE) AS encrypted,
           pg_is_in_recovery() OR current_setting('default_transaction_read_only')::BOOL
               AS read_only,
           CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) AS now";

/// What a Postgres database turned out to be.
#[derive(Clone, Debug)]
pub struct Examination {
    /// Of the server, as it writes it.
    pub version: String,
    /// Whether the server is one that Turnbuckle runs on.
    pub is_supported: bool,
    /// Whether row-level security does not hold for our role.
    pub is_unbound: bool,
    /// Whether the connection is encrypted, as far as the server itself can tell.
    pub is_encrypted: bool,
    /// Whether nothing can be written.
    pub is_read_only: bool,
    /// By the server's clock.
    pub now: OffsetDateTime,
    /// Whether it holds Turnbuckle's tables, or nothing at all.
    pub is_ours: bool,
    /// Migrations that the next start applies.
    pub missing: usize,
}

/// Looks at a Postgres database. `root` is the key it must have been made with.
///
/// # Errors
/// As `Storage::open`: it cannot be reached, is not ours, or needs another root key.
pub async fn examine(url: &SecretString, root: &RootKey) -> Result<Examination, StorageError> {
    let options = PgConnectOptions::from_str(url.expose_secret()).map_err(|_| {
        let how = "its URL must be postgres://user:password@host:port/database";
        StorageError::Unavailable(how.to_owned())
    })?;
    let options = options
        .application_name("turnbuckle doctor")
        .extra_float_digits(None);
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECTING)
        .connect_lazy_with(options.clone());
    // The pool would only say that time is up.
    let first = sqlx::Connection::ping(
        &mut answered(<sqlx::PgConnection as sqlx::Connection>::connect_with(
            &options,
        ))
        .await?,
    )
    .await;
    first?;
    let looked = look(&Pool::Postgres(pool.clone()), root).await;
    let _ = timeout(CONNECTING, pool.close()).await;
    looked
}

async fn look(pool: &Pool, root: &RootKey) -> Result<Examination, StorageError> {
    let mut tx = pool.read(Scope::Platform).await?;
    let row = match &mut tx {
        crate::tx::Tx::Postgres(tx) => {
            answered(sqlx::query(LOOK).persistent(false).fetch_one(&mut **tx)).await?
        }
        crate::tx::Tx::Sqlite(_) => {
            let why = "only Postgres can be looked at from outside";
            return Err(StorageError::Unavailable(why.to_owned()));
        }
    };
    let found = inspect(&mut tx, root).await?;
    let number: i32 = row.try_get("number")?;
    Ok(Examination {
        version: row.try_get("version")?,
        is_supported: number >= 150_000,
        is_unbound: row.try_get("unbound")?,
        is_encrypted: row.try_get("encrypted")?,
        is_read_only: row.try_get("read_only")?,
        now: time(row.try_get("now")?)?,
        is_ours: found == Found::Ours,
        missing: match found {
            Found::Ours => count_missing(&mut tx).await?,
            Found::Nothing => 0,
        },
    })
}
