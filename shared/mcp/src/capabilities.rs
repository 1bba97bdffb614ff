//! What a client declares that it can do, reduced to what a gateway can carry. Two clients with
//! equal capabilities are the same to an upstream.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{LogLevel, ProtocolVersion};

/// The extension of interactive tool views (MCP Apps).
pub const UI_EXTENSION: &str = "io.modelcontextprotocol/ui";
/// The extension of long-running calls (2026-07-28).
pub const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// Bytes of the settings of the UI extension that are carried; larger ones are not.
pub(crate) const UI_MAX_BYTES: usize = 512;

/// The capabilities of a client that travel to an upstream. Everything else that a client may
/// declare is left out, since a capability promises methods that would not get through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientCapabilities {
    pub roots: bool,
    /// It tells when its roots have changed; revisions with a handshake know that.
    pub roots_list_changed: bool,
    pub sampling: bool,
    /// Sampling with tools (2025-11-25).
    pub sampling_tools: bool,
    /// Sampling with context of other servers (2025-11-25 `sampling.context`).
    pub sampling_context: bool,
    pub elicitation_form: bool,
    /// Elicitation by opening an URL (2025-11-25).
    pub elicitation_url: bool,
    /// The tasks extension of 2026-07-28.
    pub tasks: bool,
    /// The settings of the UI extension, as JSON text.
    pub ui: Option<String>,
}

/// What an upstream must know of the client behind a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientProfile {
    pub capabilities: ClientCapabilities,
    /// The least grave log messages that the client wants; none without it.
    pub log_level: Option<LogLevel>,
    /// Whether that level is a default of ours: a legacy client that has set none is sent what
    /// its server chooses, where it has a session of its own there (2025-11-25, "Setting Log
    /// Level").
    pub log_default: bool,
}

impl ClientProfile {
    /// The least grave messages to hand on of a legacy server: all those of a session that is
    /// the client's own, unless the client said otherwise.
    pub const fn log_of_session(&self) -> Option<LogLevel> {
        if self.leaves_level() {
            Some(LogLevel::Debug)
        } else {
            self.log_level
        }
    }

    /// Whether its legacy server is to be told no level, since it has a session of its own there
    /// and said none.
    pub const fn leaves_level(&self) -> bool {
        self.log_default && self.capabilities.can_be_asked()
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    roots: Option<&'a RawValue>,
    #[serde(default)]
    sampling: Option<Value>,
    #[serde(default)]
    elicitation: Option<Value>,
    #[serde(default)]
    extensions: Option<serde_json::Map<String, Value>>,
}

#[derive(Deserialize)]
struct Roots {
    #[serde(default, rename = "listChanged")]
    list_changed: bool,
}

impl ClientCapabilities {
    /// Reads a `capabilities` or `clientCapabilities` object.
    ///
    /// # Errors
    /// It is no JSON object, or a member is none.
    pub fn parse(raw: &RawValue) -> Result<Self, serde_json::Error> {
        let refuse = |what| Err(serde::de::Error::custom(what));
        if !raw.get().starts_with('{') {
            return refuse("capabilities must be an object");
        }
        let wire: Wire<'_> = serde_json::from_str(raw.get())?;
        let has = |value: &Option<Value>, member: &str| {
            value
                .as_ref()
                .is_some_and(|value| value.get(member).is_some_and(Value::is_object))
        };
        for value in [&wire.sampling, &wire.elicitation].into_iter().flatten() {
            if !value.is_object() {
                return refuse("a capability must be an object");
            }
        }
        let url = has(&wire.elicitation, "url");
        // `{}` is what 2025-06-18 knows: forms (2025-11-25, "Elicitation, Capabilities").
        let form = wire.elicitation.is_some() && (has(&wire.elicitation, "form") || !url);
        let roots = wire.roots.filter(|raw| raw.get().starts_with('{'));
        let list_changed = roots.is_some_and(|raw| {
            serde_json::from_str::<Roots>(raw.get()).is_ok_and(|roots| roots.list_changed)
        });
        let extension = |name: &str| wire.extensions.as_ref().and_then(|all| all.get(name));
        let ui = extension(UI_EXTENSION).filter(|value| value.is_object());
        Ok(Self {
            roots: roots.is_some(),
            roots_list_changed: list_changed,
            sampling: wire.sampling.is_some(),
            sampling_tools: has(&wire.sampling, "tools"),
            sampling_context: has(&wire.sampling, "context"),
            elicitation_form: form,
            elicitation_url: url,
            tasks: extension(TASKS_EXTENSION).is_some_and(Value::is_object),
            ui: ui
                .map(Value::to_string)
                .filter(|text| text.len() <= UI_MAX_BYTES),
        })
    }

