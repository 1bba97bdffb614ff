//! Who answers and what is offered, in the words of each era.

use ::mcp::{MODERN_VERSIONS, ProtocolVersion, ServerCapabilities};
use serde_json::json;

/// Bytes of an endpoint's instructions; of several upstreams, those that fit whole are given.
const INSTRUCTIONS_MAX: usize = 16 * 1024;

/// An endpoint's `serverInfo`, as JSON text.
pub(crate) struct ServerInfo {
    json: Box<str>,
}

impl ServerInfo {
    /// `name` is the endpoint's slug path: names of upstreams are not unique.
    pub(crate) fn new(name: &str, title: &str) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let info = json!({"name": name, "title": title, "version": version});
        Self {
            json: info.to_string().into(),
        }
    }

    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// `_meta` of a modern result that we make ourselves.
    pub(crate) fn meta(&self) -> String {
        format!(r#"{{"{}":{}}}"#, ::mcp::keys::SERVER_INFO, self.json)
    }
}

/// What a client learns of an endpoint before it uses it. Only what works is offered.
pub(crate) struct Offer {
    pub(crate) capabilities: ServerCapabilities,
    /// JSON text.
    instructions: Option<String>,
}

impl Offer {
    pub(super) fn new(capabilities: ServerCapabilities, instructions: Option<&str>) -> Self {
        let quoted = |text: &str| serde_json::to_string(text).expect("a string is JSON");
        Self {
            capabilities,
            instructions: instructions.map(quoted),
        }
    }

    /// What a legacy client learns by `initialize`.
    pub(super) fn initialize_result(&self, info: &ServerInfo, version: ProtocolVersion) -> String {
        let (capabilities, info) = (self.capabilities.to_json(version), &info.json);
        let instructions = self.instructions();
        format!(
            r#"{{"protocolVersion":"{version}","capabilities":{capabilities},"serverInfo":{info}{instructions}}}"#
        )
    }

    /// What a modern client learns by `server/discover`.
    pub(super) fn discover_result(&self, info: &ServerInfo, ttl_ms: u64) -> String {
        let versions = MODERN_VERSIONS.map(ProtocolVersion::as_str);
        let versions = serde_json::to_string(&versions).expect("strings are JSON");
        let capabilities = self.capabilities.to_json(ProtocolVersion::LATEST);
        let (instructions, meta) = (self.instructions(), info.meta());
        format!(
            r#"{{"resultType":"complete","supportedVersions":{versions},"capabilities":{capabilities}{instructions},"ttlMs":{ttl_ms},"cacheScope":"private","_meta":{meta}}}"#
        )
    }

    fn instructions(&self) -> String {
        match &self.instructions {
            Some(text) => format!(r#","instructions":{text}"#),
            None => String::new(),
        }
    }
}

/// The instructions of one upstream, cut where they are too long.
pub(super) fn instructions_of(text: &str) -> &str {
    let mut end = text.len().min(INSTRUCTIONS_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The instructions of several upstreams, each under its connector's name.
pub(super) fn joined<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let mut out = String::new();
    for (name, text) in all.filter(|(_, text)| !text.trim().is_empty()) {
        let part = format!("# {name}\n\n{}\n", text.trim());
        let gap = usize::from(!out.is_empty());
        if out.len() + gap + part.len() > INSTRUCTIONS_MAX {
            tracing::warn!(
                connector = name,
                "instructions are left out: there are too many"
            );
            continue;
        }
        out.extend(std::iter::repeat_n('\n', gap));
        out.push_str(&part);
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_joined_under_names_and_those_that_do_not_fit_are_left_out() {
        let long = "x".repeat(INSTRUCTIONS_MAX);
        let all = [
            ("One", " first\n"),
            ("Two", long.as_str()),
            ("Three", ""),
            ("Four", "last"),
        ];

        let text = joined(all.into_iter());

        assert_eq!(text.as_deref(), Some("# One\n\nfirst\n\n# Four\n\nlast\n"));
        assert_eq!(joined([("One", "")].into_iter()), None);
        assert_eq!(
            instructions_of(&format!("a{}", "ü".repeat(9_000))).len(),
            16_383
        );
    }
}
