//! `tools/list`: pages of raw definitions, from the configuration.

use ::mcp::Params;
use bytes::{BufMut, Bytes, BytesMut};

use super::answer::Answer;
use super::cursor;
use super::dispatch::Exchange;

/// Bytes after which a page ends whatever its number of items.
pub(super) const PAGE_BYTES: usize = 1024 * 1024;
pub(super) const METHOD: &str = "tools/list";

impl Exchange<'_> {
    /// One page of the endpoint's tools. Its cursor is the name of its last tool and not a
    /// number: a page goes on in the right place also when tools came or went meanwhile.
    pub(super) fn list_tools(&self, params: &Params<'_>) -> Answer {
        let (sealer, bound) = (&self.caller.app.sealer, self.caller.bound());
        let after = match params.cursor.as_deref() {
            None => None,
            Some(text) => {
                let opened = cursor::open(sealer, bound, METHOD, text);
                match opened.and_then(|plain| String::from_utf8(plain).ok()) {
                    Some(name) => Some(name),
                    None => return Answer::invalid_params(self.id, "Invalid cursor"),
                }
            }
        };
        Answer::result(self.id, &self.page(after.as_deref()))
    }

    fn page(&self, after: Option<&str>) -> Bytes {
        let (app, endpoint) = (&self.caller.app, &self.caller.endpoint);
        let rest = endpoint.listed_after(after);
        let mut out = BytesMut::with_capacity(16 * 1024);
        out.put_u8(b'{');
        out.put_slice(self.modern_head().as_bytes());
        out.put_slice(b"\"tools\":[");
        let (mut taken, version) = (0, self.client.version());
        for tool in rest.iter().take(app.config.tools_per_page) {
            let json = tool.json(version);
            if taken > 0 && out.len() + json.len() > PAGE_BYTES {
                break;
            }
            if taken > 0 {
                out.put_u8(b',');
            }
            out.put_slice(json);
            taken += 1;
        }
        out.put_u8(b']');
        if taken < rest.len() {
            let last = rest[taken - 1].name.as_bytes();
            let next = cursor::seal(&app.sealer, self.caller.bound(), METHOD, last);
            out.put_slice(b",\"nextCursor\":\"");
            out.put_slice(next.as_bytes());
            out.put_u8(b'"');
        }
        out.put_u8(b'}');
        out.freeze()
    }

    /// What a list of ours begins with for a modern client, with a comma behind.
    fn modern_head(&self) -> String {
        if !self.client.is_modern() {
            return String::new();
        }
        let (ttl_ms, meta) = (self.caller.ttl_ms(), self.caller.endpoint.server.meta());
        // Private: what is listed depends on who asks.
        format!(
            r#""resultType":"complete","ttlMs":{ttl_ms},"cacheScope":"private","_meta":{meta},"#
        )
    }
}
