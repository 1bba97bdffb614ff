//! Streams of events as a client reads them, with their ids.

use std::collections::VecDeque;

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::rig::Rig;

pub(crate) const ACME: &str = "/api/v1/acme/mcp";

/// A response whose events are read one by one.
pub(crate) struct Stream {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Body,
    decoder: mcp::sse::Decoder,
    read: VecDeque<Event>,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<u64>,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|_| panic!("no message: {self:?}"))
    }
}

impl Stream {
    /// Sends a request, and returns when its head is answered.
    pub(crate) async fn open(rig: &Rig, request: Request<Body>) -> Self {
        let response = rig.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
            decoder: mcp::sse::Decoder::new(1 << 24),
            read: VecDeque::new(),
        }
    }

    /// The next event; `None` at the end.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Some(event);
            }
            let frame = self.body.frame().await?.unwrap();
            let read = &mut self.read;
            let found = |event: mcp::sse::Event| {
                read.push_back(Event {
                    name: event.name,
                    id: event.id,
                    retry: event.retry,
                    data: String::from_utf8(event.data).unwrap(),
                });
            };
            self.decoder.feed(frame.data_ref().unwrap(), found).unwrap();
        }
    }

    /// The next event that has a message.
    pub(crate) async fn message(&mut self) -> Option<Event> {
        loop {
            let event = self.event().await?;
            if !event.data.is_empty() {
                return Some(event);
            }
        }
    }

    /// Forgets the events that have arrived with others and were not looked at.
    pub(crate) fn forget(&mut self) {
        self.read.clear();
    }

    /// All events to the end.
    pub(crate) async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.event().await {
            events.push(event);
        }
        events
    }
}

/// A GET of a legacy session.
pub(crate) fn get(rig: &Rig, session: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(ACME)
        .header("authorization", format!("Bearer {}", rig.keys[0]))
        .header("accept", "text/event-stream")
        .header("mcp-session-id", session);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

/// A GET that goes on behind an event.
pub(crate) fn resume(rig: &Rig, session: &str, id: &str) -> Request<Body> {
    get(rig, session, &[("last-event-id", id)])
}

/// A call of a legacy session that wants progress.
pub(crate) fn call(rig: &Rig, session: &str, tool: &str) -> Request<Body> {
    let params = json!({"name": tool, "_meta": {"progressToken": "t"}});
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
    rig.message(ACME, session, body)
}

/// A session of a client of `version` without capabilities.
pub(crate) async fn session(rig: &Rig, version: &str) -> String {
    rig.session_as(ACME, version, json!({})).await
}
