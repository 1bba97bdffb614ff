//! Who answers, in the words of each era; written once per configuration.

use ::mcp::{MODERN_VERSIONS, ProtocolVersion};
use serde_json::json;

/// An endpoint's `serverInfo`, as JSON text.
pub(crate) struct ServerInfo {
    json: String,
}

impl ServerInfo {
    /// `name` is the endpoint's slug path: names of upstreams are not unique.
    pub(crate) fn new(name: &str, title: &str) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let info = json!({"name": name, "title": title, "version": version});
        Self {
            json: info.to_string(),
        }
    }

    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// What a legacy client learns by `initialize`. Only what works is offered.
    pub(crate) fn initialize_result(&self, version: ProtocolVersion) -> String {
        let info = &self.json;
        format!(
            r#"{{"protocolVersion":"{version}","capabilities":{{"tools":{{}}}},"serverInfo":{info}}}"#
        )
    }

    /// What a modern client learns by `server/discover`.
    pub(crate) fn discover_result(&self, ttl_ms: u64) -> String {
        let versions = MODERN_VERSIONS.map(ProtocolVersion::as_str);
        let versions = serde_json::to_string(&versions).expect("strings are JSON");
        let meta = self.meta();
        format!(
            r#"{{"resultType":"complete","supportedVersions":{versions},"capabilities":{{"tools":{{}}}},"ttlMs":{ttl_ms},"cacheScope":"private","_meta":{meta}}}"#
        )
    }

    /// `_meta` of a modern result that we make ourselves.
    pub(crate) fn meta(&self) -> String {
        format!(r#"{{"{}":{}}}"#, ::mcp::keys::SERVER_INFO, self.json)
    }
}
