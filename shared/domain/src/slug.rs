//! Slugs: the names of tenants and connectors in URLs and tool prefixes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::SLUG_MAX_LENGTH;

/// Words that name routes, or would read as one, and so can name no tenant and no connector.
const RESERVED: &[&str] = &[
    "admin",
    "api",
    "assets",
    "auth",
    "connect",
    "connectors",
    "console",
    "docs",
    "health",
    "login",
    "logout",
    "mcp",
    "messages",
    "metrics",
    "new",
    "oauth",
    "openapi",
    "public",
    "sse",
    "static",
    "system",
    "tools",
    "turnbuckle",
    "v1",
    "well-known",
    "ws",
];

/// The name of a tenant or connector in URLs: 1 to 63 of `a-z`, `0-9` and `-`, starting with a
/// letter, ending with a letter or digit, without `--`, and no reserved word.
///
/// It never changes after creation: MCP clients keep URLs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(String);

/// Why a text is no slug; each message says how to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSlug {
    #[error("must have 1 to {SLUG_MAX_LENGTH} characters")]
    Length,
    #[error("may hold only lower-case letters, digits and single hyphens")]
    Characters,
    #[error("must start with a letter and end with a letter or digit")]
    Edges,
    #[error("is a reserved word")]
    Reserved,
}

impl Slug {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Slug {
    type Err = InvalidSlug;

    fn from_str(text: &str) -> Result<Self, InvalidSlug> {
        if text.is_empty() || text.len() > SLUG_MAX_LENGTH {
            return Err(InvalidSlug::Length);
        }
        let bytes = text.as_bytes();
        let allowed = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        if !bytes.iter().all(allowed) || text.contains("--") {
            return Err(InvalidSlug::Characters);
        }
        if !bytes[0].is_ascii_lowercase() || bytes[bytes.len() - 1] == b'-' {
            return Err(InvalidSlug::Edges);
        }
        if RESERVED.binary_search(&text).is_ok() {
            return Err(InvalidSlug::Reserved);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Slug {
    type Error = InvalidSlug;

    fn try_from(text: String) -> Result<Self, InvalidSlug> {
        text.parse()
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Slug {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Slug {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserved_words_are_sorted_for_binary_search() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn slugs_are_refused_at_each_edge() {
        let longest = "a".repeat(SLUG_MAX_LENGTH);
        for good in ["a", "acme", "a1", "a-b-9", longest.as_str()] {
            assert_eq!(good.parse::<Slug>().map(String::from), Ok(good.to_owned()));
        }

        let too_long = "a".repeat(SLUG_MAX_LENGTH + 1);
        for (bad, why) in [
            ("", InvalidSlug::Length),
            (too_long.as_str(), InvalidSlug::Length),
            ("Acme", InvalidSlug::Characters),
            ("a_b", InvalidSlug::Characters),
            ("a--b", InvalidSlug::Characters),
            ("a/b", InvalidSlug::Characters),
            ("ä", InvalidSlug::Characters),
            ("1a", InvalidSlug::Edges),
            ("-a", InvalidSlug::Edges),
            ("a-", InvalidSlug::Edges),
            ("admin", InvalidSlug::Reserved),
            ("mcp", InvalidSlug::Reserved),
        ] {
            assert_eq!(bad.parse::<Slug>(), Err(why), "{bad:?}");
        }
    }
}
