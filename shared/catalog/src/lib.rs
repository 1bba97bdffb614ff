//! Connector manifests: how a provider's API becomes tools, as data.
//!
//! A manifest is one TOML file, written for people and checked without mercy: an unknown key, an
//! argument that goes nowhere, a word outside a closed list or a feature that no engine runs is
//! refused at load, with the file, the tool and the key. What comes out is a [`Connector`] that an
//! engine runs without looking anything up by name. `docs/connectors/manifest-format.md` has the
//! format.

pub mod closed;
mod compile;
mod error;
mod manifest;
pub mod markdown;
mod model;
mod path;
mod schema;
mod template;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

pub use error::{Fault, ManifestError};
pub use manifest::{AfterConnect, OAuth2, Refresh};
pub use model::{
    Answer, Arg, Auth, AuthMethod, Base64Alphabet, Call, Change, Connector, ConstWhen,
    CredentialPart, Encoding, Errors, Landing, Later, Method, PageKind, PageParam, Pages,
    Pagination, PathPart, RateLimit, Request, Response, Scopes, Spread, Step as HookStep, Target,
    Tool, When,
};
pub use path::{ResultPath, Step, WirePath};
pub use template::{Constant, Part, Template};

/// What is known of a connector before its manifest is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// E.g. `github`.
    pub name: String,
    /// E.g. `GitHub`.
    pub display_name: String,
    /// How many tools it has.
    pub tools: usize,
}

/// A manifest that is part of the program.
struct Builtin {
    name: &'static str,
    display_name: &'static str,
    tools: usize,
    file: &'static str,
    text: &'static str,
}

/// `name: display name, number of tools;` for each manifest.
macro_rules! builtin {
    ($($name:ident: $display_name:literal, $tools:literal;)+) => {
        &[$(Builtin {
            name: stringify!($name),
            display_name: $display_name,
            tools: $tools,
            file: concat!(stringify!($name), ".toml"),
            text: include_str!(concat!("../manifests/", stringify!($name), ".toml")),
        },)+]
    };
}

/// The manifests that are part of the program.
const BUILTIN: &[Builtin] = builtin! {
    bitbucket: "Bitbucket Cloud", 40;
    claude_code: "Claude Code / Anthropic Admin", 28;
    codex: "OpenAI Codex / organization admin", 26;
    confluence: "Confluence Cloud", 32;
    copilot: "GitHub Copilot", 28;
    cursor: "Cursor", 32;
    discord: "Discord", 41;
    excel: "Microsoft Excel", 31;
    github: "GitHub", 84;
    gitlab: "GitLab", 55;
    gmail: "Gmail", 36;
    google_calendar: "Google Calendar", 29;
    google_docs: "Google Docs", 25;
    google_sheets: "Google Sheets", 28;
    google_slides: "Google Slides", 27;
    jira: "Jira Cloud", 47;
    linear: "Linear", 36;
    notion: "Notion", 30;
    outlook: "Outlook", 35;
    powerpoint: "Microsoft PowerPoint", 19;
    slack: "Slack", 48;
    teams: "Microsoft Teams", 31;
    windsurf: "Windsurf (Devin Desktop)", 16;
    zoom: "Zoom", 33;
};

/// The connectors that native engines can run.
#[derive(Debug, Default)]
pub struct Catalog {
    entries: BTreeMap<String, Entry>,
}

/// One connector. A manifest that is part of the program is read when it is first asked for: all
/// of them together would cost every start a noticeable time, and memory that most never use.
#[derive(Debug)]
struct Entry {
    summary: Summary,
    source: Option<(&'static str, &'static str)>,
    connector: OnceLock<Connector>,
}

impl Entry {
    fn of(connector: Connector) -> Self {
        Self {
            summary: Summary {
                name: connector.name.clone(),
                display_name: connector.display_name.clone(),
                tools: connector.tools.len(),
            },
            source: None,
            connector: OnceLock::from(connector),
        }
    }

    fn connector(&self) -> Option<&Connector> {
        let Some((file, text)) = self.source else {
            return self.connector.get();
        };
        Some(self.connector.get_or_init(|| {
            let connector = compile::connector(file, text);
            connector.expect("the test every_builtin_manifest_loads passed")
        }))
    }
}

impl Catalog {
    /// The manifests that are part of the program, each read once.
    pub fn builtin() -> Arc<Self> {
        static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
            let entries = BUILTIN.iter().map(|known| {
                let entry = Entry {
                    summary: Summary {
                        name: known.name.to_owned(),
                        display_name: known.display_name.to_owned(),
                        tools: known.tools,
                    },
                    source: Some((known.file, known.text)),
                    connector: OnceLock::new(),
                };
                (known.name.to_owned(), entry)
            });
            Arc::new(Catalog {
                entries: entries.collect(),
            })
        });
        CATALOG.clone()
    }

    /// Reads manifests, given as file name and text.
    ///
    /// # Errors
    /// Everything that is wrong with the first manifest that cannot be used.
    pub fn load<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ManifestError> {
        let mut catalog = Self::default();
        for (file, text) in files {
            let connector = compile::connector(file, text)?;
            let name = connector.name.clone();
            let entry = Entry::of(connector);
            if catalog.entries.insert(name, entry).is_some() {
                let fault = Fault {
                    tool: None,
                    key: "connector".to_owned(),
                    rule: "is in the catalog already".to_owned(),
                };
                return Err(ManifestError {
                    file: file.to_owned(),
                    faults: vec![fault],
                });
            }
        }
        Ok(catalog)
    }

    /// What there is, by name, without reading any manifest.
    pub fn summaries(&self) -> impl Iterator<Item = &Summary> {
        self.entries.values().map(|entry| &entry.summary)
    }

    /// All connectors, by name. Reads every manifest that was not read yet.
    pub fn connectors(&self) -> impl Iterator<Item = &Connector> {
        self.entries.values().filter_map(Entry::connector)
    }

    /// The connector of that name. Reads its manifest when it was not read yet.
    pub fn connector(&self, name: &str) -> Option<&Connector> {
        self.entries.get(name)?.connector()
    }
}
