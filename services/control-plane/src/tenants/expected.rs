//! Changes that are to happen only to what the caller has seen.

use crate::error::Error;

/// The versions that a change may meet: any, or only those given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected(Option<Vec<i64>>);

impl Expected {
    /// Whatever version is there.
    pub const ANY: Self = Self(None);

    /// Only this one.
    pub fn version(version: i64) -> Self {
        Self(Some(vec![version]))
    }

    /// As an `If-Match` field says it (RFC 9110 §13.1.1). An entity tag that is none of ours, weak
    /// ones included, matches nothing.
    pub fn if_match(field: &str) -> Self {
        if field.trim() == "*" {
            return Self::ANY;
        }
        let version = |tag: &str| {
            let inside = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
            inside.parse().ok()
        };
        Self(Some(field.split(',').filter_map(version).collect()))
    }

    pub(crate) fn is_given(&self) -> bool {
        self.0.is_some()
    }

    /// # Errors
    /// `VersionMismatch` when `current` is none of them.
    pub(crate) fn check(&self, current: i64) -> Result<(), Error> {
        match &self.0 {
            Some(versions) if !versions.contains(&current) => Err(Error::VersionMismatch),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_if_match_field_lets_through_what_it_names() {
        let lets = |field: &str| Expected::if_match(field).check(3).is_ok();
        assert!(lets("*"));
        assert!(lets("\"3\""));
        assert!(lets("\"2\", \"3\""));
        assert!(!lets("\"2\""));
        assert!(!lets("W/\"3\""));
        assert!(!lets("3"));
        assert!(!lets(""));
    }
}
