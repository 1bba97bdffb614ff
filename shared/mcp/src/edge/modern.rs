//! Results for modern clients.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Kind;
use crate::edit::{Edits, member, string};
use crate::meta::keys;
use crate::object::{Members, Split, members};

/// How long a client may keep what a gateway serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheHints {
    /// Milliseconds; 0: not at all.
    pub ttl_ms: u64,
}

/// Which server a result is from, as JSON of its `serverInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerInfo<'a> {
    /// Unless the upstream named itself.
    Default(&'a str),
    /// Whatever the upstream named: it is one of several behind one name.
    Always(&'a str),
}

impl<'a> From<&'a str> for ServerInfo<'a> {
    fn from(json: &'a str) -> Self {
        Self::Default(json)
    }
}

impl<'a> ServerInfo<'a> {
    pub(crate) const fn json(self) -> &'a str {
        match self {
            Self::Default(json) | Self::Always(json) => json,
        }
    }

    pub(crate) const fn is_always(self) -> bool {
        matches!(self, Self::Always(_))
    }
}

/// Adds what a modern client demands of every result: `resultType` (MUST) and
/// `_meta.serverInfo` (SHOULD), unless the upstream said them. The rest stays byte for byte.
///
/// # Errors
/// `result` is no JSON object.
pub fn complete_for_modern<'a>(
    result: &Bytes,
    server: impl Into<ServerInfo<'a>>,
) -> Result<Bytes, serde_json::Error> {
    for_modern(Kind::Other, result, server, None)
}

/// Does the same, and to complete results of the cacheable kinds gives `ttlMs`, at most the
/// upstream's own, and `cacheScope`, always `private`: what passes a gateway depends on who asks.
/// Without `cache`, or when the upstream's value makes no sense, nothing may be kept.
///
/// # Errors
/// `result` is no JSON object.
pub fn for_modern<'a>(
    kind: Kind,
    result: &Bytes,
    server: impl Into<ServerInfo<'a>>,
    cache: Option<CacheHints>,
) -> Result<Bytes, serde_json::Error> {
    Ok(split_for_modern(kind, &Split::of(result)?, server, cache))
}

/// Does the same to a result that has been split already.
pub fn split_for_modern<'a>(
    kind: Kind,
    result: &Split<'_>,
    server: impl Into<ServerInfo<'a>>,
    cache: Option<CacheHints>,
) -> Bytes {
    edited(kind, result, server.into(), cache)
}

fn edited(
    kind: Kind,
    result: &Split<'_>,
    server: ServerInfo<'_>,
    cache: Option<CacheHints>,
) -> Bytes {
    let (text, all) = (result.text(), result.members());
    let mut edits = Edits::new(text);
    let mut front = Vec::new();

    let result_type = member(all, "resultType");
    let is_complete = result_type.is_none_or(|raw| raw.get() == r#""complete""#);
    if result_type.is_none() {
        front.push(r#""resultType":"complete""#.to_owned());
    }
    if kind.is_cacheable() && is_complete {
        add_cache_hints(
            &mut edits,
            &mut front,
            all,
            cache.map_or(0, |hints| hints.ttl_ms),
        );
    }
    let info = format!("\"{}\":{}", keys::SERVER_INFO, server.json());
    match member(all, "_meta") {
        None => front.push(format!("\"_meta\":{{{info}}}")),
        Some(raw) => {
            let names = |name: &str, _: &RawValue| name == keys::SERVER_INFO;
            if let Ok(meta) = members(raw.get())
                && (server.is_always() || member(&meta, keys::SERVER_INFO).is_none())
            {
                edits.reshape(raw.get(), &meta, info, names);
            }
        }
    }
    edits.reshape(object(text), all, front.join(","), |_, _| false);
    edits.apply_to(result.whole())
}

fn add_cache_hints(edits: &mut Edits<'_>, front: &mut Vec<String>, all: &Members<'_>, ttl_ms: u64) {
    let named = |name| {
        all.iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, raw)| *raw)
    };
    for raw in named("ttlMs") {
        match milliseconds(raw) {
            Some(theirs) if theirs <= ttl_ms => {}
            Some(_) => edits.replace(raw.get(), ttl_ms.to_string()),
            None => edits.replace(raw.get(), "0".to_owned()),
        }
    }
    if named("ttlMs").next().is_none() {
        front.push(format!("\"ttlMs\":{ttl_ms}"));
    }
    for raw in named("cacheScope") {
        if string(raw.get()).as_deref() != Some("private") {
            edits.replace(raw.get(), r#""private""#.to_owned());
        }
    }
    if named("cacheScope").next().is_none() {
        front.push(r#""cacheScope":"private""#.to_owned());
    }
}

/// A number of at least 0, in whole milliseconds.
fn milliseconds(raw: &RawValue) -> Option<u64> {
    let number: f64 = raw.get().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number as u64)
}

/// The text of an object without what stands in front of it.
pub(super) fn object(text: &str) -> &str {
    text.trim_start()
}
