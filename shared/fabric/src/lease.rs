//! What a worker needs to run a connector, credential included, for a bounded time.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{
    AccountId, AccountMethod, Connector, ConnectorId, ConnectorSecrets, KeyId, TenantId, TokenKind,
};
use futures_util::future::BoxFuture;
use secrecy::{SecretBox, SecretString};

/// A connector with its secrets in clear. Lives in a worker's memory only.
#[derive(Debug)]
pub struct Lease {
    pub connector: Connector,
    pub secrets: SecretBox<LeasedSecrets>,
    /// Whether accounts can be connected to it: a call then asks for its [`Credential`] first.
    pub takes_accounts: bool,
}

/// Which credential a call of one key is made with.
#[derive(Clone, Debug)]
pub struct CredentialRequest {
    pub tenant: TenantId,
    pub connector: ConnectorId,
    pub key: KeyId,
    /// Whose token it must be, where the provider tells them apart and the call needs one kind:
    /// the nearest credential of that kind then, whichever is preferred. None: any.
    pub token_kind: Option<TokenKind>,
    /// The credential that the provider refused (401), if that is why another is asked for. If
    /// its generation is still the newest, it is refreshed or ended.
    pub refused: Option<(AccountId, i64)>,
    /// What the provider said, or the tool, that is missing of the account's grant: the answer is
    /// then [`CredentialError::Missing`] with a link that asks for them too.
    pub further_scopes: Vec<String>,
    /// Whether a person can be shown a link, if one is missing. Else no connecting is begun, and
    /// [`CredentialError::Missing`] comes without one: somebody only waits for it to end.
    pub wants_link: bool,
}

/// What a call is signed with.
#[derive(Debug)]
pub enum Credential {
    /// The connector's own secret: nobody has connected an account that would go before it.
    Own,
    Account(AccountLease),
}

/// An account's tokens in clear, for a bounded time. Lives in a worker's memory only.
#[derive(Debug)]
pub struct AccountLease {
    pub account: AccountId,
    /// Of these tokens; see `domain::Account::generation`.
    pub generation: i64,
    /// What the tokens are: got by OAuth, or pasted as the connector's own are.
    pub method: AccountMethod,
    pub access_token: SecretString,
    /// The user's token of a provider that gives a bot's and a user's.
    pub user_token: Option<SecretString>,
    /// What the provider granted; empty where it does not say.
    pub scopes: Vec<String>,
    /// What the connection says of variables in the connector's base URL.
    pub variables: BTreeMap<String, String>,
    /// The tokens are good for so long, as far as is known; none for those that do not end.
    pub usable_for: Option<Duration>,
}

/// Why there is no credential for the call.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Nothing is connected, what was is refused by the provider, or its grant is too small: a
    /// person must open `connect_url`, which is for the asking key alone and works once.
    #[error("{message}")]
    Missing {
        /// None when nobody can connect one here, e.g. without an OAuth client; then `message`
        /// says what an administrator must do.
        connect_url: Option<String>,
        /// For the person: which account is missing, and why.
        message: String,
    },
    /// It is being refreshed, and the provider's token endpoint does not answer. Nothing is lost.
    #[error("the provider's token endpoint does not answer: {0}")]
    Provider(String),
    #[error("there is no such connector, or it is disabled")]
    Gone,
    #[error("the credential cannot be opened")]
    Sealed,
    #[error("the control-plane is unavailable: {0}")]
    Unavailable(String),
}

/// Zeroised when dropped; `secrecy` asks for a type of its own.
#[derive(Clone, Default)]
pub struct LeasedSecrets(pub ConnectorSecrets);

impl secrecy::zeroize::Zeroize for LeasedSecrets {
    fn zeroize(&mut self) {
        self.0.token.zeroize();
        for value in self.0.headers.values_mut().chain(self.0.env.values_mut()) {
            value.zeroize();
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    #[error("there is no such connector, or it is disabled")]
    Gone,
    #[error("the credential cannot be opened")]
    Sealed,
    #[error("the control-plane is unavailable: {0}")]
    Unavailable(String),
}

/// Gives leases. Implemented by the control-plane, asked by workers.
pub trait Leases: Send + Sync {
    fn lease(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
    ) -> BoxFuture<'_, Result<Lease, LeaseError>>;

    /// The credential for calls of one key, refreshed where that is due. Asked only where
    /// [`Lease::takes_accounts`].
    fn credential(
        &self,
        request: CredentialRequest,
    ) -> BoxFuture<'_, Result<Credential, CredentialError>> {
        let _ = request;
        Box::pin(std::future::ready(Ok(Credential::Own)))
    }
}
