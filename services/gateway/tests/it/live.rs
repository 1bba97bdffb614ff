//! Responses that are read while they come.

use axum::body::Body;
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::rig::Rig;

/// A response that is read while it comes.
pub(crate) struct Live {
    pub(crate) status: StatusCode,
    body: Body,
    decoder: mcp::sse::Decoder,
    ready: std::collections::VecDeque<Value>,
}

impl Live {
    /// The next message; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let frame = self.body.frame().await?.unwrap();
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let ready = &mut self.ready;
            let found = |event: mcp::sse::Event| {
                // A priming event has no data.
                if !event.data.is_empty() {
                    ready.push_back(serde_json::from_slice(&event.data).unwrap());
                }
            };
            self.decoder.feed(&data, found).unwrap();
        }
    }
}

impl Rig {
    /// Sends a request, and reads its answer bit by bit.
    pub(crate) async fn open(&self, request: http::Request<Body>) -> Live {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Live {
            status: parts.status,
            body,
            decoder: mcp::sse::Decoder::new(1 << 24),
            ready: std::collections::VecDeque::new(),
        }
    }
}
