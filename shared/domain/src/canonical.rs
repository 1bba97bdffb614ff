//! One text for each JSON value, so that values can be compared and hashed.
//!
//! The form is that of RFC 8785 (JSON Canonicalization Scheme): no blanks between tokens, the
//! members of an object in the order of their names as UTF-16 code units, strings with the
//! shortest escapes, numbers as ECMAScript writes them. It differs where the RFC would lose
//! something or does not apply, since a definition comes from a server that may want a change to
//! go unseen:
//!
//! - A number keeps all its digits; the RFC would round it to a double. `1.0`, `1` and `10e-1` are
//!   one number, 9007199254740992 and 9007199254740993 are two. One whose exponent does not fit 64
//!   bits stays as it was written.
//! - Members with the same name all count, in the order they came in.
//! - Half a surrogate pair stays what it is, as `\udXXX`.
//! - What nests deeper than [`JSON_MAX_DEPTH`] stays as it was written.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::value::RawValue;

use crate::limits::JSON_MAX_DEPTH;

/// The canonical text of a JSON value.
pub fn canonical_json(json: &RawValue) -> String {
    Node::read(json.get()).to_text()
}

/// A JSON value whose parts are in canonical form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    /// A string, a number or a word, as it is written; or what lies too deep to be looked at.
    Scalar(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// Ordered by name.
    Object(Vec<Member<'a>>),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    /// UTF-16 code units: what the members are ordered by.
    pub(crate) name: Vec<u16>,
    pub(crate) value: Node<'a>,
}

impl<'a> Node<'a> {
    /// Reads a text that is known to be JSON.
    pub(crate) fn read(text: &'a str) -> Self {
        Reader { rest: text }.value(JSON_MAX_DEPTH)
    }

    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Scalar(text) => out.push_str(text),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, member) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_string(&member.name, out);
                    out.push(':');
                    member.value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// Reads JSON that was checked before: what cannot be is taken for the end of what is being read.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// A value with no more than `levels` of objects and arrays.
    fn value(&mut self, levels: usize) -> Node<'a> {
        match self.peek() {
            Some(b'{' | b'[') if levels == 0 => Node::Scalar(Cow::Borrowed(self.unread())),
            Some(b'{') => self.object(levels - 1),
            Some(b'[') => self.array(levels - 1),
            Some(b'"') => {
                let mut text = String::new();
                write_string(&self.string(), &mut text);
                Node::Scalar(Cow::Owned(text))
            }
            _ => {
                let end = |c: char| matches!(c, ',' | ']' | '}' | ' ' | '\t' | '\n' | '\r');
                let length = self.rest.find(end).unwrap_or(self.rest.len());
                let word = self.take(length);
                Node::Scalar(canonical_number(word).map_or(Cow::Borrowed(word), Cow::Owned))
            }
        }
    }

    fn object(&mut self, levels: usize) -> Node<'a> {
        let mut members = Vec::new();
        self.take(1);
        while self.peek() == Some(b'"') {
            let name = self.string();
            self.skip(b':');
            let value = self.value(levels);
            members.push(Member { name, value });
            self.skip(b',');
        }
        self.skip(b'}');
        // Stable: members with the same name stay in their order.
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Node::Object(members)
    }

    fn array(&mut self, levels: usize) -> Node<'a> {
        let mut items = Vec::new();
        self.take(1);
        while self.peek().is_some_and(|next| next != b']') {
            items.push(self.value(levels));
            self.skip(b',');
        }
        self.skip(b']');
        Node::Array(items)
    }

    /// What a string says, without quotes and escapes.
    fn string(&mut self) -> Vec<u16> {
        let mut units = Vec::new();
        self.take(1);
        while let Some(c) = self.char() {
            match c {
                '"' => break,
                '\\' => units.push(self.escape()),
                c => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
            }
        }
        units
    }

    fn escape(&mut self) -> u16 {
        match self.char() {
            Some('b') => 0x08,
            Some('t') => 0x09,
            Some('n') => 0x0a,
            Some('f') => 0x0c,
            Some('r') => 0x0d,
            Some('u') => {
                let digits = self.take(4);
                u16::from_str_radix(digits, 16).unwrap_or(0xfffd)
            }
            Some('/') => u16::from(b'/'),
            Some('\\') => u16::from(b'\\'),
            _ => u16::from(b'"'),
        }
    }

    /// A whole object or array, as it is written.
    fn unread(&mut self) -> &'a str {
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        let end = self.rest.bytes().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0
        });
        self.take(end.map_or(self.rest.len(), |end| end + 1))
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.rest;
        self.rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.bytes().next()
    }

    fn skip(&mut self, byte: u8) {
        if self.peek() == Some(byte) {
            self.take(1);
        }
    }

    fn char(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}

