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
use std::sync::{Arc, LazyLock};

pub use error::{Fault, ManifestError};
pub use manifest::{AfterConnect, OAuth2, Refresh};
pub use model::{
    Answer, Arg, Auth, AuthMethod, Base64Alphabet, Call, Change, Connector, ConstWhen,
    CredentialPart, Encoding, Errors, Hook, Landing, Later, Method, PageKind, PageParam, Pages,
    Pagination, PathPart, RateLimit, Request, Response, Scopes, Spread, Step as HookStep, Target,
    Tool, When,
};
pub use path::{ResultPath, Step, WirePath};
pub use template::{Constant, Part, Template};

/// The manifests that are part of the program.
const BUILTIN: &[(&str, &str)] = &[("github.toml", include_str!("../manifests/github.toml"))];

/// The connectors that native engines can run.
#[derive(Debug, Default)]
pub struct Catalog {
    connectors: BTreeMap<String, Connector>,
}

impl Catalog {
    /// The manifests that are part of the program, compiled once.
    pub fn builtin() -> Arc<Self> {
        static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
            let catalog = Catalog::load(BUILTIN.iter().copied());
            Arc::new(catalog.expect("the test every_builtin_manifest_loads passed"))
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
            if catalog.connectors.insert(name, connector).is_some() {
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

    /// All connectors, by name.
    pub fn connectors(&self) -> impl Iterator<Item = &Connector> {
        self.connectors.values()
    }

    pub fn connector(&self, name: &str) -> Option<&Connector> {
        self.connectors.get(name)
    }
}
