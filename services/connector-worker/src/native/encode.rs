//! Values on their way into addresses, header fields and templates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use catalog::closed::Filter;
use catalog::{Change, Constant, Part, Template};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, UtcOffset};

use super::arguments::Arguments;
use super::markdown;

/// All but the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same for query names, which providers write with brackets and dollars.
const NAME: &AsciiSet = &SEGMENT
    .remove(b'[')
    .remove(b']')
    .remove(b'$')
    .remove(b'@')
    .remove(b':');
/// Header values that must be ASCII (`X-Audit-Log-Reason` and its like).
const HEADER: &AsciiSet = &SEGMENT.remove(b' ');

pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

pub(super) fn query_name(text: &str) -> String {
    utf8_percent_encode(text, NAME).to_string()
}

/// A scalar as it is written, anything else as JSON.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An argument's value as a piece of a path, percent-encoded.
pub(super) fn path_piece(value: &Value, change: Option<Change>) -> String {
    let text = text(value);
    match change {
        Some(Change::RawSlashes) => {
            let text = text.strip_prefix('/').unwrap_or(&text);
            text.split('/').map(segment).collect::<Vec<_>>().join("/")
        }
        Some(Change::OdataQuote) => segment(&text.replace('\'', "''")),
        // Zoom decodes once before it routes.
        Some(Change::ZoomUuid) if text.starts_with('/') || text.contains("//") => {
            segment(&segment(&text))
        }
        Some(Change::BracedUuid) => segment(&braced(&text)),
        _ => segment(&text),
    }
}

fn braced(text: &str) -> String {
    if text.starts_with('{') {
        text.to_owned()
    } else {
        format!("{{{text}}}")
    }
}

/// An argument's value as it is sent outside of paths.
///
/// # Errors
/// The rule that the value breaks.
pub(super) fn change(value: Value, change: Option<Change>) -> Result<Value, String> {
    let Some(change) = change else {
        return Ok(value);
    };
    Ok(match (change, value) {
        (Change::Base64Encode, Value::String(text)) => json!(STANDARD.encode(text)),
        (Change::MarkdownToAdf, value) => markdown::to_adf(&text(&value)),
        (Change::MarkdownToStorage, value) => json!(markdown::to_storage(&text(&value))),
        (Change::JoinCsv, Value::Array(items)) => {
            json!(items.iter().map(text).collect::<Vec<_>>().join(","))
        }
        (Change::ToArray, value) if !value.is_array() => json!([value]),
        (Change::NamesToObjects, Value::Array(items)) => items
            .into_iter()
            .map(|name| json!({ "name": name }))
            .collect(),
        (Change::NoneToNull, Value::String(text)) if text == "none" => Value::Null,
        (Change::DoubleQuote, value) => json!(quoted(&text(&value))),
        (Change::UuidObjects, Value::Array(items)) => items
            .iter()
            .map(|uuid| json!({ "uuid": braced(&text(uuid)) }))
            .collect(),
        (Change::BracedUuid, Value::String(text)) => json!(braced(&text)),
        (Change::PercentEncode, value) => {
            json!(utf8_percent_encode(&text(&value), HEADER).to_string())
        }
        (Change::DateToRfc3339, value) => {
            let instant = instant(&text(&value))?;
            json!(instant.format(&Rfc3339).map_err(|_| "is out of range")?)
        }
        (Change::DateToEpochMs, value) => {
            let milliseconds = instant(&text(&value))?.unix_timestamp_nanos() / 1_000_000;
            json!(i64::try_from(milliseconds).map_err(|_| "is out of range")?)
        }
        (_, value) => value,
    })
}

/// `YYYY-MM-DD` (midnight UTC) or RFC 3339.
pub(super) fn instant(text: &str) -> Result<OffsetDateTime, String> {
    let day = time::macros::format_description!("[year]-[month]-[day]");
    if let Ok(date) = Date::parse(text, day) {
        return Ok(date.midnight().assume_utc());
    }
    OffsetDateTime::parse(text, &Rfc3339)
        .map(|instant| instant.to_offset(UtcOffset::UTC))
        .map_err(|_| "must be a date (YYYY-MM-DD) or an RFC 3339 time".to_owned())
}

