//! Content blocks for revisions that do not know all of them.

use serde_json::value::RawValue;

use crate::ProtocolVersion;
use crate::edit::{Edits, items, member, quoted, string};
use crate::object::{Members, members};

/// Adapts the blocks of `content[]`.
pub(super) fn adapt_list(edits: &mut Edits<'_>, object: &Members<'_>, version: ProtocolVersion) {
    if version >= ProtocolVersion::V2025_06_18 {
        return;
    }
    if let Some(content) = member(object, "content") {
        adapt(edits, items(content.get()), version);
    }
}

/// Adapts the blocks of `messages[].content`, which is one or an array of them.
pub(super) fn adapt_messages(
    edits: &mut Edits<'_>,
    object: &Members<'_>,
    version: ProtocolVersion,
) {
    if version >= ProtocolVersion::V2025_06_18 {
        return;
    }
    let messages = member(object, "messages").map(|raw| items(raw.get()));
    let mut blocks = Vec::new();
    for message in messages.into_iter().flatten() {
        let message = members(message.get()).unwrap_or_default();
        match member(&message, "content") {
            Some(list) if list.get().starts_with('[') => blocks.extend(items(list.get())),
            Some(block) => blocks.push(block),
            None => {}
        }
    }
    adapt(edits, blocks, version);
}

fn adapt(edits: &mut Edits<'_>, blocks: Vec<&RawValue>, version: ProtocolVersion) {
    for (index, raw) in blocks.into_iter().enumerate() {
        let Ok(block) = members(raw.get()) else {
            continue;
        };
        let kind = member(&block, "type").and_then(|raw| string(raw.get()));
        let adapted = match kind.as_deref() {
            Some("resource_link") => link_as_text(&block),
            Some("audio") if version < ProtocolVersion::V2025_03_26 => {
                audio_as_resource(&block, index)
            }
            _ => None,
        };
        if let Some(adapted) = adapted {
            edits.replace(raw.get(), adapted);
        }
    }
}

/// A text block.
pub(super) fn text_block(text: &str, annotations: Option<&RawValue>) -> String {
    let mut out = format!("{{\"type\":\"text\",\"text\":{}", quoted(text));
    push_annotations(&mut out, annotations);
    out.push('}');
    out
}

fn push_annotations(out: &mut String, annotations: Option<&RawValue>) {
    if let Some(annotations) = annotations {
        out.push_str(",\"annotations\":");
        out.push_str(annotations.get());
    }
}

/// What a link says: its title or name, where it leads, and what is there.
fn link_as_text(block: &Members<'_>) -> Option<String> {
    let text = |name| string(member(block, name)?.get());
    let uri = text("uri")?;
    let mut said = match text("title").or_else(|| text("name")) {
        Some(name) => format!("{name}: {uri}"),
        None => uri.into_owned(),
    };
    if let Some(description) = text("description") {
        said.push('\n');
        said.push_str(&description);
    }
    Some(text_block(&said, member(block, "annotations")))
}

/// Audio as an embedded resource, whose URI can be no more than a name for it.
fn audio_as_resource(block: &Members<'_>, index: usize) -> Option<String> {
    let (data, mime_type) = (member(block, "data")?, member(block, "mimeType")?);
    let mut out = format!(
        "{{\"type\":\"resource\",\"resource\":{{\"uri\":\"audio://content/{index}\",\"mimeType\":{},\"blob\":{}}}",
        mime_type.get(),
        data.get()
    );
    push_annotations(&mut out, member(block, "annotations"));
    out.push('}');
    Some(out)
}
