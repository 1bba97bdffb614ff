//! Manifests of an operator, in a folder that may change at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog::{Catalog, Entries, Entry, builtin};
use crate::compile;
use crate::error::{Fault, ManifestError};
use crate::model::Connector;

/// Bytes of one manifest; the largest built-in one has a quarter of that.
const MANIFEST_MAX_BYTES: u64 = 1024 * 1024;
/// Manifests in one folder.
const MANIFESTS_MAX: usize = 256;

/// Finds in a connector what only its engine can tell.
pub type Check = fn(&Connector) -> Vec<Fault>;

/// A folder with one `<connector>.toml` for each connector beside the built-in ones. Other files
/// in it are none of its business.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    may_replace: BTreeSet<String>,
    check: Check,
    /// By file name.
    known: BTreeMap<String, Known>,
}

/// What was seen of one file.
#[derive(Debug)]
struct Known {
    stamp: Option<Stamp>,
    /// The last that could be used.
    good: Option<Arc<Entry>>,
    /// Why the file as it is now cannot be used.
    trouble: Option<String>,
}

/// Two looks at a file that was not written in between give the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    bytes: u64,
    inode: u64,
}

/// What a look at the folder found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Connectors that are new, gone or another since the last look.
    pub changed: BTreeSet<String>,
    /// Connectors of the folder that are served now.
    pub served: usize,
    /// File name, and why it cannot be used as it is. What it said before is served further.
    pub broken: BTreeMap<String, String>,
}

impl Folder {
    /// `may_replace` names built-in connectors that a file of the folder may stand for.
    pub fn new(path: &Path, may_replace: impl IntoIterator<Item = String>, check: Check) -> Self {
        Self {
            path: path.to_owned(),
            may_replace: may_replace.into_iter().collect(),
            check,
            known: BTreeMap::new(),
        }
    }

    /// Reads what was written since the last look and puts it into `catalog`. A file that cannot
    /// be used leaves what it said before, one that is gone takes its connector along.
    ///
    /// # Errors
    /// The folder cannot be read; the catalog stays as it is.
    pub fn look(&mut self, catalog: &Catalog) -> io::Result<Look> {
        let files = self.files()?;
        self.known.retain(|name, _| files.contains_key(name));
        for (name, path) in files {
            if self.known.len() >= MANIFESTS_MAX && !self.known.contains_key(&name) {
                let rule = format!("a folder holds {MANIFESTS_MAX} manifests at most");
                return Err(io::Error::other(rule));
            }
            self.read(name, &path);
        }

        let (builtin, mut look) = (builtin(), Look::default());
        let mut entries = Entries::clone(&builtin);
        for (file, known) in &self.known {
            if let Some(trouble) = &known.trouble {
                look.broken.insert(file.clone(), trouble.clone());
            }
            let name = file.trim_end_matches(SUFFIX);
            let Some(good) = &known.good else { continue };
            if builtin.contains_key(name) && !self.may_replace.contains(name) {
                let rule = format!(
                    "{file}: there is a built-in connector {name}: call this one otherwise, or \
                     name {name} in manifests.may_replace"
                );
                look.broken.insert(file.clone(), rule);
                continue;
            }
            entries.insert(name.to_owned(), good.clone());
            look.served += 1;
        }
        look.changed = catalog.replace(entries);
        Ok(look)
    }

    /// The manifests there are, by file name.
    fn files(&self) -> io::Result<BTreeMap<String, PathBuf>> {
        let mut found = BTreeMap::new();
        for file in fs::read_dir(&self.path)? {
            let path = file?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.filter(|name| name.ends_with(SUFFIX) && !name.starts_with('.'));
            if let Some(name) = name {
                found.insert(name.to_owned(), path);
            }
        }
        Ok(found)
    }

    /// Reads one file, unless it is as it was.
    fn read(&mut self, name: String, path: &Path) {
        // Of what a link leads to: that is how mounted configuration changes.
        let stamp = fs::metadata(path).map(|found| Stamp::of(&found)).ok();
        let known = self.known.entry(name.clone()).or_insert(Known {
            stamp: None,
            good: None,
            trouble: None,
        });
        if stamp.is_some() && known.stamp == stamp {
            return;
        }
        let read = text(path).map_err(|error| format!("{name}: cannot be read: {error}"));
        let compiled = read.and_then(|text| {
            let connector = compile::connector(&name, &text).map_err(|error| error.to_string())?;
            let faults = (self.check)(&connector);
            if !faults.is_empty() {
                return Err(ManifestError::locate(&name, &text, faults).to_string());
            }
            Ok(Arc::new(Entry::of(Arc::new(connector))))
        });
        known.stamp = stamp;
        match compiled {
            Ok(entry) => {
                known.good = Some(entry);
                known.trouble = None;
            }
            Err(trouble) => known.trouble = Some(trouble),
        }
    }
}

const SUFFIX: &str = ".toml";

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            modified: (found.mtime(), found.mtime_nsec()),
            bytes: found.size(),
            inode: found.ino(),
        }
    }
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = fs::File::open(path)?;
    file.take(MANIFEST_MAX_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MANIFEST_MAX_BYTES {
        let rule = format!("a manifest has {MANIFEST_MAX_BYTES} bytes at most");
        return Err(io::Error::other(rule));
    }
    Ok(text)
}
