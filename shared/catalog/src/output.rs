//! What of a provider's JSON is left out of results, since no model needs it.

use std::collections::BTreeMap;

/// The rules of one connector. What is null, and lists and objects with nothing in them, are left
/// out by all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Members that are left out, at any depth.
    pub drop: Vec<NamePattern>,
    /// Members that stay although a pattern of `drop` fits.
    pub keep: Vec<NamePattern>,
    /// Objects within a result, by the name of the member that holds them (or a list of them), and
    /// the members of theirs that tell which they are.
    pub brief: BTreeMap<String, Vec<String>>,
}

/// A name, or with `*` at one end all names that begin or end so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    Whole(String),
    Prefix(String),
    Suffix(String),
}

impl NamePattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (open_start, open_end) = (text.starts_with('*'), text.ends_with('*'));
        let bare = text.trim_matches('*');
        if bare.is_empty() || bare.contains('*') || (open_start && open_end) {
            return Err(format!(
                "{text:?} is neither a name nor one with * at one end"
            ));
        }
        let bare = bare.to_owned();
        Ok(match (open_start, open_end) {
            (true, _) => Self::Suffix(bare),
            (_, true) => Self::Prefix(bare),
            _ => Self::Whole(bare),
        })
    }

    pub fn fits(&self, name: &str) -> bool {
        match self {
            Self::Whole(whole) => name == whole,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => name.ends_with(suffix.as_str()),
        }
    }
}

impl Output {
    /// Whether members of this name are left out.
    pub fn drops(&self, name: &str) -> bool {
        let fits = |patterns: &[NamePattern]| patterns.iter().any(|known| known.fits(name));
        fits(&self.drop) && !fits(&self.keep)
    }
}
