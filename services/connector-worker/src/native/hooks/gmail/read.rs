//! Reading mails: Gmail's tree of MIME parts becomes headers, a text and a list of files.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::html::html_to_text;
use serde_json::{Map, Value, json};

use super::pick;
use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{self, Call, Stop};

/// Hits of a search whose headers are read; each costs a request.
const HITS_MAX: usize = 100;
/// Of these, how many are read at the same time: Gmail counts quota by the second.
const AT_ONCE: usize = 4;
/// Bytes of one mail's text that are shown.
const TEXT_MAX_BYTES: usize = 128 * 1024;
/// What a person sees of a mail in a list.
const LISTED: [&str; 5] = ["From", "To", "Cc", "Subject", "Date"];
/// The header fields of a whole mail that are shown; the rest concerns machines.
const SHOWN: [&str; 14] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "List-Id",
    "List-Unsubscribe",
    "Importance",
];
/// What is shown of a mail beside its content.
const ABOUT: [&str; 7] = [
    "id",
    "threadId",
    "labelIds",
    "snippet",
    "historyId",
    "internalDate",
    "sizeEstimate",
];

/// A message, a thread of them, or a draft with one.
pub(in crate::native::hooks) async fn decode(
    call: &Call<'_>,
    arguments: &Arguments,
) -> Result<Made, Stop> {
    let (_, mut body) = call.ask(&call.draft(arguments)?).await?;
    let all = call.wants_all(arguments);
    let all_fields = all || call.text(arguments, "format") == Some("metadata");
    let message = |mail: &Value| message(mail, all_fields, all);
    if let Some(Value::Array(messages)) = body.get_mut("messages") {
        for one in messages {
            *one = message(one);
        }
    } else if let Some(inner) = body.get_mut("message") {
        *inner = message(inner);
    } else {
        body = message(&body);
    }
    Ok(Made::json(body))
}

/// One page of hits, each with what a person sees of it in a list.
pub(in crate::native::hooks) async fn hydrate(
    call: &Call<'_>,
    arguments: &Arguments,
) -> Result<Made, Stop> {
    let draft = call.draft(arguments)?;
    let (answered, mut body) = call.ask(&draft).await?;
    let next = call
        .tool
        .pages
        .as_ref()
        .map(|pages| call::next(pages, &draft, &answered, &body, arguments));
    let hits = match body.get_mut("messages").map(Value::take) {
        Some(Value::Array(hits)) => hits,
        _ => Vec::new(),
    };
    let (total, one) = (hits.len(), |hit: Value| {
        hit_with_headers(call, arguments, hit)
    });
    let shown: Vec<Value> = stream::iter(hits.into_iter().take(HITS_MAX))
        .map(one)
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut made = Made::json(json!({ "messages": shown }));
    if let Some(estimate) = body.get("resultSizeEstimate") {
        made.structured["resultSizeEstimate"] = estimate.clone();
    }
    if total > HITS_MAX {
        made.notes.push(format!(
            "The page has {total} hits, of which the first {HITS_MAX} are shown: ask for fewer in a page."
        ));
    }
    if let Some(next) = next {
        call.tell_next(&next, &draft, &mut made);
    }
    Ok(made)
}

async fn hit_with_headers(
    call: &Call<'_>,
    arguments: &Arguments,
    hit: Value,
) -> Result<Value, Stop> {
    let id = hit["id"].as_str().unwrap_or_default();
    let mut look = call.step(0, arguments, &[("id", id)])?;
    look.set_query("format", "metadata");
    let all = call.wants_all(arguments);
    for name in LISTED.iter().filter(|_| !all) {
        look.query
            .push(("metadataHeaders".to_owned(), (*name).to_owned()));
    }
    let answered = call.exchange(&look).await?;
    // Deleted since the search.
    if answered.status == StatusCode::NOT_FOUND {
        return Ok(hit);
    }
    call.accept(&answered)?;
    let found = serde_json::from_slice(&answered.body);
    let found: Value = found.map_err(|error| call.garbage(&answered, &error))?;
    if all {
        return Ok(message(&found, true, true));
    }
    let mut shown = pick(
        &found,
        &["id", "threadId", "labelIds", "snippet", "internalDate"],
    );
    shown["headers"] = fields(&found["payload"], true);
    Ok(shown)
}

/// The first header field of that name.
pub(super) fn header(message: &Value, name: &str) -> Option<String> {
    part_header(&message["payload"], name).map(str::to_owned)
}

fn part_header<'a>(part: &'a Value, name: &str) -> Option<&'a str> {
    let fields = part["headers"].as_array()?.iter();
    let mut named = fields.filter(|field| {
        let known = field["name"].as_str().unwrap_or_default();
        known.eq_ignore_ascii_case(name)
    });
    named.next()?["value"].as_str()
}

