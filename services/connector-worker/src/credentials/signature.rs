//! What a call is signed with, and why it may not be.

use std::sync::Arc;

use domain::{AccountId, ConnectorId, KeyId, TenantId, TokenKind};
use fabric::{AccountLease, Call, CredentialError, CredentialRequest, Failure, FailureKind};
use secrecy::SecretString;

use crate::failure::unsent;

/// What one call is signed with. Not printed: its tokens are secrets.
#[derive(Clone, Debug)]
pub(crate) enum Signature {
    /// The connector's own secret.
    Own,
    /// The caller's own token, for this call alone.
    Given(Arc<SecretString>),
    Account(Arc<AccountLease>),
}

/// A person must connect an account before the call can be made.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing {
    /// Where; for the caller alone. None where nobody can.
    pub connect_url: Option<String>,
    /// For the person: what is missing, and why.
    pub message: String,
    /// The account whose grant is too small: another of it is needed, or more of the same.
    pub insufficient: Option<(AccountId, i64)>,
    /// Something was done before that must not be done again: the call cannot simply be repeated.
    pub begun: bool,
}

/// Why a call has no signature.
#[derive(Debug)]
pub(crate) enum Unsigned {
    Missing(Missing),
    /// The person was asked, and does not want to.
    Refused,
    Failed(Failure),
}

/// The calls that share a credential: those of one key to one connector, by the kind of token that
/// they need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Whose {
    pub(crate) tenant: TenantId,
    pub(crate) connector: ConnectorId,
    pub(crate) key: KeyId,
    /// Whose token it must be; none: any.
    pub(crate) kind: Option<TokenKind>,
}

impl Whose {
    pub(crate) fn of(call: &Call) -> Self {
        Self {
            tenant: call.tenant,
            connector: call.connector,
            key: call.principal.key,
            kind: None,
        }
    }

    /// The same for calls that need this kind of token.
    pub(crate) fn of_kind(self, kind: Option<TokenKind>) -> Self {
        Self { kind, ..self }
    }

    pub(super) fn request(self) -> CredentialRequest {
        CredentialRequest {
            tenant: self.tenant,
            connector: self.connector,
            key: self.key,
            token_kind: self.kind,
            refused: None,
            further_scopes: Vec::new(),
            wants_link: true,
        }
    }
}

impl Signature {
    pub(crate) fn is_other_than(&self, (account, generation): (AccountId, i64)) -> bool {
        match self {
            Self::Account(lease) => (lease.account, lease.generation) != (account, generation),
            Self::Own | Self::Given(_) => true,
        }
    }
}

/// A person reads it by itself.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(char::to_uppercase);
    let mut sentence: String = first.into_iter().flatten().chain(letters).collect();
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

pub(super) fn unsigned(why: CredentialError) -> Unsigned {
    let failed = |kind, message: &str| Unsigned::Failed(unsent(kind, message));
    match why {
        CredentialError::Missing {
            connect_url,
            message,
        } => Unsigned::Missing(Missing {
            connect_url,
            message: sentence(&message),
            insufficient: None,
            begun: false,
        }),
        CredentialError::Gone => failed(FailureKind::Gone, "there is no such connector any more"),
        CredentialError::Sealed => failed(
            FailureKind::Credential,
            "the account's tokens cannot be opened: it must be connected anew",
        ),
        CredentialError::Provider(why) => {
            tracing::warn!("an account cannot be refreshed: {why}");
            failed(
                FailureKind::Credential,
                "the account's token has ended, and the provider gives no new one at the moment: \
                 try again later",
            )
        }
        CredentialError::Unavailable(why) => {
            tracing::warn!("no credential can be had: {why}");
            // Another worker may have one.
            failed(
                FailureKind::Busy,
                "the account's credential cannot be had at the moment",
            )
        }
    }
}