/// In double quotes, as search expressions of Microsoft Graph want it.
fn quoted(text: &str) -> String {
    let inner = text.trim();
    let is_quoted = inner
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .is_some_and(|rest| !holds_bare_quote(rest));
    match is_quoted {
        true => inner.to_owned(),
        false => format!("\"{}\"", inner.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// Whether there is a double quote without a backslash before it, or a backslash at the end that
/// would take the closing one.
fn holds_bare_quote(text: &str) -> bool {
    let mut is_escaped = false;
    for c in text.chars() {
        match c {
            '"' if !is_escaped => return true,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    is_escaped
}

/// The text of a template. `piece` says how an argument's value is written.
pub(super) fn render(
    template: &Template,
    arguments: &Arguments,
    piece: &dyn Fn(usize, &Value) -> String,
) -> String {
    let parts = template.0.iter().map(|part| match part {
        Part::Text(text) => text.clone(),
        Part::Arg(at, filter) => {
            let value = arguments.value(*at).unwrap_or(&Value::Null);
            let value = match filter {
                None => {
                    return if value.is_null() {
                        String::new()
                    } else {
                        piece(*at, value)
                    };
                }
                Some(Filter::DriveQuote) => text(value).replace('\\', "\\\\").replace('\'', "\\'"),
                Some(Filter::OdataQuote) => text(value).replace('\'', "''"),
            };
            piece(*at, &Value::String(value))
        }
    });
    parts.collect()
}

/// The value of a constant; a template that is one argument keeps its type.
pub(super) fn constant(constant: &Constant, arguments: &Arguments) -> Value {
    match constant {
        Constant::Fixed(value) => value.clone(),
        Constant::Text(template) => match template.whole() {
            Some(at) => arguments.value(at).cloned().unwrap_or(Value::Null),
            None => json!(render(template, arguments, &|_, value| text(value))),
        },
        Constant::Array(items) => items
            .iter()
            .map(|item| self::constant(item, arguments))
            .collect(),
        Constant::Object(members) => Value::Object(
            members
                .iter()
                .map(|(key, value)| (key.clone(), self::constant(value, arguments)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_path_value_can_leave_its_place() {
        let piece = |text: &str, change| path_piece(&json!(text), change);

        assert_eq!(piece("a/b?c#d", None), "a%2Fb%3Fc%23d");
        assert_eq!(piece("../x", None), "..%2Fx");
        assert_eq!(piece("%2e%2e", None), "%252e%252e");
        assert_eq!(piece("a\\b\r\n", None), "a%5Cb%0D%0A");
        assert_eq!(
            piece("/src/a b.rs", Some(Change::RawSlashes)),
            "src/a%20b.rs"
        );
        assert_eq!(piece("it's", Some(Change::OdataQuote)), "it%27%27s");
        assert_eq!(piece("/a==", Some(Change::ZoomUuid)), "%252Fa%253D%253D");
        assert_eq!(piece("a==", Some(Change::ZoomUuid)), "a%3D%3D");
        assert_eq!(piece("1-2", Some(Change::BracedUuid)), "%7B1-2%7D");
    }

    #[test]
    fn values_are_changed_as_the_format_says() {
        let done = |value, how| change(value, Some(how));

        assert_eq!(done(json!("é"), Change::Base64Encode), Ok(json!("w6k=")));
        assert_eq!(done(json!(["a", 1]), Change::JoinCsv), Ok(json!("a,1")));
        assert_eq!(done(json!("a"), Change::ToArray), Ok(json!(["a"])));
        assert_eq!(
            done(json!(["a"]), Change::NamesToObjects),
            Ok(json!([{ "name": "a" }]))
        );
        assert_eq!(
            done(json!(["a"]), Change::UuidObjects),
            Ok(json!([{ "uuid": "{a}" }]))
        );
        assert_eq!(
            done(json!("naïve x"), Change::PercentEncode),
            Ok(json!("na%C3%AFve x"))
        );
        assert_eq!(
            done(json!("2026-02-01"), Change::DateToRfc3339),
            Ok(json!("2026-02-01T00:00:00Z"))
        );
        assert_eq!(
            done(json!("1970-01-01T01:00:00+01:00"), Change::DateToEpochMs),
            Ok(json!(0))
        );
        assert!(done(json!("yesterday"), Change::DateToEpochMs).is_err());
    }
}
