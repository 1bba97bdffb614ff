//! Results for legacy clients.

use bytes::Bytes;

use super::Kind;
use super::content::{self, text_block};
use super::modern::object;
use crate::ProtocolVersion;
use crate::edit::{Edits, items, member, text_of};
use crate::meta::keys;
use crate::object::{Members, members};

/// Members of results that only modern clients know.
const MODERN_ONLY: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];

/// Takes away what only modern clients know: `resultType`, `ttlMs`, `cacheScope` and
/// `_meta.serverInfo`. A result without them is passed on as it is.
///
/// # Errors
/// `result` is no JSON object.
pub fn strip_for_legacy(result: &Bytes) -> Result<Bytes, serde_json::Error> {
    // Nothing depends on the revision for this kind.
    for_legacy(Kind::Other, ProtocolVersion::LATEST_LEGACY, result, false)
}

/// Does the same, and turns what the client's revision does not know into what it knows:
///
/// - `structuredContent` goes into `{"result": …}` when the tool's `outputSchema` was put there
///   (`wrapped_output`); otherwise one that is no object is dropped, since before 2026-07-28 it
///   had to be one. Content that is absent or empty says it as text to those who would miss it;
/// - links to resources are text before 2025-06-18;
/// - audio is an embedded resource before 2025-03-26.
///
/// # Errors
/// `result` is no JSON object.
pub fn for_legacy(
    kind: Kind,
    version: ProtocolVersion,
    result: &Bytes,
    wrapped_output: bool,
) -> Result<Bytes, serde_json::Error> {
    let text = text_of(result)?;
    let all = members(text)?;
    let mut edits = Edits::new(text);
    let mut front = String::new();
    let mut drop_structured = false;

    match kind {
        Kind::CallTool => {
            let structured = member(&all, "structuredContent").map(|raw| raw.get());
            let is_object = structured.is_some_and(|json| json.starts_with('{'));
            drop_structured = structured.is_some() && !is_object && !wrapped_output;
            if wrapped_output {
                wrap_structured(&mut edits, &all);
            }
            // Clients before 2025-06-18 see nothing but the content, and what is no object was
            // not written for the others.
            let unseen = !is_object || version < ProtocolVersion::V2025_06_18;
            if let Some(json) = structured.filter(|_| unseen) {
                say_as_text(&mut edits, &mut front, &all, json);
            }
            content::adapt_list(&mut edits, &all, version);
        }
        Kind::GetPrompt => content::adapt_messages(&mut edits, &all, version),
        _ => {}
    }

    for (_, raw) in all.iter().filter(|(name, _)| name == "_meta") {
        if let Ok(meta) = members(raw.get())
            && !only_server_info(&meta)
        {
            edits.reshape(raw.get(), &meta, String::new(), |name, _| {
                name == keys::SERVER_INFO
            });
        }
    }
    edits.reshape(object(text), &all, front, |name, raw| match name {
        "structuredContent" => drop_structured,
        "_meta" => members(raw.get()).is_ok_and(|meta| only_server_info(&meta)),
        _ => MODERN_ONLY.contains(&name),
    });
    Ok(edits.apply_to(result))
}

/// Whether nothing is left of a `_meta` without the server's name.
fn only_server_info(meta: &Members<'_>) -> bool {
    !meta.is_empty() && meta.iter().all(|(name, _)| name == keys::SERVER_INFO)
}

fn wrap_structured(edits: &mut Edits<'_>, all: &Members<'_>) {
    for (_, raw) in all.iter().filter(|(name, _)| name == "structuredContent") {
        edits.replace(raw.get(), format!("{{\"result\":{}}}", raw.get()));
    }
}

/// Gives a result without content one that holds `json` as its text.
fn say_as_text(edits: &mut Edits<'_>, front: &mut String, all: &Members<'_>, json: &str) {
    let block = text_block(json, None);
    match member(all, "content") {
        None => *front = format!("\"content\":[{block}]"),
        Some(raw) if items(raw.get()).is_empty() => {
            edits.replace(raw.get(), format!("[{block}]"));
        }
        Some(_) => {}
    }
}
