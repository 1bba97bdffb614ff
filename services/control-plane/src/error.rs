//! Why an operation was refused, or failed. REST and gRPC each write it their own way.

use std::fmt;

use domain::Denied;
use storage::StorageError;

/// Why an operation did not happen. What `Display` says is for the caller, but for `Unavailable`
/// and `Internal`, whose causes are for the log only.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("an API key that is known and live is needed")]
    Unauthenticated {
        /// Whether the caller sent something that was to be one.
        token_sent: bool,
    },
    #[error("the key's scope does not allow this")]
    Forbidden,
    /// It is not there, or is not for this caller to see.
    #[error("{}", .0.missing())]
    NotFound(Resource),
    #[error("{}", .0.iter().map(Violation::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Violation>),
    #[error("the page token is not one that this list gave out")]
    InvalidPageToken,
    #[error("it was changed since: read it again and decide anew")]
    VersionMismatch,
    #[error("it is being changed by somebody else: try again")]
    ConcurrentChange,
    #[error("the slug {slug:?} is taken")]
    SlugTaken { slug: String },
    #[error("{0}")]
    ToolNameCollision(String),
    #[error("{0}")]
    LimitReached(String),
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    #[error("the tool's definition is another one by now: look at its changes again")]
    DefinitionChanged,
    #[error("the connector has no tool named {}", quoted(.0))]
    UnknownTools(Vec<String>),
    #[error("only hosted_mcp connectors have a process")]
    NotHosted,
    #[error("the connector is disabled: enable it first")]
    ConnectorDisabled,
    #[error("the tenant is deactivated: activate it first")]
    TenantInactive,
    #[error("the upstream's tools could not be read: {0}")]
    UpstreamFailed(String),
    /// What it said, or that it said nothing. Nothing of it was stored.
    #[error("the provider gave no token: {0}")]
    ProviderFailed(String),
    /// Its sign-in is no OAuth, or it has none.
    #[error("nobody signs in at a provider for this connector: {0}")]
    TakesNoAccounts(String),
    #[error("{0}")]
    OAuthClientMissing(String),
    #[error(
        "the installation has no public address that providers could send people back to: the \
         operator sets it as control_plane.public_url"
    )]
    PublicUrlMissing,
    #[error("there is an account of this name already")]
    NameTaken,
    /// Something it needs is away; trying again later may do.
    #[error("failed to {doing}: {cause}")]
    Unavailable { doing: &'static str, cause: String },
    /// The database went away in the middle. What `Display` says of it is for the caller.
    #[error(
        "the database went away before it said whether the change is made: look before you repeat \
         it"
    )]
    InDoubt { doing: &'static str, cause: String },
    /// A fault of ours.
    #[error("failed to {doing}: {cause}")]
    Internal { doing: &'static str, cause: String },
}

/// What was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Tenant,
    Connector,
    Tool,
    Key,
    /// A type of connector that people sign in for.
    OAuthProvider,
    OAuthClient,
    Connection,
    Account,
}

impl Resource {
    fn missing(self) -> &'static str {
        match self {
            Self::Tenant => "there is no such tenant",
            Self::Connector => "the tenant has no such connector",
            Self::Tool => "the connector has no such tool",
            Self::Key => "there is no such key",
            Self::OAuthProvider => "there is no such provider with a sign-in by OAuth",
            Self::OAuthClient => "there is no OAuth client for this provider",
            Self::Connection => "there is no such connection under way",
            Self::Account => "the connector has no such account",
        }
    }
}

/// A field, and the rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path in the REST document, e.g. `config.url`.
    pub field: String,
    /// What it must be; never quotes the value, which may be a secret.
    pub rule: String,
}

impl Violation {
    pub(crate) fn new(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            rule: rule.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.rule)
    }
}

fn quoted(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("{name:?}"))
        .collect::<Vec<_>>()
        .join(", ")
}

impl Error {
    pub(crate) fn invalid(field: &str, rule: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation::new(field, rule)])
    }

    pub(crate) fn internal(doing: &'static str, cause: impl fmt::Display) -> Self {
        Self::Internal {
            doing,
            cause: cause.to_string(),
        }
    }

    /// What a failure of storage means to the caller, where the operation has nothing better to
    /// say. `doing` is a verb phrase for the log.
    pub(crate) fn storage(doing: &'static str) -> impl Fn(StorageError) -> Self {
        move |error| match error {
            StorageError::VersionMismatch => Self::VersionMismatch,
            // It was there a moment ago.
            StorageError::NotFound => Self::ConcurrentChange,
            StorageError::UnknownTools(names) => Self::UnknownTools(names),
            StorageError::InDoubt(cause) => Self::InDoubt { doing, cause },
            StorageError::Unavailable(_)
            | StorageError::ReadOnly(_)
            | StorageError::Locked { .. } => Self::Unavailable {
                doing,
                cause: error.to_string(),
            },
            error => Self::internal(doing, error),
        }
    }

    /// The stable name of the REST problem, and the `reason` of the gRPC error.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unauthenticated { .. } => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound(Resource::Tenant) => "tenant-not-found",
            Self::NotFound(Resource::Connector) => "connector-not-found",
            Self::NotFound(Resource::Tool) => "tool-not-found",
            Self::NotFound(Resource::Key) => "key-not-found",
            Self::NotFound(Resource::OAuthProvider) => "oauth-provider-not-found",
            Self::NotFound(Resource::OAuthClient) => "oauth-client-not-found",
            Self::NotFound(Resource::Connection) => "connection-not-found",
            Self::NotFound(Resource::Account) => "account-not-found",
            Self::Invalid(_) => "invalid-request",
            Self::InvalidPageToken => "invalid-page-token",
            Self::VersionMismatch => "version-mismatch",
            Self::ConcurrentChange => "concurrent-change",
            Self::SlugTaken { .. } => "slug-taken",
            Self::ToolNameCollision(_) => "tool-name-collision",
            Self::LimitReached(_) => "limit-reached",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::DefinitionChanged => "definition-changed",
            Self::UnknownTools(_) => "unknown-tools",
            Self::NotHosted => "not-hosted",
            Self::ConnectorDisabled => "connector-disabled",
            Self::TenantInactive => "tenant-inactive",
            Self::UpstreamFailed(_) => "upstream-failed",
            Self::ProviderFailed(_) => "provider-failed",
            Self::TakesNoAccounts(_) => "takes-no-accounts",
            Self::OAuthClientMissing(_) => "oauth-client-missing",
            Self::PublicUrlMissing => "public-url-missing",
            Self::NameTaken => "name-taken",
            Self::Unavailable { .. } => "unavailable",
            Self::InDoubt { .. } => "in-doubt",
            Self::Internal { .. } => "internal",
        }
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        match denied {
            // The same answer as for a tenant that does not exist.
            Denied::ForeignTenant => Self::NotFound(Resource::Tenant),
            Denied::Scope => Self::Forbidden,
        }
    }
}