    /// Whether a server may ask something of such a client in mid-call.
    pub const fn can_be_asked(&self) -> bool {
        self.roots || self.sampling || self.elicitation_form || self.elicitation_url
    }

    /// The object that declares these capabilities to a server of `version`, without what that
    /// revision does not know.
    pub fn to_json(&self, version: ProtocolVersion) -> String {
        let mut all = serde_json::Map::new();
        let object = || Value::Object(serde_json::Map::new());
        if self.roots {
            let mut roots = serde_json::Map::new();
            if self.roots_list_changed && !version.is_modern() {
                roots.insert("listChanged".to_owned(), true.into());
            }
            all.insert("roots".to_owned(), Value::Object(roots));
        }
        if self.sampling {
            let mut sampling = serde_json::Map::new();
            if version >= ProtocolVersion::V2025_11_25 {
                for (set, name) in [
                    (self.sampling_tools, "tools"),
                    (self.sampling_context, "context"),
                ] {
                    if set {
                        sampling.insert(name.to_owned(), object());
                    }
                }
            }
            all.insert("sampling".to_owned(), Value::Object(sampling));
        }
        let modes = version >= ProtocolVersion::V2025_11_25;
        if version >= ProtocolVersion::V2025_06_18
            && (self.elicitation_form || (modes && self.elicitation_url))
        {
            let mut elicitation = serde_json::Map::new();
            if modes {
                for (set, name) in [
                    (self.elicitation_form, "form"),
                    (self.elicitation_url, "url"),
                ] {
                    if set {
                        elicitation.insert(name.to_owned(), object());
                    }
                }
            }
            all.insert("elicitation".to_owned(), Value::Object(elicitation));
        }
        let mut extensions = serde_json::Map::new();
        if let Some(ui) = self.ui.as_deref() {
            let ui = serde_json::from_str(ui).expect("read from JSON");
            extensions.insert(UI_EXTENSION.to_owned(), ui);
        }
        if self.tasks && version.is_modern() {
            extensions.insert(TASKS_EXTENSION.to_owned(), object());
        }
        if !extensions.is_empty() {
            all.insert("extensions".to_owned(), Value::Object(extensions));
        }
        Value::Object(all).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ClientCapabilities {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        ClientCapabilities::parse(&raw).unwrap()
    }

    #[test]
    fn each_revision_is_told_what_it_knows() {
        let all = parse(
            r#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}},
                "experimental":{"x":{}},"extensions":{"io.modelcontextprotocol/ui":{"mimeTypes":["a"]},
                "io.modelcontextprotocol/tasks":{},"x.y/z":{}}}"#,
        );
        let told = |version| all.to_json(version);

        assert_eq!(
            told(ProtocolVersion::V2026_07_28),
            r#"{"roots":{},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}},"extensions":{"io.modelcontextprotocol/ui":{"mimeTypes":["a"]},"io.modelcontextprotocol/tasks":{}}}"#
        );
        assert_eq!(
            told(ProtocolVersion::V2025_06_18),
            r#"{"roots":{"listChanged":true},"sampling":{},"elicitation":{},"extensions":{"io.modelcontextprotocol/ui":{"mimeTypes":["a"]}}}"#
        );
        assert_eq!(
            ClientCapabilities::default().to_json(ProtocolVersion::LATEST),
            "{}"
        );
        let quiet = parse(r#"{"roots":{"listChanged":false}}"#);
        assert_eq!(
            quiet.to_json(ProtocolVersion::LATEST_LEGACY),
            r#"{"roots":{}}"#
        );
    }

    #[test]
    fn an_empty_elicitation_capability_means_forms() {
        let bare = parse(r#"{"elicitation":{}}"#);
        assert!(bare.elicitation_form && !bare.elicitation_url);
        let url = parse(r#"{"elicitation":{"url":{}}}"#);
        assert!(!url.elicitation_form && url.elicitation_url && url.can_be_asked());
        assert!(!parse("{}").can_be_asked());
        let wrong = RawValue::from_string(r#"{"sampling":1}"#.to_owned()).unwrap();
        assert!(ClientCapabilities::parse(&wrong).is_err());
    }
}
