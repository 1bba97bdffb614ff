//! Results that are files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::answer::Made;
use super::call::Call;
use super::exchange::Answered;

const UNKNOWN: &str = "application/octet-stream";

/// Whether an answer says that it is JSON.
pub(super) fn is_json(answered: &Answered) -> bool {
    let kind = media_type(answered);
    kind == "application/json" || kind.ends_with("+json")
}

/// The media type without its parameters.
fn media_type(answered: &Answered) -> String {
    let kind = answered.headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or(UNKNOWN);
    let kind = kind.split(';').next().unwrap_or(UNKNOWN).trim();
    kind.to_ascii_lowercase()
}

impl Call<'_> {
    /// A file as what a client can show: text as text, pictures and sound as such, anything else as
    /// an embedded resource.
    pub(super) fn file(&self, answered: &Answered) -> Made {
        let (kind, bytes) = (media_type(answered), &answered.body);
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|text| !text.contains('\0'));
        let is_picture = kind.starts_with("image/") && kind != "image/svg+xml";
        let mut made = Made::json(json!({ "media_type": kind, "bytes": bytes.len() }));
        if let Some(text) = text.filter(|_| !is_picture) {
            let limit = self.engine.limits.text_max_bytes;
            if text.len() > limit {
                made.notes.push(format!(
                    "The file is longer: only its first {limit} bytes are shown."
                ));
            }
            made.text = Some(text[..text.floor_char_boundary(limit)].to_owned());
            return made;
        }
        let data = STANDARD.encode(bytes);
        made.file = Some(match kind.split('/').next() {
            Some("image") if is_picture => {
                json!({ "type": "image", "data": data, "mimeType": kind })
            }
            Some("audio") => json!({ "type": "audio", "data": data, "mimeType": kind }),
            _ => {
                let uri = self.resource_uri(answered);
                let resource = json!({ "uri": uri, "mimeType": kind, "blob": data });
                json!({ "type": "resource", "resource": resource })
            }
        });
        made
    }

    /// A name for a file. Never the address that it came from: that may be signed.
    fn resource_uri(&self, answered: &Answered) -> Value {
        let digest = fingerprint(&answered.body);
        json!(format!(
            "{}://file/{digest:016x}",
            self.connector.name.replace('_', "-")
        ))
    }
}

/// FNV-1a: tells files apart for a reader, nothing more.
fn fingerprint(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
