//! Lists that live upstream: prompts, resources and templates of resources. One upstream's page is
//! a page of an endpoint of one connector; the aggregate takes one connector after the other, in
//! the order of their slugs, and leaves out those that do not answer.

use ::mcp::edge::{self, CacheHints};
use ::mcp::members;
use ::mcp::rename::{Shape, rename};
use bytes::{BufMut, Bytes, BytesMut};
use fabric::{Call, Method, Outcome};
use futures_util::StreamExt;
use futures_util::stream;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::Answer;
use super::client::Client;
use super::cursor;
use super::dressing::{Dressing, kind_of};
use super::flight::Flight;
use super::line::Line;
use super::running::Ended;
use super::tool_list::PAGE_BYTES;
use crate::snapshot::Upstream;

/// Connectors that are asked at once; their pages are used in order.
const AHEAD: usize = 4;
/// Pages of upstreams that one page of ours is made of at most, so that empty ones end.
const PAGES: usize = 32;

/// A list being made.
pub(super) struct LiveList {
    pub(super) dressing: Dressing,
    /// What each upstream is asked, but for the connector and the cursor.
    pub(super) call: Call,
    pub(super) place: Place,
    pub(super) line: Line,
    pub(super) _flight: Flight,
}

/// Where a page begins: at a connector, and at a place of its own list.
pub(super) struct Place {
    pub(super) slug: String,
    pub(super) cursor: Option<String>,
}

/// A page of an upstream.
struct Page {
    /// Raw items with commas between, under the endpoint's names.
    items: Bytes,
    count: usize,
    next: Option<String>,
    ttl_ms: u64,
}

/// A page of ours that grows.
struct Gathered {
    items: BytesMut,
    count: usize,
    pages: usize,
    ttl_ms: u64,
}

impl Place {
    pub(super) fn seal(&self, dressing: &Dressing) -> String {
        let plain = serde_json::to_vec(&(&self.slug, &self.cursor)).expect("plain data");
        let (caller, method) = (&dressing.caller, dressing.method.as_str());
        cursor::seal(&caller.app.sealer, caller.bound(), method, &plain)
    }

    pub(super) fn open(caller: &super::Caller, method: Method, sealed: &str) -> Option<Self> {
        let (sealer, bound) = (&caller.app.sealer, caller.bound());
        let plain = cursor::open(sealer, bound, method.as_str(), sealed)?;
        let (slug, cursor) = serde_json::from_slice(&plain).ok()?;
        Some(Self { slug, cursor })
    }
}

/// Whether an upstream has such a list.
pub(super) fn has(upstream: &Upstream, method: Method) -> bool {
    match method {
        Method::ListPrompts => upstream.prompts,
        _ => upstream.capabilities.resources,
    }
}

/// The member of the result that is the list.
const fn member_of(method: Method) -> &'static str {
    match method {
        Method::ListPrompts => "prompts",
        Method::ListResources => "resources",
        _ => "resourceTemplates",
    }
}

impl LiveList {
    pub(super) async fn run(mut self) -> Ended {
        let mut line = self.line;
        self.line = Line::silent();
        tokio::select! {
            biased;
            () = line.cancelled() => Ended::Cancelled,
            answer = self.page() => Ended::Answer(answer),
        }
    }

    async fn page(&self) -> Answer {
        match self.dressing.caller.endpoint.connector {
            Some(_) => self.of_one().await,
            None => self.of_all().await,
        }
    }

    /// One upstream's page, with its cursor in a cursor of ours.
    async fn of_one(&self) -> Answer {
        let workers = &self.dressing.caller.app.workers;
        let call = self.call_of(0, self.place.cursor.as_deref());
        let outcome = workers.execute(call, None).await;
        match outcome {
            Outcome::Result(result) => {
                let sealed = |cursor: String| {
                    let (slug, cursor) = (self.place.slug.clone(), Some(cursor));
                    Place { slug, cursor }.seal(&self.dressing)
                };
                match with_cursor(&result, sealed) {
                    Ok(result) => self.dressing.answer(Outcome::Result(result)),
                    Err(_) => self
                        .dressing
                        .garbage("The upstream's result cannot be read."),
                }
            }
            outcome => self.dressing.answer(outcome),
        }
    }