fn write_string(units: &[u16], out: &mut String) {
    out.push('"');
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok('"') => out.push_str("\\\""),
            Ok('\\') => out.push_str("\\\\"),
            Ok('\u{8}') => out.push_str("\\b"),
            Ok('\t') => out.push_str("\\t"),
            Ok('\n') => out.push_str("\\n"),
            Ok('\u{c}') => out.push_str("\\f"),
            Ok('\r') => out.push_str("\\r"),
            Ok(c) if c < ' ' => write_escaped(u32::from(c), out),
            Ok(c) => out.push(c),
            Err(half) => write_escaped(u32::from(half.unpaired_surrogate()), out),
        }
    }
    out.push('"');
}

fn write_escaped(unit: u32, out: &mut String) {
    write!(out, "\\u{unit:04x}").expect("writing to a String cannot fail");
}

/// A number by ECMAScript's rule (ECMA-262, Number::toString) on its exact digits; `None` for what
/// is no number, or has an exponent beyond 64 bits.
fn canonical_number(word: &str) -> Option<String> {
    let (sign, word) = match word.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", word),
    };
    let (mantissa, exponent) = word.split_once(['e', 'E']).unwrap_or((word, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().ok()?;
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = all.trim_start_matches('0').trim_end_matches('0');
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    // The value is 0.DIGITS times ten to the power of `point`.
    let leading = all.len() - all.trim_start_matches('0').len();
    let point = i128::from(exponent) + whole.len() as i128 - leading as i128;
    let length = digits.len() as i128;
    let zeros = |count: i128| "0".repeat(usize::try_from(count).unwrap_or_default());
    Some(match point {
        _ if length <= point && point <= 21 => format!("{sign}{digits}{}", zeros(point - length)),
        1..=21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or_default());
            format!("{sign}{whole}.{fraction}")
        }
        -5..=0 => format!("{sign}0.{}{digits}", zeros(-point)),
        _ => {
            let (first, others) = digits.split_at(1);
            let dot = if others.is_empty() { "" } else { "." };
            format!("{sign}{first}{dot}{others}e{:+}", point - 1)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        canonical_json(&RawValue::from_string(text.to_owned()).unwrap())
    }

    #[test]
    fn members_are_ordered_by_utf16_and_blanks_go() {
        // The order that RFC 8785, 3.2.3, gives for these names.
        let text = r#"{ "\u20ac":1, "\r":2, "\ufb33":3, "1":4, "\ud83d\ude00":5, "\u0080":6,
                       "\u00f6":7 }"#;
        let order = "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}";
        assert_eq!(canonical(text), order);
        assert_eq!(
            canonical(" [ 1 , { } ,[ ],true , null ] "),
            "[1,{},[],true,null]"
        );
    }

    #[test]
    fn strings_have_the_shortest_escapes() {
        let text = r#""\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/\u007f\b\f""#;
        let wanted = "\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\u{7f}\\b\\f\"";
        assert_eq!(canonical(text), wanted);
        assert_eq!(canonical(r#""\uD800x""#), r#""\ud800x""#);
        assert_ne!(canonical(r#""\uD800""#), canonical(r#""\uD801""#));
    }

    #[test]
    fn a_number_has_one_form_and_keeps_its_digits() {
        for (written, wanted) in [
            ("0", "0"),
            ("-0.0e5", "0"),
            ("1.0", "1"),
            ("10e-1", "1"),
            ("333333333.33333329", "333333333.33333329"),
            ("1E30", "1e+30"),
            ("4.50", "4.5"),
            ("2e-3", "0.002"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("0.000000000000000000000000001", "1e-27"),
            ("123456789012345678901", "123456789012345678901"),
            ("1234567890123456789012", "1.234567890123456789012e+21"),
            ("100000000000000000000", "100000000000000000000"),
            ("1000000000000000000000", "1e+21"),
            ("-12.5e1", "-125"),
            ("9007199254740992", "9007199254740992"),
            ("9007199254740993", "9007199254740993"),
            ("1e400", "1e+400"),
            ("1e99999999999999999999", "1e99999999999999999999"),
        ] {
            assert_eq!(canonical(written), wanted, "{written}");
        }
    }

    #[test]
    fn nothing_is_lost_that_a_reader_might_see() {
        let twice = canonical(r#"{"b":0,"a":1,"a":2}"#);
        assert_eq!(twice, r#"{"a":1,"a":2,"b":0}"#);
        assert_ne!(twice, canonical(r#"{"b":0,"a":2,"a":1}"#));

        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(canonical(&deep(r#""]\"""#)), deep(r#""]\"""#));
        assert_ne!(canonical(&deep("1")), canonical(&deep("2")));
    }
}