/// One mail as it is shown.
fn message(mail: &Value, all_fields: bool, all: bool) -> Value {
    let mut shown = pick(mail, &ABOUT);
    let payload = &mail["payload"];
    if all && let (Some(shown), Some(members)) = (shown.as_object_mut(), mail.as_object()) {
        // The content is shown as text, which is all of it that a model can read.
        let rest = members.iter();
        let rest = rest.filter(|(name, _)| !matches!(name.as_str(), "payload" | "raw"));
        shown.extend(rest.map(|(name, value)| (name.clone(), value.clone())));
    }
    if payload.get("headers").is_some() {
        shown["headers"] = fields(payload, all_fields);
    }
    if let Some(raw) = mail["raw"].as_str() {
        shown["source"] = json!(String::from_utf8_lossy(&unpack(raw)));
    }
    if payload.get("body").is_none() && payload.get("parts").is_none() {
        return shown;
    }
    let mut found = Found::default();
    found.collect(payload);
    let (kind, text) = if found.plain.iter().all(|text| text.trim().is_empty()) {
        (
            "text/html",
            found.html.iter().map(|html| html_to_text(html)).collect(),
        )
    } else {
        ("text/plain", found.plain)
    };
    let text: Vec<String> = text;
    let text = text.join("\n");
    let end = text.floor_char_boundary(TEXT_MAX_BYTES);
    shown["text"] = json!(text[..end]);
    shown["text_from"] = json!(kind);
    if end < text.len() {
        shown["text_truncated"] = json!(true);
    }
    shown["attachments"] = json!(found.files);
    shown
}

/// Header fields by name; a field that comes again makes a list.
fn fields(part: &Value, all: bool) -> Value {
    let mut shown = Map::new();
    for field in part["headers"].as_array().into_iter().flatten() {
        let (Some(name), Some(value)) = (field["name"].as_str(), field.get("value")) else {
            continue;
        };
        if !all && !SHOWN.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            continue;
        }
        match shown.get_mut(name) {
            None => {
                shown.insert(name.to_owned(), value.clone());
            }
            Some(Value::Array(values)) => values.push(value.clone()),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    Value::Object(shown)
}

#[derive(Default)]
struct Found {
    plain: Vec<String>,
    html: Vec<String>,
    files: Vec<Value>,
}

impl Found {
    /// Walks the parts. Their depth is bounded by what a JSON text may nest.
    fn collect(&mut self, part: &Value) {
        let kind = part["mimeType"].as_str().unwrap_or_default();
        let name = part["filename"].as_str().unwrap_or_default();
        let body = &part["body"];
        if !name.is_empty() || body.get("attachmentId").is_some() {
            self.files.push(json!({
                "attachment_id": body["attachmentId"],
                "part_id": part["partId"],
                "filename": name,
                "mime_type": kind,
                "size": body["size"],
            }));
            return;
        }
        match (kind, body["data"].as_str()) {
            ("text/html", Some(data)) => self.html.push(read(part, data)),
            (kind, Some(data)) if kind.starts_with("text/") => self.plain.push(read(part, data)),
            _ => {}
        }
        for inner in part["parts"].as_array().into_iter().flatten() {
            self.collect(inner);
        }
    }
}

/// The text of a part: mostly UTF-8, else what its `Content-Type` says.
fn read(part: &Value, data: &str) -> String {
    let bytes = unpack(data);
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return text,
        Err(error) => error.into_bytes(),
    };
    let kind = part_header(part, "Content-Type").unwrap_or_default();
    let charset = kind.split(';').find_map(|param| {
        let (name, value) = param.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| value.trim().trim_matches('"'))
    });
    match charset.and_then(|charset| charset_decoder(charset.as_bytes())) {
        Some(decode) => decode(&bytes),
        None => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

fn unpack(data: &str) -> Vec<u8> {
    let padded = URL_SAFE.decode(data);
    let bytes = padded.or_else(|_| URL_SAFE_NO_PAD.decode(data));
    bytes.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: &str, charset: &str, bytes: &[u8]) -> Value {
        json!({
            "mimeType": kind, "filename": "",
            "headers": [{ "name": "content-type", "value": format!("{kind}; charset=\"{charset}\"") }],
            "body": { "data": URL_SAFE_NO_PAD.encode(bytes), "size": bytes.len() },
        })
    }

    #[test]
    fn html_is_read_as_text_where_there_is_no_other_and_old_charsets_are_known() {
        let html = part(
            "text/html",
            "utf-8",
            b"<p>Hi <b>Ann</b></p><style>x{}</style>",
        );
        let shown = message(&json!({ "id": "1", "payload": html }), false, false);
        assert_eq!(shown["text"].as_str().unwrap().trim(), "Hi Ann");
        assert_eq!(shown["text_from"], "text/html");

        let latin = part("text/plain", "iso-8859-1", b"caf\xe9");
        let shown = message(&json!({ "id": "1", "payload": latin }), false, false);
        assert_eq!(shown["text"], "café");
    }

    #[test]
    fn a_long_text_is_cut_and_it_is_said() {
        let long = part("text/plain", "utf-8", "é".repeat(TEXT_MAX_BYTES).as_bytes());

        let shown = message(&json!({ "payload": long }), false, false);

        assert!(shown["text"].as_str().unwrap().len() <= TEXT_MAX_BYTES);
        assert_eq!(shown["text_truncated"], true);
    }
}
