//! Which era a POST belongs to, decided per message and never remembered for a peer.

use crate::codes;
use crate::version::{MODERN_VERSIONS, ProtocolVersion};

/// What the decision looks at.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// `MCP-Protocol-Version`, trimmed; absent when not sent.
    pub header: Option<&'a str>,
    /// `_meta["io.modelcontextprotocol/protocolVersion"]`.
    pub meta: Option<&'a str>,
    /// The method; absent for answers and batches.
    pub method: Option<&'a str>,
    /// Whether the message wants an answer.
    pub is_request: bool,
    /// Whether `Mcp-Session-Id` was sent.
    pub has_session: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Serve it from what the message itself says.
    Modern(ProtocolVersion),
    /// The legacy handshake.
    Initialize,
    /// Belongs to a legacy session; the version is the session's.
    LegacySession,
    /// Legacy, without the session that it needs.
    LegacyWithoutSession,
}

/// Why a message belongs to neither era. All are answered with HTTP 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EraError {
    #[error("MCP-Protocol-Version and the version in _meta must be given and be equal")]
    HeaderMismatch,
    #[error("unsupported protocol version {requested:?}")]
    Unsupported { requested: String },
    #[error("_meta[\"io.modelcontextprotocol/protocolVersion\"] is missing")]
    MetaMissing,
}

impl EraError {
    pub const fn code(&self) -> i64 {
        match self {
            Self::HeaderMismatch => codes::HEADER_MISMATCH,
            Self::Unsupported { .. } => codes::UNSUPPORTED_PROTOCOL_VERSION,
            Self::MetaMissing => codes::INVALID_PARAMS,
        }
    }

    /// The error's `data`, where the protocol defines some, as JSON. Only modern versions are
    /// listed: a legacy one cannot be used without its handshake.
    pub fn data(&self) -> Option<String> {
        let Self::Unsupported { requested } = self else {
            return None;
        };
        let supported = MODERN_VERSIONS.map(ProtocolVersion::as_str);
        Some(serde_json::json!({"supported": supported, "requested": requested}).to_string())
    }
}

/// Decides the era of one message.
pub fn decide(inbound: &Inbound<'_>) -> Result<Era, EraError> {
    let header = inbound.header;
    let known = header.map(|text| text.parse::<ProtocolVersion>().map_err(|()| text));
    if let Some(meta) = inbound.meta {
        if header != Some(meta) {
            return Err(EraError::HeaderMismatch);
        }
        return match known {
            Some(Ok(version)) if version.is_modern() => Ok(Era::Modern(version)),
            _ => Err(EraError::Unsupported {
                requested: meta.to_owned(),
            }),
        };
    }
    match known {
        Some(Err(requested)) => Err(EraError::Unsupported {
            requested: requested.to_owned(),
        }),
        // Only requests must carry metadata; a notification is known by its header alone.
        Some(Ok(version)) if version.is_modern() => {
            if inbound.is_request {
                Err(EraError::MetaMissing)
            } else {
                Ok(Era::Modern(version))
            }
        }
        _ if inbound.method == Some("initialize") && inbound.is_request => Ok(Era::Initialize),
        _ if inbound.has_session => Ok(Era::LegacySession),
        _ => Ok(Era::LegacyWithoutSession),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(header: Option<&str>, meta: Option<&str>, method: &str) -> Result<Era, i64> {
        let inbound = Inbound {
            header,
            meta,
            method: Some(method),
            is_request: true,
            has_session: false,
        };
        decide(&inbound).map_err(|error| error.code())
    }

    #[test]
    fn the_decision_table_holds() {
        const NEW: Option<&str> = Some("2026-07-28");
        const OLD: Option<&str> = Some("2025-11-25");
        const ODD: Option<&str> = Some("2099-01-01");
        let modern = Ok(Era::Modern(ProtocolVersion::V2026_07_28));

        assert_eq!(with(NEW, NEW, "tools/list"), modern);
        assert_eq!(
            with(NEW, NEW, "initialize"),
            modern,
            "answered as an unknown method"
        );
        assert_eq!(with(None, NEW, "tools/list"), Err(codes::HEADER_MISMATCH));
        assert_eq!(with(OLD, NEW, "tools/list"), Err(codes::HEADER_MISMATCH));
        assert_eq!(
            with(ODD, ODD, "tools/list"),
            Err(codes::UNSUPPORTED_PROTOCOL_VERSION)
        );
        assert_eq!(
            with(OLD, OLD, "tools/list"),
            Err(codes::UNSUPPORTED_PROTOCOL_VERSION)
        );
        assert_eq!(with(NEW, None, "tools/list"), Err(codes::INVALID_PARAMS));
        assert_eq!(with(NEW, None, "initialize"), Err(codes::INVALID_PARAMS));
        assert_eq!(
            with(ODD, None, "tools/list"),
            Err(codes::UNSUPPORTED_PROTOCOL_VERSION)
        );
        assert_eq!(
            with(Some(""), None, "ping"),
            Err(codes::UNSUPPORTED_PROTOCOL_VERSION)
        );
        assert_eq!(with(None, None, "initialize"), Ok(Era::Initialize));
        assert_eq!(with(OLD, None, "initialize"), Ok(Era::Initialize));
        assert_eq!(with(OLD, None, "tools/list"), Ok(Era::LegacyWithoutSession));
        assert_eq!(
            with(None, None, "tools/list"),
            Ok(Era::LegacyWithoutSession)
        );
        let session = Inbound {
            header: OLD,
            meta: None,
            method: Some("ping"),
            is_request: true,
            has_session: true,
        };
        assert_eq!(decide(&session), Ok(Era::LegacySession));
        let notification = Inbound {
            header: NEW,
            is_request: false,
            ..session
        };
        assert_eq!(decide(&notification).map_err(|e| e.code()), modern);
    }

    #[test]
    fn an_unsupported_version_is_answered_with_the_supported_ones() {
        let error = EraError::Unsupported {
            requested: "x".to_owned(),
        };
        let data = r#"{"supported":["2026-07-28"],"requested":"x"}"#;
        assert_eq!(error.data().as_deref(), Some(data));
    }
}