    async fn of_all(&self) -> Answer {
        let (endpoint, method) = (&self.dressing.caller.endpoint, self.dressing.method);
        let place = &self.place;
        let behind: Vec<(usize, Option<String>)> = endpoint
            .upstreams()
            .iter()
            .enumerate()
            .filter(|(_, upstream)| has(upstream, method) && *upstream.slug >= *place.slug)
            .map(|(at, upstream)| {
                // A connector that is gone since is passed over.
                let here = *upstream.slug == *place.slug;
                (at, place.cursor.clone().filter(|_| here))
            })
            .collect();
        let first_pages = stream::iter(behind.clone())
            .map(|(at, cursor)| self.fetch(at, cursor))
            .buffered(AHEAD);
        tokio::pin!(first_pages);
        let mut gathered = Gathered {
            items: BytesMut::with_capacity(16 * 1024),
            count: 0,
            pages: 0,
            ttl_ms: self.dressing.caller.ttl_ms(),
        };
        let mut next = None;
        for (number, (at, _)) in behind.iter().enumerate() {
            let mut page = first_pages.next().await.flatten();
            let mut cursor = None;
            while let Some(Page { next: more, .. }) = page.as_ref().map(|page| gathered.add(page)) {
                cursor = more.clone();
                if cursor.is_none() || self.is_full(&gathered) {
                    break;
                }
                page = self.fetch(*at, cursor.take()).await;
            }
            let slug = |at: usize| endpoint.upstreams()[at].slug.as_ref().to_owned();
            if self.is_full(&gathered) {
                next = match (cursor, behind.get(number + 1)) {
                    (Some(cursor), _) => Some((slug(*at), Some(cursor))),
                    (None, Some((at, _))) => Some((slug(*at), None)),
                    (None, None) => None,
                };
                break;
            }
        }
        let next = next.map(|(slug, cursor)| Place { slug, cursor });
        self.written(&gathered, next)
    }

    fn is_full(&self, gathered: &Gathered) -> bool {
        gathered.count >= self.dressing.caller.app.config.tools_per_page
            || gathered.items.len() >= PAGE_BYTES
            || gathered.pages >= PAGES
    }

    /// A page of one of several upstreams; `None` when it has to do without.
    async fn fetch(&self, at: usize, cursor: Option<String>) -> Option<Page> {
        let (app, upstream) = (&self.dressing.caller.app, self.upstream(at));
        let mut call = self.call_of(at, cursor.as_deref());
        call.deadline = app.config.list_timeout;
        let work = app.workers.execute(call, None);
        let problem = match tokio::time::timeout(app.config.list_timeout, work).await {
            Ok(Outcome::Result(result)) => match self.read(&result, upstream) {
                Ok(page) => return Some(page),
                Err(error) => error.to_string(),
            },
            Ok(Outcome::Error(error)) => error.message,
            Ok(Outcome::Failed(failure)) => failure.message,
            Ok(Outcome::InputRequired(_)) => "it asked back".to_owned(),
            Err(_) => "it did not answer in time".to_owned(),
        };
        let method = self.dressing.method.as_str();
        app.metrics.left_out(method);
        tracing::warn!(
            connector.id = %upstream.connector,
            method,
            "left out of a list: {problem}"
        );
        None
    }

    fn upstream(&self, at: usize) -> &Upstream {
        &self.dressing.caller.endpoint.upstreams()[at]
    }

    fn call_of(&self, at: usize, cursor: Option<&str>) -> Call {
        let upstream = self.upstream(at);
        let mut call = self.call.clone();
        (call.connector, call.version) = (upstream.connector, upstream.version);
        if let Some(cursor) = cursor {
            let cursor = serde_json::to_string(cursor).expect("a string is JSON");
            let rest = &call.request.rest;
            let mut out = BytesMut::with_capacity(rest.len() + cursor.len() + 16);
            out.put_slice(rest);
            if !rest.is_empty() {
                out.put_u8(b',');
            }
            out.put_slice(b"\"cursor\":");
            out.put_slice(cursor.as_bytes());
            call.request.rest = out.freeze();
        }
        call
    }

