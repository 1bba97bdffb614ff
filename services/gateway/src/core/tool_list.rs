//! `tools/list`: pages of raw definitions, from the configuration.

use ::mcp::Params;
use ::mcp::edge::{self, CacheHints, Kind};
use bytes::{BufMut, Bytes, BytesMut};

use super::answer::Answer;
use super::client::Client;
use super::cursor;
use super::dispatch::Exchange;
use crate::snapshot::{Listed, Place};

/// Bytes after which a page ends whatever its number of items.
pub(super) const PAGE_BYTES: usize = 1024 * 1024;
pub(super) const METHOD: &str = "tools/list";

impl Exchange<'_> {
    /// One page of the endpoint's tools. Its cursor names its last tool: the next page goes on
    /// behind it also when tools came or went meanwhile, or the order is another. Where the tool
    /// itself went, it goes on at its place.
    pub(super) fn list_tools(&self, params: &Params<'_>) -> Answer {
        let (sealer, bound) = (&self.caller.app.sealer, self.caller.bound());
        let start = match params.cursor.as_deref() {
            None => (0, 0),
            Some(text) => {
                let opened = cursor::open(sealer, bound, METHOD, text);
                match opened.and_then(|plain| self.behind(&plain)) {
                    Some(place) => place,
                    None => return Answer::invalid_params(self.id, "Invalid cursor"),
                }
            }
        };
        Answer::result(self.id, &self.page(start))
    }

    /// What a cursor says: the number of the tool in its upstream's list, that upstream's slug,
    /// and the tool's name.
    fn cursor(&self, last: &Listed) -> String {
        let (upstream, number) = last.place;
        let slug = &self.caller.endpoint.upstreams()[upstream].slug;
        let plain = format!("{number}/{slug}/{}", last.name);
        let (sealer, bound) = (&self.caller.app.sealer, self.caller.bound());
        cursor::seal(sealer, bound, METHOD, plain.as_bytes())
    }

    /// Where the page of a cursor begins.
    fn behind(&self, plain: &[u8]) -> Option<Place> {
        let mut parts = std::str::from_utf8(plain).ok()?.splitn(3, '/');
        let number: usize = parts.next()?.parse().ok()?;
        let (slug, name) = (parts.next()?, parts.next()?);
        let endpoint = &self.caller.endpoint;
        if let Some(tool) = endpoint.tool(name) {
            return Some((tool.place.0, tool.place.1 + 1));
        }
        let mut upstreams = endpoint.upstreams().iter();
        let found = upstreams.position(|upstream| &*upstream.slug >= slug);
        Some(match found {
            Some(at) if &*endpoint.upstreams()[at].slug == slug => (at, number),
            Some(at) => (at, 0),
            None => (usize::MAX, 0),
        })
    }

    fn page(&self, start: Place) -> Bytes {
        let (app, endpoint) = (&self.caller.app, &self.caller.endpoint);
        let rest = endpoint.listed_from(start);
        let mut out = BytesMut::with_capacity(16 * 1024);
        let frame = endpoint.tool_list();
        if frame.is_none() {
            out.put_u8(b'{');
            out.put_slice(self.modern_head().as_bytes());
            out.put_slice(b"\"tools\":[");
        }
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
        let next = (taken < rest.len()).then(|| self.cursor(&rest[taken - 1]));
        if let Some(frame) = frame {
            return self.framed(frame, &out, next.as_deref());
        }
        out.put_u8(b']');
        if let Some(next) = next {
            out.put_slice(b",\"nextCursor\":\"");
            out.put_slice(next.as_bytes());
            out.put_u8(b'"');
        }
        out.put_u8(b'}');
        out.freeze()
    }

    /// A page within what the upstream's own list says around its tools.
    fn framed(&self, frame: &Bytes, tools: &[u8], next: Option<&str>) -> Bytes {
        let server = self.caller.endpoint.server.json();
        let dressed = match &self.client {
            Client::Modern(_) => {
                let ttl_ms = self.caller.ttl_ms();
                let hints = Some(CacheHints { ttl_ms });
                edge::for_modern(Kind::ListTools, frame, server, hints)
            }
            Client::Legacy(_) => edge::strip_for_legacy(frame),
        };
        let whole = dressed.and_then(|frame| edge::with_tools(&frame, tools, next));
        whole.expect("it was read as an object with tools")
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
