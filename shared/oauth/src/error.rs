//! What can go wrong at a provider, and what may be done about it.

use std::time::Duration;

use egress::EgressError;

use crate::keys::NotSigned;

/// Why there are no tokens. No text holds a secret; a provider's own words are cut and freed of
/// what we sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The code or refresh token is not, or no longer, good: the person must connect again.
    #[error("the provider takes the sign-in no more: {description}")]
    InvalidGrant { description: String },
    /// The provider will not, for another reason: a wrong client secret, a scope it does not
    /// know. Trying again helps only after somebody changed something.
    #[error("the provider refuses ({code}): {description}")]
    Refused { code: String, description: String },
    /// Too many requests, or the provider has trouble of its own.
    #[error("the provider cannot answer now: {description}")]
    Later {
        retry_after: Option<Duration>,
        description: String,
    },
    /// The request has certainly not arrived.
    #[error("{0}")]
    Unsent(String),
    /// The request may have arrived and been carried out, but no answer is here.
    #[error("{0}")]
    Unclear(String),
    /// An answer that cannot be read. The request may have been carried out.
    #[error("the provider's answer cannot be read: {0}")]
    Garbage(String),
    /// The answer to a refresh is about somebody else's sign-in and was thrown away.
    #[error("the provider answered with the tokens of another account")]
    AnotherAccount,
}

impl TokenError {
    /// Whether the provider may have done what was asked, so that the old refresh token may be
    /// used up.
    pub const fn may_have_happened(&self) -> bool {
        match self {
            Self::InvalidGrant { .. } | Self::Refused { .. } | Self::Unsent(_) => false,
            Self::Later { .. } | Self::Unclear(_) | Self::Garbage(_) | Self::AnotherAccount => true,
        }
    }
}

impl From<NotSigned> for TokenError {
    fn from(error: NotSigned) -> Self {
        Self::Unsent(error.to_string())
    }
}

impl From<EgressError> for TokenError {
    fn from(error: EgressError) -> Self {
        if error.may_have_arrived() {
            Self::Unclear(error.to_string())
        } else {
            Self::Unsent(error.to_string())
        }
    }
}
