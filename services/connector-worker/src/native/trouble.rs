//! What can stand between a request and its answer.

use std::sync::atomic::Ordering;

use egress::EgressError;
use fabric::{Effect, Failure, FailureKind};

use super::call::Call;
use crate::failure::{from_egress, unsent};

/// Why an attempt gave no answer.
pub(super) enum Trouble {
    Egress(EgressError),
    NoCredential,
    BadCredential,
    /// The request cannot even be written.
    Unsendable(&'static str),
    /// The provider is there, but sends the caller to where nobody should or can go.
    BadRedirect(String),
}

impl Trouble {
    /// Whether another attempt may do better.
    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Egress(
                EgressError::Connect { .. }
                    | EgressError::Died { .. }
                    | EgressError::Resolve { .. }
            )
        )
    }

    pub(super) fn into_failure(self, call: &Call<'_>, may_have_arrived: bool) -> Failure {
        let name = &call.connector.display_name;
        let failure = match self {
            Self::Egress(EgressError::TooLarge { limit }) => call.too_large(limit),
            Self::Egress(error) => from_egress(&error),
            Self::NoCredential => unsent(FailureKind::Credential, call.lacking()),
            Self::BadCredential => unsent(
                FailureKind::Credential,
                format!(
                    "The stored {name} credential cannot be sent: an administrator must set it anew."
                ),
            ),
            Self::Unsendable(message) => unsent(FailureKind::Unreachable, message),
            // Not "unreachable": that would count against the provider's own address.
            Self::BadRedirect(why) => unsent(
                FailureKind::Garbage,
                format!("{name} redirected to where this call cannot go: {why}"),
            ),
        };
        call.with_effect(failure, may_have_arrived)
    }
}

/// Trouble, and whether the request may have arrived before it.
pub(super) struct Sent {
    pub(super) error: Trouble,
    pub(super) may_have_arrived: bool,
}

impl Sent {
    pub(super) fn before(error: Trouble) -> Self {
        Self {
            error,
            may_have_arrived: false,
        }
    }

    pub(super) fn after(error: Trouble) -> Self {
        Self {
            error,
            may_have_arrived: true,
        }
    }
}

impl From<EgressError> for Sent {
    fn from(error: EgressError) -> Self {
        Self {
            may_have_arrived: error.may_have_arrived(),
            error: Trouble::Egress(error),
        }
    }
}

impl Call<'_> {
    /// A tool that only reads has no effect, whatever became of it.
    pub(super) fn with_effect(&self, failure: Failure, may_have_arrived: bool) -> Failure {
        let reads = self.tool.effect == catalog::closed::Effect::Read;
        let timeout = failure.kind == FailureKind::Timeout;
        let effect = if may_have_arrived && (!reads || timeout) {
            Effect::Possible
        } else {
            Effect::None
        };
        Failure { effect, ..failure }
    }

    /// What a failure of one request means for the call: what was done before it stays done.
    pub(super) fn in_all(&self, failure: Failure) -> Failure {
        let effect = match self.wrote.load(Ordering::Relaxed) {
            true => Effect::Possible,
            false => failure.effect,
        };
        Failure { effect, ..failure }
    }

    pub(super) fn too_large(&self, limit: usize) -> Failure {
        let advice = if self.tool.pages.is_some() {
            ": ask for fewer items in a page"
        } else {
            ""
        };
        let name = &self.connector.display_name;
        let message = format!("{name}'s answer is too large, more than {limit} bytes{advice}.");
        Failure {
            kind: FailureKind::TooLarge,
            message,
            effect: Effect::Possible,
        }
    }
}
