//! What an HTTP status other than success means.

use fabric::{Failure, FailureKind, RpcError};
use http::StatusCode;
use mcp::{Message, codes};

use super::answer::{parse, rpc_error};
use crate::failure::{sent, unsent};

/// An answer with a status other than success, and the JSON-RPC error in it, if any.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: Option<RpcError>,
    retry_after: Option<u64>,
}

impl Refusal {
    pub(super) fn read(status: StatusCode, body: &[u8], retry_after: Option<u64>) -> Self {
        let error = match parse(body) {
            Ok(Message::Error { error, .. }) => rpc_error(error).ok(),
            _ => None,
        };
        Self {
            status,
            error,
            retry_after,
        }
    }

    /// A refusal in an answer whose status is success.
    pub(super) fn of_error(error: RpcError) -> Self {
        Self {
            status: StatusCode::OK,
            error: Some(error),
            retry_after: None,
        }
    }

    pub(super) fn code(&self) -> Option<i64> {
        self.error.as_ref().map(|error| error.code)
    }

    /// Whether only a server of the modern era answers so.
    pub(super) fn is_modern(&self) -> bool {
        self.code().is_some_and(is_modern_code)
    }

    /// Whether the refusal concerns who we are, not what we ask.
    pub(super) fn concerns_credential(&self) -> bool {
        matches!(
            self.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        )
    }

    /// Whether there may be no endpoint of Streamable HTTP here (2025-03-26, "Backwards
    /// Compatibility": a 4xx).
    pub(super) fn has_no_endpoint(&self) -> bool {
        self.status.is_client_error() && !self.concerns_credential() && self.status.as_u16() != 429
    }

    /// The failure to report, where neither the era logic nor the caller can use the refusal.
    pub(super) fn failure(&self) -> Failure {
        let status = self.status;
        match status {
            StatusCode::OK => sent(
                FailureKind::Garbage,
                match &self.error {
                    Some(error) => format!("the MCP server refused: {}", shortened(&error.message)),
                    None => "the MCP server refused".to_owned(),
                },
            ),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => unsent(
                FailureKind::Credential,
                format!("the MCP server refused the connector's credential ({status})"),
            ),
            StatusCode::TOO_MANY_REQUESTS => unsent(
                FailureKind::Busy,
                match self.retry_after {
                    Some(seconds) => {
                        format!("the MCP server limits our calls: try again in {seconds} s")
                    }
                    None => "the MCP server limits our calls: try again later".to_owned(),
                },
            ),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => unsent(
                FailureKind::Unreachable,
                format!("there is no Streamable HTTP endpoint at the connector's URL ({status})"),
            ),
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => sent(
                FailureKind::Unreachable,
                format!("the MCP server is unavailable ({status})"),
            ),
            _ if status.is_redirection() => unsent(
                FailureKind::Unreachable,
                format!("the URL redirects ({status}), which is not followed: use the final URL"),
            ),
            _ if status.is_client_error() => unsent(
                FailureKind::Garbage,
                format!("the MCP server refused the call: {status}"),
            ),
            _ => sent(
                FailureKind::Garbage,
                format!("the MCP server answered {status}"),
            ),
        }
    }
}

/// As much of a server's words as fits into ours.
fn shortened(text: &str) -> &str {
    match text.char_indices().nth(200) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// Whether an error code belongs to the modern era alone.
pub(super) const fn is_modern_code(code: i64) -> bool {
    matches!(
        code,
        codes::HEADER_MISMATCH
            | codes::MISSING_CLIENT_CAPABILITY
            | codes::UNSUPPORTED_PROTOCOL_VERSION
    )
}
