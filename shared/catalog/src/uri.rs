//! Addresses of resources: `github://repo/{owner}/{repo}/file/{+path}` (RFC 6570, of which `{name}`
//! is one segment and `{+name}` all the rest).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands as it is in a segment (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// What stands as it is in the rest of a path.
const REST: &AsciiSet = &SEGMENT.remove(b'/');

/// An address with variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriTemplate {
    text: String,
    parts: Vec<Part>,
    names: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// One segment, not empty.
    Segment,
    /// All that follows, slashes too, not empty.
    Rest,
}

impl UriTemplate {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
        let is_scheme = |scheme: &str| {
            scheme.starts_with(|c: char| c.is_ascii_lowercase()) && scheme.bytes().all(plain)
        };
        if !scheme.is_some_and(is_scheme) {
            return Err(format!("{text:?} does not begin with a scheme and ://"));
        }
        let (mut parts, mut names, mut rest) = (Vec::new(), Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| format!("{text:?} has {{ without }}"))?;
            parts.push(Part::Text(before.to_owned()));
            let (part, name) = match name.strip_prefix('+') {
                Some(name) => (Part::Rest, name),
                None => (Part::Segment, name),
            };
            if !before.ends_with('/') {
                return Err(format!("{text:?} has a variable that begins no segment"));
            }
            let ends = match part {
                Part::Rest => after.is_empty(),
                _ => after.is_empty() || after.starts_with('/'),
            };
            if !ends {
                return Err(format!("{text:?} goes on after {{{name}}} in its segment"));
            }
            if name.is_empty() || names.iter().any(|known| known == name) {
                return Err(format!("{text:?} has a variable without a name of its own"));
            }
            parts.push(part);
            names.push(name.to_owned());
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self {
            text: text.to_owned(),
            parts,
            names,
        })
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The variables, in their order.
    pub fn variables(&self) -> &[String] {
        &self.names
    }

    /// The values of the variables, where this is such an address.
    pub fn matches(&self, uri: &str) -> Option<Vec<String>> {
        let (mut values, mut rest) = (Vec::new(), uri);
        for part in &self.parts {
            let end = match part {
                Part::Text(text) => {
                    rest = rest.strip_prefix(text.as_str())?;
                    continue;
                }
                Part::Segment => rest.find('/').unwrap_or(rest.len()),
                Part::Rest => rest.len(),
            };
            let value = percent_decode_str(&rest[..end]).decode_utf8().ok()?;
            if value.is_empty() {
                return None;
            }
            values.push(value.into_owned());
            rest = &rest[end..];
        }
        rest.is_empty().then_some(values)
    }

    /// The address with these values, one for each variable; none when one of them is empty.
    pub fn expand(&self, values: &[String]) -> Option<String> {
        let (mut uri, mut values) = (String::new(), values.iter());
        for part in &self.parts {
            let set = match part {
                Part::Text(text) => {
                    uri.push_str(text);
                    continue;
                }
                Part::Segment => SEGMENT,
                Part::Rest => REST,
            };
            let value = values.next().filter(|value| !value.is_empty())?;
            uri.extend(utf8_percent_encode(value, set));
        }
        Some(uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gives_back_what_it_was_made_of() {
        let file = UriTemplate::parse("github://repo/{owner}/{repo}/file/{+path}").unwrap();
        let values = ["o", "a b/c", "src/ä.rs"].map(str::to_owned);

        let uri = file.expand(&values).unwrap();

        assert_eq!(uri, "github://repo/o/a%20b%2Fc/file/src/%C3%A4.rs");
        assert_eq!(file.matches(&uri), Some(values.to_vec()));
        assert_eq!(file.variables(), ["owner", "repo", "path"]);
        for other in [
            "github://repo/o/r/file/",
            "github://repo//r/file/x",
            "github://repo/o/r",
            "gitlab://repo/o/r/file/x",
            "github://repo/o/%ff/file/x",
        ] {
            assert_eq!(file.matches(other), None, "{other}");
        }
        let fixed = UriTemplate::parse("slack://workspace").unwrap();
        assert_eq!(fixed.matches("slack://workspace"), Some(Vec::new()));
        assert_eq!(fixed.matches("slack://workspace/x"), None);
        assert_eq!(file.expand(&["o".to_owned(), String::new()]), None);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for bad in [
            "repo/{owner}",
            "Git://x",
            "a://x{b}",
            "a://x/{b}{c}",
            "a://x/{b}.json",
            "a://x/{+b}/c",
            "a://x/{b}/{b}",
            "a://x/{}",
            "a://x/{b",
        ] {
            assert!(UriTemplate::parse(bad).is_err(), "{bad}");
        }
    }
}
