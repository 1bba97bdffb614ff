//! A body, held against the description.

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::api::{Operation, Place, RequestBody, below};
use super::rules::{Credential, Rules, Unlisted};
use super::schema::{Schema, readings};

/// A body as it came.
pub(crate) struct Sent<'a> {
    /// `Content-Type`, whole.
    pub(crate) kind: &'a str,
    pub(crate) body: &'a Bytes,
}

/// Everything that is not allowed in it, in words.
pub(crate) fn violations(
    rules: &Rules,
    operation: &Operation,
    credential: Option<&Credential>,
    sent: &Sent<'_>,
) -> Vec<String> {
    let Some(described) = &operation.body else {
        return match sent.body.is_empty() {
            true => Vec::new(),
            false => vec!["a body is sent, but none is described".to_owned()],
        };
    };
    if sent.body.is_empty() {
        return match described.required {
            true => vec!["the body is missing".to_owned()],
            false => Vec::new(),
        };
    }
    let media_type = sent.kind.split(';').next().unwrap_or_default().trim();
    let Some(schema) = schema(described, media_type) else {
        return vec![format!(
            "a body of the media type {media_type:?} is not described"
        )];
    };
    let read = match media_type {
        "application/x-www-form-urlencoded" => Ok(form(schema, sent.body)),
        "multipart/related" => related(described, sent),
        kind if kind.ends_with("json") => serde_json::from_slice(sent.body)
            .map_err(|error| format!("the body is no JSON: {error}")),
        // Of bytes nothing more is said.
        _ => return Vec::new(),
    };
    let mut body = match read {
        Ok(body) => body,
        Err(rule) => return vec![rule],
    };
    let mut violations = Vec::new();
    if let Some(Credential::Member(name, value)) = credential {
        let member = body.as_object_mut().and_then(|body| body.remove(*name));
        if member != Some(json!(value)) {
            violations.push(format!("the member {name} is missing or wrong"));
        }
    }
    let name = operation.name();
    let own = |known: &&Unlisted| known.place == Place::Body && known.operation == name;
    let exceptions = rules.unlisted.iter().filter(own);
    let exceptions: Vec<Vec<&str>> = exceptions
        .map(|known| known.name.split('.').collect())
        .collect();
    let mut relaxed = schema.value.clone();
    for steps in &exceptions {
        take(&mut body, steps);
        relax(&mut relaxed, steps);
    }
    let errors = match exceptions.is_empty() {
        true => schema.errors(&body),
        false => Schema::new(relaxed).errors(&body),
    };
    let errors = errors.into_iter();
    violations.extend(errors.map(|why| format!("body: {why}")));
    violations
}

fn schema<'a>(described: &'a RequestBody, kind: &str) -> Option<&'a Schema> {
    let family = kind.split('/').next().unwrap_or_default();
    let content = &described.content;
    content
        .get(kind)
        .or_else(|| content.get(&format!("{family}/*")))
        .or_else(|| content.get("*/*"))
}

/// The members of a form. Each value is read in the way that its schema wants: as a number, a
/// truth, the JSON that it is, or text.
fn form(schema: &Schema, body: &Bytes) -> Value {
    let text = String::from_utf8_lossy(body);
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let mut members = Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name), decode(value));
        let wanted: Vec<Schema> = below(&schema.value, Some(&name))
            .into_iter()
            .map(|schema| Schema::new(schema.clone()))
            .collect();
        let mut all = readings(&value);
        all.extend(serde_json::from_str(&value));
        all.reverse();
        let fits = |reading: &Value| {
            wanted
                .iter()
                .any(|schema| schema.errors(reading).is_empty())
        };
        let text = json!(value);
        let read = match fits(&text) {
            true => text,
            false => all
                .into_iter()
                .find(|reading| fits(reading))
                .unwrap_or(text),
        };
        members.insert(name, read);
    }
    Value::Object(members)
}

/// The JSON of a body of two parts (RFC 2387), the second of which is of an accepted type.
fn related(described: &RequestBody, sent: &Sent<'_>) -> Result<Value, String> {
    let boundary = sent
        .kind
        .split_once("boundary=")
        .map(|(_, name)| name.trim_matches('"'));
    let boundary = boundary.ok_or("the multipart body names no boundary")?;
    let text = String::from_utf8_lossy(sent.body);
    let parts: Vec<&str> = text
        .split(&format!("--{boundary}"))
        .filter_map(|part| part.strip_prefix("\r\n"))
        .collect();
    let [first, second] = parts.as_slice() else {
        return Err(format!(
            "the multipart body has {} parts, not 2",
            parts.len()
        ));
    };
    let split = |part: &&str| -> Option<(String, String)> {
        let (head, body) = part.split_once("\r\n\r\n")?;
        Some((head.to_ascii_lowercase(), body.to_owned()))
    };
    let (first, second) = split(first)
        .zip(split(second))
        .ok_or("a part of the multipart body has no head")?;
    if !first.0.contains("content-type: application/json") {
        return Err("the first part is no JSON".to_owned());
    }
    let kind = second
        .0
        .split_once("content-type:")
        .map(|(_, kind)| kind.trim());
    let kind = kind.ok_or("the second part has no type")?;
    let fits = |accepted: &String| {
        let family = accepted.strip_suffix('*');
        accepted == "*/*" || family.map_or(accepted == kind, |family| kind.starts_with(family))
    };
    if !described.media.iter().any(fits) {
        return Err(format!("a part of the type {kind} is not accepted"));
    }
    serde_json::from_str(&first.1).map_err(|error| format!("the first part is no JSON: {error}"))
}

/// Lets a member be missing.
fn relax(schema: &mut Value, steps: &[&str]) {
    for key in ["anyOf", "allOf"] {
        let parts = schema.get_mut(key).and_then(Value::as_array_mut);
        parts
            .into_iter()
            .flatten()
            .for_each(|part| relax(part, steps));
    }
    match steps {
        [] => {}
        [last] => {
            if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
                required.retain(|name| name != last);
            }
        }
        ["[]", rest @ ..] => {
            if let Some(items) = schema.get_mut("items") {
                relax(items, rest);
            }
        }
        [first, rest @ ..] => {
            if let Some(member) = schema.pointer_mut(&format!("/properties/{first}")) {
                relax(member, rest);
            }
        }
    }
}

/// Takes a member out.
fn take(body: &mut Value, steps: &[&str]) {
    match steps {
        [] => {}
        [last] => {
            if let Some(members) = body.as_object_mut() {
                members.remove(*last);
            }
        }
        ["[]", rest @ ..] => {
            let items = body.as_array_mut().into_iter().flatten();
            items.for_each(|item| take(item, rest));
        }
        [first, rest @ ..] => {
            if let Some(member) = body.get_mut(*first) {
                take(member, rest);
            }
        }
    }
}
