//! Header names, and values that may hold any text.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
pub const SESSION_ID: &str = "mcp-session-id";
pub const METHOD: &str = "mcp-method";
pub const NAME: &str = "mcp-name";
/// What the header of an `x-mcp-header` parameter begins with.
pub const PARAM_PREFIX: &str = "mcp-param-";

const OPEN: &str = "=?base64?";
const CLOSE: &str = "?=";

/// Writes a value so that it survives as a header field: printable ASCII as it is, anything else
/// (also what looks like the encoded form) as `=?base64?…?=` (2026-07-28, "Header encoding").
pub fn encode_value(text: &str) -> Cow<'_, str> {
    let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let edges = text.starts_with(' ') || text.ends_with(' ');
    let sentinel = text.starts_with(OPEN) && text.ends_with(CLOSE);
    if printable && !edges && !sentinel {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{OPEN}{}{CLOSE}", STANDARD.encode(text)))
}

/// Reads a header field value; `None` when it is encoded wrongly or is no text.
pub fn decode_value(value: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return None;
    }
    match text
        .strip_prefix(OPEN)
        .and_then(|rest| rest.strip_suffix(CLOSE))
    {
        Some(encoded) => {
            let bytes = STANDARD.decode(encoded).ok()?;
            String::from_utf8(bytes).ok().map(Cow::Owned)
        }
        None => Some(Cow::Borrowed(text)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_values_stay_plain_and_broken_ones_are_refused() {
        assert_eq!(encode_value("github_get_issue"), "github_get_issue");
        assert_eq!(encode_value(" x"), "=?base64?IHg=?=");
        assert_eq!(decode_value(b" x\t").as_deref(), Some("x"));
        assert_eq!(decode_value(b"=?base64?%%?="), None);
        assert_eq!(decode_value(b"=?base64?/w==?="), None, "no UTF-8 inside");
        assert_eq!(
            decode_value(b"=?BASE64?eA==?=").as_deref(),
            Some("=?BASE64?eA==?=")
        );
        assert_eq!(decode_value("ä".as_bytes()), None);
    }

    proptest! {
        #[test]
        fn every_text_survives_the_header(text in ".*") {
            let encoded = encode_value(&text).into_owned();
            prop_assert!(encoded.bytes().all(|b| matches!(b, b' '..=b'~')));
            let decoded = decode_value(encoded.as_bytes());
            prop_assert_eq!(decoded.as_deref(), Some(text.as_str()));
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode_value(&bytes);
        }
    }
}
