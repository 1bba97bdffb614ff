//! How a call ended.

use fabric::{Effect, Failure, FailureKind, InputRequired, Outcome, RpcError};
use proto::fabric::v1;

use super::{Invalid, need};

pub fn outcome_to(outcome: Outcome) -> v1::Outcome {
    use v1::outcome::Outcome as Wire;
    let outcome = match outcome {
        Outcome::Result(result) => Wire::Result(result),
        Outcome::InputRequired(input) => Wire::InputRequired(input_required_to(input)),
        Outcome::Error(error) => Wire::Error(v1::RpcError {
            code: error.code,
            message: error.message,
            data: error.data,
            raw: error.raw,
        }),
        Outcome::Failed(failure) => Wire::Failed(failure_to(failure)),
    };
    v1::Outcome {
        outcome: Some(outcome),
    }
}

/// # Errors
/// It is none of the outcomes that there are.
pub fn outcome_from(outcome: v1::Outcome) -> Result<Outcome, Invalid> {
    use v1::outcome::Outcome as Wire;
    Ok(match need(outcome.outcome, "outcome")? {
        Wire::Result(result) => Outcome::Result(result),
        Wire::InputRequired(input) => Outcome::InputRequired(input_required_from(input)),
        Wire::Error(error) => Outcome::Error(RpcError {
            code: error.code,
            message: error.message,
            data: error.data,
            raw: error.raw,
        }),
        Wire::Failed(failure) => Outcome::Failed(failure_from(failure)?),
    })
}

pub(super) fn input_required_to(input: InputRequired) -> v1::InputRequired {
    v1::InputRequired {
        requests: input.requests,
        state: input.state,
        meta: input.meta,
    }
}

pub(super) fn input_required_from(input: v1::InputRequired) -> InputRequired {
    InputRequired {
        requests: input.requests,
        state: input.state,
        meta: input.meta,
    }
}

pub fn failure_to(failure: Failure) -> v1::Failure {
    v1::Failure {
        kind: failure.kind.as_str().to_owned(),
        message: failure.message,
        effect_possible: failure.effect == Effect::Possible,
    }
}

/// # Errors
/// There is no such kind.
pub fn failure_from(failure: v1::Failure) -> Result<Failure, Invalid> {
    let mut kinds = FailureKind::ALL.into_iter();
    let kind = kinds.find(|kind| kind.as_str() == failure.kind);
    Ok(Failure {
        kind: need(kind, "failure.kind")?,
        message: failure.message,
        effect: if failure.effect_possible {
            Effect::Possible
        } else {
            Effect::None
        },
    })
}
