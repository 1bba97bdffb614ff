//! `tools/list`: pages of raw definitions.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};

use crate::snapshot::Endpoint;

/// What a cursor begins with, before the name that it continues behind. A name and not a number:
/// a page goes on in the right place also when tools came or went meanwhile.
const CURSOR: &str = "t1:";
/// A longer cursor is none of ours.
const CURSOR_MAX: usize = 4_096;
/// Bytes after which a page ends whatever its number of tools.
const PAGE_BYTES: usize = 1024 * 1024;

/// The cursor is none that was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadCursor;

/// Caching hints for modern clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hints {
    pub(crate) ttl_ms: u64,
}

/// One page of an endpoint's tools as a whole result; `hints` are for modern clients only.
pub(crate) fn tools(
    endpoint: &Endpoint,
    cursor: Option<&str>,
    per_page: usize,
    hints: Option<Hints>,
) -> Result<Bytes, BadCursor> {
    let after = cursor.map(read_cursor).transpose()?;
    let rest = endpoint.listed_after(after.as_deref());

    let mut out = BytesMut::with_capacity(16 * 1024);
    out.put_u8(b'{');
    if let Some(Hints { ttl_ms }) = hints {
        // Private: what is listed depends on who asks.
        let head = format!(
            r#""resultType":"complete","ttlMs":{ttl_ms},"cacheScope":"private","_meta":{},"#,
            endpoint.server.meta()
        );
        out.put_slice(head.as_bytes());
    }
    out.put_slice(b"\"tools\":[");
    let mut taken = 0;
    for tool in rest.iter().take(per_page) {
        if taken > 0 && out.len() + tool.json.len() > PAGE_BYTES {
            break;
        }
        if taken > 0 {
            out.put_u8(b',');
        }
        out.put_slice(&tool.json);
        taken += 1;
    }
    out.put_u8(b']');
    if taken < rest.len() {
        out.put_slice(b",\"nextCursor\":\"");
        out.put_slice(write_cursor(&rest[taken - 1].name).as_bytes());
        out.put_u8(b'"');
    }
    out.put_u8(b'}');
    Ok(out.freeze())
}

fn write_cursor(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{CURSOR}{name}"))
}

fn read_cursor(cursor: &str) -> Result<String, BadCursor> {
    if cursor.len() > CURSOR_MAX {
        return Err(BadCursor);
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| BadCursor)?;
    let text = String::from_utf8(bytes).map_err(|_| BadCursor)?;
    text.strip_prefix(CURSOR)
        .map(str::to_owned)
        .ok_or(BadCursor)
}
