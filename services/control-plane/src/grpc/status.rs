//! Errors as gRPC says them: a code, a sentence, and the details of `google.rpc`.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};
use web::RequestId;

use crate::error::Error;

/// Whose names the reasons are.
const DOMAIN: &str = "turnbuckle";
/// When to ask again what was away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a request calls the fields of REST: pairs of a REST path, or the beginning of one that
/// ends with a dot, and what stands for it here. Fields without a pair are called as in REST.
pub(super) type Fields = &'static [(&'static str, &'static str)];

/// No field has a name of its own.
pub(super) const AS_IN_REST: Fields = &[];

/// The answer to a call that failed. Logs what the caller is not told.
pub(super) fn to_status(error: &Error, fields: Fields, id: Option<&RequestId>) -> Status {
    let message = match error {
        Error::Internal { .. } => {
            tracing::error!("{error}");
            "something went wrong here; the log has it under the request id".to_owned()
        }
        Error::Unavailable { .. } => {
            tracing::error!("{error}");
            "something it needs is away: try again".to_owned()
        }
        Error::InDoubt { doing, cause } => {
            tracing::error!(error = %cause, "failed to {doing}, or not: the database went away");
            error.to_string()
        }
        Error::Invalid(violations) => {
            let said = violations
                .iter()
                .map(|v| format!("{} {}", called(&v.field, fields), v.rule));
            said.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    };
    let reason = error.name().to_ascii_uppercase().replace('-', "_");
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, []);
    if let Some(id) = id.filter(|id| !id.as_str().is_empty()) {
        details.set_request_info(id.as_str(), "");
    }
    match error {
        Error::Invalid(violations) => {
            let said = violations.iter().map(|v| FieldViolation {
                field: called(&v.field, fields),
                description: v.rule.clone(),
                ..FieldViolation::default()
            });
            details.set_bad_request(said.collect::<Vec<_>>());
        }
        Error::Unavailable { .. } => {
            details.set_retry_info(Some(RETRY_AFTER));
        }
        _ => {}
    }
    Status::with_error_details(code(error), message, details)
}

fn code(error: &Error) -> Code {
    match error {
        Error::Unauthenticated { .. } => Code::Unauthenticated,
        Error::Forbidden => Code::PermissionDenied,
        Error::NotFound(_) | Error::UnknownTools(_) => Code::NotFound,
        Error::Invalid(_) | Error::InvalidPageToken | Error::IdempotencyKeyReused => {
            Code::InvalidArgument
        }
        // As AIP-154 has it for etags.
        Error::VersionMismatch | Error::ConcurrentChange | Error::DefinitionChanged => {
            Code::Aborted
        }
        Error::SlugTaken { .. } | Error::NameTaken => Code::AlreadyExists,
        Error::ToolNameCollision(_)
        | Error::NotHosted
        | Error::TakesNoAccounts(_)
        | Error::OAuthClientMissing(_)
        | Error::PublicUrlMissing
        | Error::ConnectorDisabled
        | Error::TenantInactive => Code::FailedPrecondition,
        Error::LimitReached(_) => Code::ResourceExhausted,
        Error::UpstreamFailed(_) | Error::ProviderFailed(_) | Error::Unavailable { .. } => {
            Code::Unavailable
        }
        Error::InDoubt { .. } => Code::Unknown,
        Error::Internal { .. } => Code::Internal,
    }
}

fn called(field: &str, fields: Fields) -> String {
    for (rest, here) in fields {
        if field == *rest {
            return (*here).to_owned();
        }
        if let Some(inner) = field.strip_prefix(rest).filter(|_| rest.ends_with('.')) {
            return format!("{here}{inner}");
        }
    }
    field.to_owned()
}
