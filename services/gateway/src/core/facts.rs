//! What a session's record says of its handshake, in few words.

use ::mcp::{ClientCapabilities, ProtocolVersion};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What carries a session's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Whatever knows the sealed id.
    Any,
    /// The two endpoints of 2024-11-05, with the one stream that is opened before the handshake.
    Sse,
}

#[derive(Deserialize)]
pub(super) struct Facts<'a> {
    version: Option<String>,
    #[serde(borrow)]
    capabilities: Option<&'a RawValue>,
    #[serde(default)]
    sse: bool,
}

impl<'a> Facts<'a> {
    /// Of a session of [`Carrier::Sse`] before its handshake.
    pub(super) const UNAGREED: &'static str = r#"{"sse":true}"#;

    /// `capabilities` is JSON.
    pub(super) fn write(version: ProtocolVersion, capabilities: &str, carrier: Carrier) -> Bytes {
        let sse = carrier == Carrier::Sse;
        let facts =
            format!(r#"{{"version":"{version}","capabilities":{capabilities},"sse":{sse}}}"#);
        facts.into()
    }

    pub(super) fn read(facts: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(facts).ok()
    }

    /// What was agreed; none before the handshake.
    pub(super) fn version(&self) -> Option<ProtocolVersion> {
        self.version.as_deref()?.parse().ok()
    }

    pub(super) fn capabilities(&self) -> ClientCapabilities {
        let raw = self.capabilities;
        raw.and_then(|raw| ClientCapabilities::parse(raw).ok())
            .unwrap_or_default()
    }

    pub(super) fn carrier(&self) -> Carrier {
        if self.sse { Carrier::Sse } else { Carrier::Any }
    }
}
