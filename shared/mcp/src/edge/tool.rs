//! Tool definitions, by the era of the client.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::ProtocolVersion;
use crate::edit::{Edits, items, member, quoted, string};
use crate::object::{Members, members};

/// Where a schema stands once it is wrapped.
const WRAPPED_AT: &str = "#/properties/result";
/// Schemas are bounded elsewhere; this bounds the walk.
const MAX_DEPTH: usize = 64;

/// A definition for a modern client: without `execution`, which 2026-07-28 does not have. The
/// rest stays byte for byte.
pub fn tool_for_modern(definition: &RawValue) -> Bytes {
    let text = definition.get();
    let all = members(text).unwrap_or_default();
    let mut edits = Edits::new(text);
    edits.reshape(text, &all, String::new(), |name, _| name == "execution");
    finish(edits, text)
}

/// A definition for a client of `version`, and whether its `outputSchema` was wrapped. Until
/// 2025-11-25 a tool's structured result is an object, and so is the root of its schema; one of
/// another type becomes the schema of the member `result`, as
/// [`for_legacy`](super::for_legacy) makes the result itself. An `execution` that demands a task is
/// dropped: tasks of 2025-11-25 are not offered to clients, and one that is told so does not call
/// the tool at all.
pub fn tool_for_legacy(definition: &RawValue, version: ProtocolVersion) -> (Bytes, bool) {
    if version.is_modern() {
        return (tool_for_modern(definition), false);
    }
    let text = definition.get();
    let all = members(text).unwrap_or_default();
    let mut edits = Edits::new(text);
    let mut wrapped = false;
    for (_, schema) in all.iter().filter(|(name, _)| name == "outputSchema") {
        if let Some(wrapper) = wrap(schema) {
            edits.replace(schema.get(), wrapper);
            wrapped = true;
        }
    }
    edits.reshape(text, &all, String::new(), |name, raw| {
        (name == "execution" && demands_task(raw))
            || (name == "outputSchema" && raw.get() == "null")
    });
    (finish(edits, text), wrapped)
}

fn demands_task(execution: &RawValue) -> bool {
    let all = members(execution.get()).unwrap_or_default();
    let support = member(&all, "taskSupport").and_then(|raw| string(raw.get()));
    support.as_deref() == Some("required")
}

fn finish(edits: Edits<'_>, text: &str) -> Bytes {
    let changed = edits.apply();
    changed.map_or_else(|| Bytes::copy_from_slice(text.as_bytes()), Bytes::from)
}

/// A schema of objects with the given one as that of their `result`; `None` when it already is
/// one of objects, or no schema.
fn wrap(schema: &RawValue) -> Option<String> {
    let text = schema.get();
    if matches!(text, "true" | "false") {
        return Some(wrapper("", text));
    }
    let all = members(text).ok()?;
    let kind = member(&all, "type").and_then(|raw| string(raw.get()));
    if kind.as_deref() == Some("object") {
        return None;
    }

    let mut edits = Edits::new(text);
    // With an id of its own the schema stays the root of its references.
    if member(&all, "$id").is_none() {
        move_references(&mut edits, &all, 0);
    }
    // The dialect is said at the root.
    let dialect = member(&all, "$schema").map(|raw| format!("\"$schema\":{},", raw.get()));
    edits.reshape(text, &all, String::new(), |name, _| name == "$schema");
    let inner = edits.apply();
    Some(wrapper(
        &dialect.unwrap_or_default(),
        inner.as_deref().unwrap_or(text),
    ))
}

fn wrapper(dialect: &str, inner: &str) -> String {
    format!(
        "{{{dialect}\"type\":\"object\",\"properties\":{{\"result\":{inner}}},\"required\":[\"result\"]}}"
    )
}

/// References to places in the schema lead to where those are now.
fn move_references(edits: &mut Edits<'_>, schema: &Members<'_>, depth: usize) {
    for (name, raw) in schema {
        match name.as_ref() {
            "$ref" | "$dynamicRef" => {
                let target = string(raw.get());
                if let Some(path) = target.as_deref().and_then(|text| text.strip_prefix('#'))
                    && (path.is_empty() || path.starts_with('/'))
                {
                    edits.replace(raw.get(), quoted(&format!("{WRAPPED_AT}{path}")));
                }
            }
            // These hold data, not schemas.
            "const" | "enum" | "default" | "examples" => {}
            // Schemas by names that mean nothing here.
            "properties" | "patternProperties" | "dependentSchemas" | "$defs" | "definitions" => {
                for (_, child) in members(raw.get()).unwrap_or_default() {
                    move_references_within(edits, child, depth + 1);
                }
            }
            _ => move_references_within(edits, raw, depth + 1),
        }
    }
}

fn move_references_within(edits: &mut Edits<'_>, raw: &RawValue, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    if raw.get().starts_with('[') {
        for item in items(raw.get()) {
            move_references_within(edits, item, depth + 1);
        }
    } else if let Ok(schema) = members(raw.get())
        && member(&schema, "$id").is_none()
    {
        move_references(edits, &schema, depth);
    }
}
