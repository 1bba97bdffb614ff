//! Failures in one line.

use egress::EgressError;
use fabric::{Effect, Failure, FailureKind};

/// A failure that left no trace upstream: it is safe to try again.
pub(crate) fn unsent(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure {
        kind,
        message: sentence(message.into()),
        effect: Effect::None,
    }
}

/// A failure after the request was sent: nobody knows what became of it.
pub(crate) fn sent(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure {
        kind,
        message: sentence(message.into()),
        effect: Effect::Possible,
    }
}

/// Messages are shown beside other sentences.
fn sentence(mut message: String) -> String {
    if !message.ends_with(['.', '!', '?']) {
        message.push('.');
    }
    message
}

/// What an outbound HTTP error means for a call. Egress errors name the host and nothing else, so
/// their text may be shown.
pub(crate) fn from_egress(error: &EgressError) -> Failure {
    let kind = match error {
        EgressError::Url(_)
        | EgressError::Refused { .. }
        | EgressError::Resolve { .. }
        | EgressError::Connect { .. }
        | EgressError::Tls { .. } => FailureKind::Unreachable,
        EgressError::Timeout { .. } => FailureKind::Timeout,
        EgressError::Died { .. } => FailureKind::Died,
        EgressError::Garbage { .. } => FailureKind::Garbage,
        EgressError::TooLarge { .. } => FailureKind::TooLarge,
    };
    let message = error.to_string();
    if error.may_have_arrived() {
        sent(kind, message)
    } else {
        unsent(kind, message)
    }
}
