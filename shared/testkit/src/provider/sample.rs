//! The least data that conforms to a schema.

use serde_json::{Map, Value, json};

use super::Reply;
use super::api::Operation;

/// Nesting that is filled in.
const DEPTH_MAX: usize = 5;
/// Members that say where the next page is.
const NEXT: [&str; 4] = [
    "@odata.nextLink",
    "@odata.deltaLink",
    "next",
    "nextPageToken",
];
/// Stands for a link of the provider's until it is known where that is.
const LINK: &str = "elsewhere:";

/// The answer to an allowed request.
pub(crate) fn reply(operation: &Operation, accept: &str, elsewhere: &str) -> Reply {
    let (status, schema) = &operation.success;
    if *status == 302 {
        let target = format!("{elsewhere}/download/{}", operation.id.replace('/', "-"));
        return Reply::text(302, "text/plain", "").with("location", target);
    }
    if *status == 204 {
        return Reply {
            headers: Vec::new(),
            ..Reply::text(204, "text/plain", "")
        };
    }
    if !accept.contains("json") && !accept.contains('*') {
        return Reply::text(*status, "text/plain; charset=utf-8", "plain text\n");
    }
    match schema {
        Some(schema) => Reply::json(*status, &with_links(value(schema, 0), elsewhere)),
        None => Reply::json(*status, &json!({})),
    }
}

/// Links lead to the provider's other origin.
fn with_links(value: Value, elsewhere: &str) -> Value {
    match value {
        Value::String(text) if text == LINK => json!(format!("{elsewhere}/download/link")),
        Value::Array(items) => items
            .into_iter()
            .map(|item| with_links(item, elsewhere))
            .collect(),
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| (name, with_links(value, elsewhere)))
                .collect(),
        ),
        other => other,
    }
}

fn value(schema: &Value, depth: usize) -> Value {
    for key in ["oneOf", "anyOf"] {
        if let Some(first) = schema[key].as_array().and_then(|options| options.first()) {
            return value(first, depth + 1);
        }
    }
    if let Some(first) = schema["enum"]
        .as_array()
        .and_then(|choices| choices.first())
    {
        return first.clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.first().and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("string") => match schema["format"].as_str() {
            Some("date-time") => json!("2026-01-02T03:04:05Z"),
            Some("uri") => json!(LINK),
            _ => json!("text"),
        },
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(false),
        Some("array") if depth < DEPTH_MAX => json!([value(&schema["items"], depth + 1)]),
        Some("array") => json!([]),
        Some("null") => Value::Null,
        _ => object(schema, depth),
    }
}

fn object(schema: &Value, depth: usize) -> Value {
    let mut members = Map::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if let Value::Object(more) = value(part, depth + 1) {
            members.extend(more);
        }
    }
    if depth < DEPTH_MAX {
        let properties = schema["properties"].as_object().into_iter().flatten();
        // There is one page of everything.
        for (name, property) in properties.filter(|(name, _)| !NEXT.contains(&name.as_str())) {
            let sample = match name.as_str() {
                "download_links" => json!([LINK]),
                "ok" => json!(true),
                _ => value(property, depth + 1),
            };
            members.insert(name.clone(), sample);
        }
    }
    Value::Object(members)
}
