//! What a server asks, as a request that a client of an older revision knows.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{ElicitationMode, InputRequest, elicitation_mode};
use crate::ProtocolVersion;
use crate::edit::{Edits, items, member, quoted, string};
use crate::object::{Members, members};

/// The params of the request that asks a legacy client the same; `None` when its revision cannot.
/// An elicitation by URL needs an id since 2025-11-25: `elicitation_id`, unless it has one.
pub fn request_for_legacy(
    request: &InputRequest<'_>,
    version: ProtocolVersion,
    elicitation_id: &str,
) -> Option<Bytes> {
    let params = request.params.map_or("{}", RawValue::get);
    let all = members(params).ok()?;
    let changed = match request.method.as_ref() {
        "roots/list" => None,
        "sampling/createMessage" => sampling(params, &all, version)?,
        "elicitation/create" => elicitation(request, params, &all, version, elicitation_id)?,
        _ => return None,
    };
    Some(changed.map_or_else(|| Bytes::copy_from_slice(params.as_bytes()), Bytes::from))
}

/// Forms since 2025-06-18, where there is no `mode` yet; URLs since 2025-11-25.
fn elicitation(
    request: &InputRequest<'_>,
    params: &str,
    all: &Members<'_>,
    version: ProtocolVersion,
    elicitation_id: &str,
) -> Option<Option<String>> {
    let by_url = elicitation_mode(request.params) == ElicitationMode::Url;
    let mut edits = Edits::new(params);
    if version >= ProtocolVersion::V2025_11_25 {
        if by_url && member(all, "elicitationId").is_none() {
            let id = format!("\"elicitationId\":{}", quoted(elicitation_id));
            edits.reshape(params, all, id, |_, _| false);
        }
    } else if version >= ProtocolVersion::V2025_06_18 && !by_url {
        edits.reshape(params, all, String::new(), |name, _| name == "mode");
    } else {
        return None;
    }
    Some(edits.apply())
}

/// Before 2025-11-25 a message has one block and there are no tools; before 2025-03-26 there is
/// no audio.
fn sampling(params: &str, all: &Members<'_>, version: ProtocolVersion) -> Option<Option<String>> {
    if version >= ProtocolVersion::V2025_11_25 {
        return Some(None);
    }
    if member(all, "tools").is_some() {
        return None;
    }
    let mut edits = Edits::new(params);
    for raw in member(all, "messages").map_or_else(Vec::new, |raw| items(raw.get())) {
        let message = members(raw.get()).ok()?;
        let content = member(&message, "content")?;
        let blocks = match content.get().starts_with('[') {
            true => items(content.get()),
            false => vec![content],
        };
        if !blocks.iter().all(|block| is_known(block, version)) {
            return None;
        }
        match blocks[..] {
            [block] if content.get() != block.get() => {
                edits.replace(content.get(), block.get().to_owned());
            }
            [_] => {}
            // Several blocks are as many messages of the same role.
            _ => edits.replace(raw.get(), one_by_one(&message, &blocks)?),
        }
    }
    Some(edits.apply())
}

fn is_known(block: &RawValue, version: ProtocolVersion) -> bool {
    let kind = members(block.get()).ok();
    let kind = kind.and_then(|block| Some(string(member(&block, "type")?.get())?.into_owned()));
    match kind.as_deref() {
        Some("text" | "image") => true,
        Some("audio") => version >= ProtocolVersion::V2025_03_26,
        _ => false,
    }
}

/// `None` when there are no blocks: an empty message says nothing that could be carried.
fn one_by_one(message: &Members<'_>, blocks: &[&RawValue]) -> Option<String> {
    let role = member(message, "role")?.get();
    let messages: Vec<_> = blocks
        .iter()
        .map(|block| format!("{{\"role\":{role},\"content\":{}}}", block.get()))
        .collect();
    (!messages.is_empty()).then(|| messages.join(","))
}