    fn read(&self, result: &Bytes, upstream: &Upstream) -> Result<Page, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Tail {
            #[serde(default)]
            next_cursor: Option<String>,
            #[serde(default)]
            ttl_ms: Option<f64>,
        }
        let list = member_of(self.dressing.method);
        let shape = match self.dressing.method {
            Method::ListPrompts => Shape::PromptList,
            Method::ListResources => Shape::ResourceList,
            _ => Shape::TemplateList,
        };
        let renamed = rename(shape, result, upstream.rename())?;
        let text = std::str::from_utf8(&renamed).map_err(serde::de::Error::custom)?;
        let tail: Tail = serde_json::from_str(text)?;
        let all = members(text)?;
        let missing = || serde::de::Error::custom(format_args!("it has no {list}"));
        let raw = all.iter().find(|(name, _)| name == list);
        let (_, raw) = raw.ok_or_else(missing)?;
        let count = serde_json::from_str::<Vec<&RawValue>>(raw.get())?.len();
        let inside = &raw.get()[1..raw.get().len() - 1];
        let ours = self.dressing.caller.ttl_ms();
        let ttl_ms = tail.ttl_ms.map_or(ours, |ttl| ttl.max(0.0) as u64);
        let next = tail.next_cursor.filter(|next| {
            let fits = next.len() <= cursor::MAX_PLAIN;
            if !fits {
                let slug = &*upstream.slug;
                tracing::warn!(
                    connector = slug,
                    "a list ends early: its cursor is too long"
                );
            }
            fits
        });
        Ok(Page {
            items: renamed.slice_ref(inside.trim().as_bytes()),
            count,
            next,
            ttl_ms,
        })
    }

    fn written(&self, gathered: &Gathered, next: Option<Place>) -> Answer {
        let dressing = &self.dressing;
        let mut out = BytesMut::with_capacity(gathered.items.len() + 256);
        out.put_slice(format!("{{\"{}\":[", member_of(dressing.method)).as_bytes());
        out.put_slice(&gathered.items);
        out.put_u8(b']');
        if let Some(next) = next {
            out.put_slice(b",\"nextCursor\":\"");
            out.put_slice(next.seal(dressing).as_bytes());
            out.put_u8(b'"');
        }
        out.put_u8(b'}');
        let (kind, result) = (kind_of(dressing.method), out.freeze());
        let result = match dressing.client {
            Client::Legacy(_) => result,
            Client::Modern(_) => {
                let hints = Some(CacheHints {
                    ttl_ms: gathered.ttl_ms,
                });
                let info = dressing.caller.endpoint.server.json();
                edge::for_modern(kind, &result, info, hints).expect("an object of ours")
            }
        };
        Answer::result(&dressing.id, &result)
    }
}

impl Gathered {
    fn add<'p>(&mut self, page: &'p Page) -> &'p Page {
        if !page.items.is_empty() {
            if !self.items.is_empty() {
                self.items.put_u8(b',');
            }
            self.items.put_slice(&page.items);
        }
        self.count += page.count;
        self.pages += 1;
        self.ttl_ms = self.ttl_ms.min(page.ttl_ms);
        page
    }
}

/// The result with its cursor replaced; without it when it is no string.
fn with_cursor(
    result: &Bytes,
    sealed: impl Fn(String) -> String,
) -> Result<Bytes, serde_json::Error> {
    let text = std::str::from_utf8(result).map_err(serde::de::Error::custom)?;
    let all = members(text)?;
    if !all.iter().any(|(name, _)| name == "nextCursor") {
        return Ok(result.clone());
    }
    let mut out = BytesMut::with_capacity(text.len() + 256);
    for (name, raw) in &all {
        let value = match (name.as_ref(), serde_json::from_str::<String>(raw.get())) {
            ("nextCursor", Ok(own)) if own.len() <= cursor::MAX_PLAIN => {
                format!("\"{}\"", sealed(own))
            }
            ("nextCursor", _) => continue,
            _ => raw.get().to_owned(),
        };
        out.put_u8(if out.is_empty() { b'{' } else { b',' });
        let name = serde_json::to_string(name).expect("a string is JSON");
        out.put_slice(name.as_bytes());
        out.put_u8(b':');
        out.put_slice(value.as_bytes());
    }
    if out.is_empty() {
        out.put_u8(b'{');
    }
    out.put_u8(b'}');
    Ok(out.freeze())
}
