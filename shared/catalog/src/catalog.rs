//! The connectors there are, and how the set of them changes while it is in use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, OnceLock};

use arc_swap::ArcSwap;

use crate::builtin::{BUILTIN, Builtin};
use crate::compile;
use crate::error::{Fault, ManifestError};
use crate::model::Connector;

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

/// The connectors that native engines can run. A [`crate::Folder`] may change which there are
/// while the catalog is in use: whoever got a connector keeps it as it was.
#[derive(Debug, Default)]
pub struct Catalog {
    entries: ArcSwap<Entries>,
}

/// Connectors by name.
pub(crate) type Entries = BTreeMap<String, Arc<Entry>>;

/// One connector. A manifest that is part of the program is read when it is first asked for: all
/// of them together would cost every start a noticeable time, and memory that most never use.
#[derive(Debug)]
pub(crate) struct Entry {
    summary: Summary,
    source: Option<(&'static str, &'static str)>,
    connector: OnceLock<Arc<Connector>>,
}

impl Entry {
    pub(crate) fn of(connector: Arc<Connector>) -> Self {
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

    fn builtin(known: &Builtin) -> Self {
        Self {
            summary: Summary {
                name: known.name.to_owned(),
                display_name: known.display_name.to_owned(),
                tools: known.tools,
            },
            source: Some((known.file, known.text)),
            connector: OnceLock::new(),
        }
    }

    fn connector(&self) -> Option<Arc<Connector>> {
        let Some((file, text)) = self.source else {
            return self.connector.get().cloned();
        };
        let connector = self.connector.get_or_init(|| {
            let connector = compile::connector(file, text);
            Arc::new(connector.expect("the test every_builtin_manifest_loads passed"))
        });
        Some(connector.clone())
    }
}

/// The manifests that are part of the program, each read once, whoever asks for it.
pub(crate) fn builtin() -> Arc<Entries> {
    static ENTRIES: LazyLock<Arc<Entries>> = LazyLock::new(|| {
        let entries = BUILTIN
            .iter()
            .map(|known| (known.name.to_owned(), Arc::new(Entry::builtin(known))));
        Arc::new(entries.collect())
    });
    ENTRIES.clone()
}

impl Catalog {
    /// A catalog that begins with the manifests that are part of the program.
    pub fn builtin() -> Arc<Self> {
        Arc::new(Self {
            entries: ArcSwap::new(builtin()),
        })
    }

    /// Reads manifests, given as file name and text.
    ///
    /// # Errors
    /// Everything that is wrong with the first manifest that cannot be used.
    pub fn load<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ManifestError> {
        let mut entries = Entries::new();
        for (file, text) in files {
            let connector = compile::connector(file, text)?;
            let name = connector.name.clone();
            let entry = Arc::new(Entry::of(Arc::new(connector)));
            if entries.insert(name, entry).is_some() {
                let fault = Fault::of_connector("connector", "is in the catalog already");
                return Err(ManifestError::locate(file, text, vec![fault]));
            }
        }
        Ok(Self {
            entries: ArcSwap::from_pointee(entries),
        })
    }

    /// What there is, by name, without reading any manifest.
    pub fn summaries(&self) -> Vec<Summary> {
        let entries = self.entries.load();
        let summaries = entries.values().map(|entry| entry.summary.clone());
        summaries.collect()
    }

    /// All connectors, by name. Reads every manifest that was not read yet.
    pub fn connectors(&self) -> Vec<Arc<Connector>> {
        let entries = self.entries.load();
        entries
            .values()
            .filter_map(|entry| entry.connector())
            .collect()
    }

    /// The connector of that name. Reads its manifest when it was not read yet.
    pub fn connector(&self, name: &str) -> Option<Arc<Connector>> {
        self.entries.load().get(name)?.connector()
    }

    /// Puts other connectors in place of those there are. Returns the names of those that are new,
    /// gone or another.
    pub(crate) fn replace(&self, entries: Entries) -> BTreeSet<String> {
        let entries = Arc::new(entries);
        let before = self.entries.swap(entries.clone());
        let differs = |name: &&String| match (before.get(*name), entries.get(*name)) {
            (Some(before), Some(now)) => !Arc::ptr_eq(before, now),
            _ => true,
        };
        let names = before.keys().chain(entries.keys());
        names.filter(differs).cloned().collect()
    }
}
