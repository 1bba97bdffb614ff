//! What an upstream declares that it can do, as far as a gateway carries it on.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::ProtocolVersion;
use crate::capabilities::{TASKS_EXTENSION, UI_EXTENSION, UI_MAX_BYTES};

/// The capabilities of one or several upstreams. Tools are no flag: a gateway has them from its
/// configuration, and always declares them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerCapabilities {
    pub tools_list_changed: bool,
    pub prompts: bool,
    pub prompts_list_changed: bool,
    pub resources: bool,
    pub resources_subscribe: bool,
    pub resources_list_changed: bool,
    /// Declared since 2025-03-26; older servers may complete all the same.
    pub completions: bool,
    pub logging: bool,
    /// The tasks extension of 2026-07-28.
    pub tasks: bool,
    /// The tasks of 2025-11-25, for calls of tools.
    pub legacy_tasks: bool,
    /// The settings of the UI extension, as JSON text.
    pub ui: Option<String>,
}

impl ServerCapabilities {
    /// Reads a `capabilities` object. A member of the wrong type counts as absent.
    pub fn parse(raw: &RawValue) -> Self {
        let all: Value = serde_json::from_str(raw.get()).unwrap_or_default();
        let object = |path: &str| all.pointer(path).is_some_and(Value::is_object);
        let flag = |path: &str| all.pointer(path).and_then(Value::as_bool) == Some(true);
        let extension = |name: &str| {
            let settings = all.get("extensions").and_then(|known| known.get(name));
            settings.filter(|settings| settings.is_object())
        };
        Self {
            tools_list_changed: flag("/tools/listChanged"),
            prompts: object("/prompts"),
            prompts_list_changed: flag("/prompts/listChanged"),
            resources: object("/resources"),
            resources_subscribe: flag("/resources/subscribe"),
            resources_list_changed: flag("/resources/listChanged"),
            completions: object("/completions"),
            logging: object("/logging"),
            tasks: extension(TASKS_EXTENSION).is_some(),
            legacy_tasks: object("/tasks/requests/tools/call"),
            ui: extension(UI_EXTENSION)
                .map(Value::to_string)
                .filter(|settings| settings.len() <= UI_MAX_BYTES),
        }
    }

    /// Adds what another upstream can do besides. The settings of the first that has the UI
    /// extension stand for all.
    pub fn merge(&mut self, other: &Self) {
        self.tools_list_changed |= other.tools_list_changed;
        self.prompts |= other.prompts;
        self.prompts_list_changed |= other.prompts_list_changed;
        self.resources |= other.resources;
        self.resources_subscribe |= other.resources_subscribe;
        self.resources_list_changed |= other.resources_list_changed;
        self.completions |= other.completions;
        self.logging |= other.logging;
        self.tasks |= other.tasks;
        self.legacy_tasks |= other.legacy_tasks;
        if self.ui.is_none() {
            self.ui.clone_from(&other.ui);
        }
    }

    /// The object that declares these capabilities to a client of `version`, without what that
    /// revision does not know. Tasks are declared to modern clients alone: for older ones a
    /// gateway waits itself.
    pub fn to_json(&self, version: ProtocolVersion) -> String {
        let flags = |flags: &[(bool, &str)]| {
            let set = flags.iter().filter(|(set, _)| *set);
            Value::Object(
                set.map(|(_, name)| ((*name).to_owned(), Value::Bool(true)))
                    .collect(),
            )
        };
        let nothing = || Value::Object(Map::new());
        let mut all = Map::new();
        let mut declare = |declared: bool, name: &str, value: Value| {
            if declared {
                all.insert(name.to_owned(), value);
            }
        };
        let list_changed = |set| (set, "listChanged");
        declare(
            true,
            "tools",
            flags(&[list_changed(self.tools_list_changed)]),
        );
        declare(
            self.prompts,
            "prompts",
            flags(&[list_changed(self.prompts_list_changed)]),
        );
        declare(
            self.resources,
            "resources",
            flags(&[
                (self.resources_subscribe, "subscribe"),
                list_changed(self.resources_list_changed),
            ]),
        );
        let knows_completions = version >= ProtocolVersion::V2025_03_26;
        declare(
            self.completions && knows_completions,
            "completions",
            nothing(),
        );
        declare(self.logging, "logging", nothing());
        let mut extensions = Map::new();
        if let Some(ui) = self.ui.as_deref() {
            let ui = serde_json::from_str(ui).expect("read from JSON");
            extensions.insert(UI_EXTENSION.to_owned(), ui);
        }
        if self.tasks && version.is_modern() {
            extensions.insert(TASKS_EXTENSION.to_owned(), nothing());
        }
        declare(
            !extensions.is_empty(),
            "extensions",
            Value::Object(extensions),
        );
        Value::Object(all).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ServerCapabilities {
        ServerCapabilities::parse(&RawValue::from_string(text.to_owned()).unwrap())
    }

    #[test]
    fn each_revision_is_told_what_it_knows() {
        let all = parse(
            r#"{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},
                "completions":{},"logging":{},"experimental":{"x":{}},"tasks":{"list":{},"requests":{"tools":{"call":{}}}},
                "extensions":{"io.modelcontextprotocol/ui":{"a":1},"io.modelcontextprotocol/tasks":{},"x.y/z":{}}}"#,
        );

        assert!(all.legacy_tasks && all.tasks);
        let common = r#""tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true}"#;
        let ui = r#""io.modelcontextprotocol/ui":{"a":1}"#;
        assert_eq!(
            all.to_json(ProtocolVersion::V2024_11_05),
            format!(r#"{{{common},"logging":{{}},"extensions":{{{ui}}}}}"#)
        );
        assert_eq!(
            all.to_json(ProtocolVersion::V2025_11_25),
            format!(r#"{{{common},"completions":{{}},"logging":{{}},"extensions":{{{ui}}}}}"#)
        );
        assert_eq!(
            all.to_json(ProtocolVersion::V2026_07_28),
            format!(
                r#"{{{common},"completions":{{}},"logging":{{}},"extensions":{{{ui},"io.modelcontextprotocol/tasks":{{}}}}}}"#
            )
        );
    }

    #[test]
    fn wrong_types_count_as_absent_and_tools_are_always_declared() {
        let wrong = parse(
            r#"{"tools":true,"prompts":1,"resources":{"subscribe":"yes"},"completions":[],"extensions":[]}"#,
        );

        assert_eq!(
            wrong,
            ServerCapabilities {
                resources: true,
                ..ServerCapabilities::default()
            }
        );
        assert_eq!(parse("[]"), ServerCapabilities::default());
        assert_eq!(
            parse("{}").to_json(ProtocolVersion::LATEST),
            r#"{"tools":{}}"#
        );
    }

    #[test]
    fn several_upstreams_can_do_what_any_of_them_can() {
        let mut one =
            parse(r#"{"prompts":{},"extensions":{"io.modelcontextprotocol/ui":{"a":1}}}"#);
        let other = parse(
            r#"{"prompts":{"listChanged":true},"logging":{},"extensions":{"io.modelcontextprotocol/ui":{"b":1}}}"#,
        );
        one.merge(&other);

        assert!(one.prompts && one.prompts_list_changed && one.logging && !one.resources);
        assert_eq!(one.ui.as_deref(), Some(r#"{"a":1}"#));
    }
}
