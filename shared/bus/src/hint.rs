//! A hint, and how it is written between nodes.

use domain::Slug;
use fabric::Subject;
use serde::{Deserialize, Serialize};

/// The newest form that this version writes and understands.
const VERSION: u32 = 1;
/// Longer messages are nobody's hints: a slug has 63 bytes, a revision 19.
pub(crate) const MAX_BYTES: usize = 512;

/// Something changed: whoever keeps the subject's configuration should look whether what they
/// have is older than the revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hint {
    pub subject: Subject,
    /// That of the change; larger is newer.
    pub revision: i64,
}

/// What a message turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Hint(Hint),
    /// Of a newer version than ours. Something changed, and we cannot tell what.
    Newer,
    Junk,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    revision: i64,
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

impl Hint {
    pub(crate) fn write(&self) -> Vec<u8> {
        let tenant = match &self.subject {
            Subject::Platform => None,
            Subject::Tenant(slug) => Some(slug.clone()),
        };
        let wire = Wire {
            v: VERSION,
            tenant,
            revision: self.revision,
        };
        serde_json::to_vec(&wire).expect("numbers and text can be written as JSON")
    }

    pub(crate) fn read(message: &[u8]) -> Read {
        if message.len() > MAX_BYTES {
            return Read::Junk;
        }
        match serde_json::from_slice::<Versioned>(message) {
            Ok(Versioned { v: VERSION }) => {}
            Ok(Versioned { v }) if v > VERSION => return Read::Newer,
            _ => return Read::Junk,
        }
        let Ok(wire) = serde_json::from_slice::<Wire>(message) else {
            return Read::Junk;
        };
        let subject = match wire.tenant {
            None => Subject::Platform,
            Some(slug) if slug.parse::<Slug>().is_ok() => Subject::Tenant(slug),
            Some(_) => return Read::Junk,
        };
        Read::Hint(Hint {
            subject,
            revision: wire.revision,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_read_as_it_was_written() {
        let of = |subject| Hint {
            subject,
            revision: 42,
        };
        let tenant = of(Subject::Tenant("acme".to_owned()));
        let platform = of(Subject::Platform);

        assert_eq!(tenant.write(), br#"{"v":1,"tenant":"acme","revision":42}"#);
        assert_eq!(platform.write(), br#"{"v":1,"revision":42}"#);
        for hint in [tenant, platform] {
            assert_eq!(Hint::read(&hint.write()), Read::Hint(hint));
        }
    }

    #[test]
    fn what_is_newer_is_told_from_what_is_junk() {
        assert_eq!(Hint::read(br#"{"v":2,"what":[1]}"#), Read::Newer);
        let long = format!(r#"{{"v":1,"revision":1,"x":"{}"}}"#, "x".repeat(MAX_BYTES));
        for junk in [
            "",
            "hello",
            "{}",
            r#"{"v":0,"revision":1}"#,
            r#"{"v":1}"#,
            r#"{"v":1,"revision":"1"}"#,
            r#"{"v":1,"tenant":"No Slug","revision":1}"#,
            &long,
        ] {
            assert_eq!(Hint::read(junk.as_bytes()), Read::Junk, "{junk}");
        }
    }
}
