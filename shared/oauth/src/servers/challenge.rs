//! What a server says when it refuses a request for want of a good token.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use url::Url;

/// Bytes of a header field that are looked at.
const FIELD_MAX: usize = 8 * 1024;

/// The parameters of a `Bearer` challenge (RFC 6750 §3, RFC 9728 §5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Where the server's own metadata is.
    pub resource_metadata: Option<Url>,
    /// What a token must allow; empty where it does not say.
    pub scopes: Vec<String>,
    /// `invalid_token`, `insufficient_scope`.
    pub error: Option<String>,
}

impl Challenge {
    /// The first `Bearer` challenge among the header fields of an answer.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let fields = headers.get_all(WWW_AUTHENTICATE).into_iter();
        let mut texts = fields.filter_map(|value| value.to_str().ok());
        texts.find_map(Self::read)
    }

    /// The first `Bearer` challenge in one field's value.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.get(..FIELD_MAX.min(text.len()))?;
        let mut scanner = Scanner(text);
        let mut found = None;
        while let Some((name, value)) = scanner.next() {
            match value {
                // A word without a value begins a challenge.
                None if found.is_some() => break,
                None if name.eq_ignore_ascii_case("bearer") => found = Some(Self::default()),
                None => {}
                Some(value) => {
                    if let Some(found) = &mut found {
                        found.take(name, value);
                    }
                }
            }
        }
        found
    }

    fn take(&mut self, name: &str, value: String) {
        match name.to_ascii_lowercase().as_str() {
            "resource_metadata" => self.resource_metadata = Url::parse(&value).ok(),
            "scope" => self.scopes = value.split_whitespace().map(str::to_owned).collect(),
            "error" => self.error = Some(value),
            _ => {}
        }
    }
}

/// Goes over `scheme name=value, name="value", scheme …`.
struct Scanner<'t>(&'t str);

impl<'t> Scanner<'t> {
    fn next(&mut self) -> Option<(&'t str, Option<String>)> {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
        let end = self.0.find([' ', '\t', ',', '=']).unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at(end);
        if name.is_empty() {
            return None;
        }
        self.0 = rest;
        let Some(value) = rest.trim_start().strip_prefix('=') else {
            return Some((name, None));
        };
        let value = value.trim_start();
        if let Some(quoted) = value.strip_prefix('"') {
            let (value, rest) = unquote(quoted);
            self.0 = rest;
            return Some((name, Some(value)));
        }
        let end = value.find([' ', '\t', ',']).unwrap_or(value.len());
        let (value, rest) = value.split_at(end);
        self.0 = rest;
        Some((name, Some(value.to_owned())))
    }
}

/// A quoted text without its quotes, and what follows it.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bearer_challenge_is_found_among_others_and_read_as_it_is_quoted() {
        let read = Challenge::read(
            "Basic realm=\"a, Bearer scope=\\\"no\\\"\", bEaReR error=invalid_token, \
             scope=\"files:read  files:write\",resource_metadata = \"https://x.example/m\", \
             Digest scope=\"no\"",
        );

        let read = read.unwrap();
        assert_eq!(read.error.as_deref(), Some("invalid_token"));
        assert_eq!(read.scopes, ["files:read", "files:write"]);
        assert_eq!(
            read.resource_metadata.unwrap().as_str(),
            "https://x.example/m"
        );
        assert_eq!(Challenge::read("Bearer"), Some(Challenge::default()));
        assert_eq!(Challenge::read("Basic realm=\"Bearer\""), None);
        assert_eq!(
            Challenge::read("Bearer scope=\"open").unwrap().scopes,
            ["open"]
        );
    }
}
