//! What can go wrong, in terms of the caller.

use std::path::PathBuf;

use crypto::OpenError;

/// Why an operation on storage failed. Nothing of it was done then, but for `InDoubt`.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A rule between rows forbids it.
    #[error("{0}")]
    Conflict(Constraint),
    /// Somebody else changed the row since it was read.
    #[error("it was changed by somebody else in the meantime")]
    VersionMismatch,
    /// The row to change, or the one it belongs to, is not there (for this tenant).
    #[error("it does not exist")]
    NotFound,
    /// These names are no tools of the connector.
    #[error("the connector has no such tools: {}", .0.join(", "))]
    UnknownTools(Vec<String>),
    /// Found out before anything was touched.
    #[error(
        "this root key is not the one that the database was made with: \
         use the key file that belongs to it"
    )]
    WrongRootKey,
    #[error("database {} is in use by another process{}; stop that one first",
        .path.display(), .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Locked { path: PathBuf, pid: Option<u32> },
    /// The data breaks a rule that this crate keeps, or is not ours.
    #[error("the database cannot be used: {0}")]
    Corrupt(String),
    /// The database cannot be reached, or does not get to it now.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The database answers, and takes no changes now: a stand-by, or set so by its operator.
    #[error("the database is read-only: {0}")]
    ReadOnly(String),
    /// The database went away while it committed: the change may have happened or not, as a whole.
    #[error("the database went away before it said whether the change is made: {0}")]
    InDoubt(String),
    /// The database does not let our role do what it must.
    #[error("the database denies it: {0}")]
    Denied(String),
    /// Sealed data does not open: its row was altered or moved.
    #[error("{0}")]
    Crypto(#[from] OpenError),
}

/// Rules between rows that a change can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Constraint {
    /// Another tenant, or another connector of this tenant, has it.
    #[error("the slug is taken")]
    SlugTaken,
    /// The same caller used this idempotency key for this operation already.
    #[error("the idempotency key was used already")]
    IdempotencyKeyTaken,
    #[error("the id is taken")]
    IdTaken,
    /// A platform key with a tenant, or a tenant's key without.
    #[error("the key's scope and tenant do not fit together")]
    KeyOwner,
    /// The owner has another account of this name for the connector.
    #[error("the name is taken")]
    NameTaken,
    /// There is an OAuth client for this provider already, of the same owner.
    #[error("there is one for this provider already")]
    ProviderTaken,
    /// See `domain::limits`.
    #[error("there are as many as allowed already")]
    LimitReached,
}

/// The constraint's name in Postgres, what SQLite says instead, and what it means.
const CONSTRAINTS: &[(&str, &str, Constraint)] = &[
    ("tenants_slug_key", "tenants.slug", Constraint::SlugTaken),
    (
        "connectors_tenant_id_slug_key",
        "connectors.tenant_id, connectors.slug",
        Constraint::SlugTaken,
    ),
    ("tenants_pkey", "tenants.id", Constraint::IdTaken),
    ("connectors_pkey", "connectors.id", Constraint::IdTaken),
    (
        "connectors_tenant_id_id_key",
        "connectors.tenant_id, connectors.id",
        Constraint::IdTaken,
    ),
    ("api_keys_pkey", "api_keys.id", Constraint::IdTaken),
    (
        "api_keys_owner_check",
        "api_keys_owner_check",
        Constraint::KeyOwner,
    ),
    (
        "oauth_clients_pkey",
        "oauth_clients.id",
        Constraint::IdTaken,
    ),
    (
        "oauth_clients_tenant_provider",
        "oauth_clients.tenant_id, oauth_clients.provider",
        Constraint::ProviderTaken,
    ),
    (
        "oauth_clients_platform_provider",
        "oauth_clients.provider",
        Constraint::ProviderTaken,
    ),
    ("accounts_pkey", "accounts.id", Constraint::IdTaken),
    (
        "accounts_tenant_name",
        "accounts.connector_id, accounts.name",
        Constraint::NameTaken,
    ),
    (
        "accounts_key_name",
        "accounts.connector_id, accounts.owner, accounts.name",
        Constraint::NameTaken,
    ),
    (
        "connect_flows_pkey",
        "connect_flows.id",
        Constraint::IdTaken,
    ),
    (
        "connect_flows_nonce_hash_key",
        "connect_flows.nonce_hash",
        Constraint::IdTaken,
    ),
    (
        "connect_flows_state_hash_key",
        "connect_flows.state_hash",
        Constraint::IdTaken,
    ),
    (
        "remembered_pkey",
        "remembered.caller, remembered.operation, remembered.key",
        Constraint::IdempotencyKeyTaken,
    ),
];

/// `SQLITE_NOTADB`.
const NOT_A_DATABASE: &str = "26";
/// `SQLITE_CORRUPT`.
const DAMAGED: &str = "11";
/// `SQLITE_READONLY`.
const READ_ONLY_SQLITE: &str = "8";
/// `read_only_sql_transaction`.
const READ_ONLY_POSTGRES: &str = "25006";
/// `insufficient_privilege`; breaking row-level security is one too.
const DENIED: &str = "42501";

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => from_database(database.as_ref()),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Corrupt(error.to_string())
            }
            sqlx::Error::PoolTimedOut => {
                let why = "it does not answer, or all connections to it are busy";
                Self::Unavailable(why.to_owned())
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

fn from_database(error: &dyn sqlx::error::DatabaseError) -> StorageError {
    if error.is_foreign_key_violation() {
        return StorageError::NotFound;
    }
    if error.is_unique_violation() || error.is_check_violation() {
        let in_sqlite = error.message().rsplit(": ").next().unwrap_or_default();
        let known = CONSTRAINTS.iter().find(|(postgres, sqlite, _)| {
            error
                .constraint()
                .map_or(*sqlite == in_sqlite, |name| name == *postgres)
        });
        return match known {
            Some((.., constraint)) => StorageError::Conflict(*constraint),
            None => StorageError::Corrupt(error.message().to_owned()),
        };
    }
    let message = error.message().to_owned();
    match error.code().as_deref() {
        Some(NOT_A_DATABASE | DAMAGED) => StorageError::Corrupt(message),
        Some(READ_ONLY_SQLITE | READ_ONLY_POSTGRES) => StorageError::ReadOnly(message),
        Some(DENIED) => StorageError::Denied(message),
        _ => StorageError::Unavailable(message),
    }
}
