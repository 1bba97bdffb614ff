//! What a provider demands besides its description, and what its description is known to lack.

use super::api::Place;

/// What the provider demands besides its description.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The credential of each request by the beginning of its path; the first that fits.
    pub credentials: Vec<(&'static str, Credential)>,
    /// `METHOD /path` of the operations that get no credential.
    pub open: Vec<String>,
    /// Header fields that each request must have.
    pub headers: Vec<&'static str>,
    /// Paths whose last parameter may span several segments.
    pub spanning: Vec<&'static str>,
    /// `METHOD /path` as the description writes it, a parameter of its query, and a value that is
    /// allowed although the description lacks it.
    pub further: Vec<(&'static str, &'static str, &'static str)>,
    /// What is allowed although the description lacks it.
    pub unlisted: Vec<Unlisted>,
}

impl Rules {
    /// Every request has this `Authorization`, and nothing else is asked.
    pub fn authorization(value: impl Into<String>) -> Self {
        Self {
            credentials: vec![("/", Credential::Header("authorization", value.into()))],
            ..Self::default()
        }
    }

    pub(crate) fn credential(&self, path: &str, operation: &str) -> Option<&Credential> {
        if self.open.iter().any(|open| open == operation) {
            return None;
        }
        let mut all = self.credentials.iter();
        all.find(|(prefix, _)| path.starts_with(prefix))
            .map(|(_, credential)| credential)
    }
}

/// Where a credential stands, and its whole value.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A header field, in small letters.
    Header(&'static str, String),
    /// A member of the JSON body.
    Member(&'static str, String),
}

/// Something that is allowed although the description lacks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlisted {
    /// `METHOD /path` as the description writes it.
    pub operation: String,
    pub(crate) place: Place,
    /// The parameter, or the member names with dots between them; `[]` for elements.
    pub name: String,
}

impl Unlisted {
    /// A parameter that may be there, or may be missing.
    pub fn query(operation: &str, name: &str) -> Self {
        Self {
            operation: operation.to_owned(),
            place: Place::Query,
            name: name.to_owned(),
        }
    }

    /// A member that may be there, or may be missing.
    pub fn body(operation: &str, name: &str) -> Self {
        Self {
            operation: operation.to_owned(),
            place: Place::Body,
            name: name.to_owned(),
        }
    }
}
