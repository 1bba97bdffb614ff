//! Reading a stream of server-sent events, as HTTP answers carry it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use egress::{Client, Deadline, EgressError, Response};
use fabric::{Failure, FailureKind};
use http::{HeaderMap, Request, Uri};
use http_body_util::Full;
use mcp::sse;

use super::bearer::Bearer;
use super::headers::stream_headers;
use crate::failure::{from_egress, sent};

/// The pause before a stream is taken up again, unless the server names another within the bounds.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MIN: Duration = Duration::from_millis(50);
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Where a stream of events is asked for.
pub(super) struct Source {
    pub(super) client: Client,
    pub(super) uri: Uri,
    /// Those of a message to the same server.
    pub(super) headers: HeaderMap,
    pub(super) bearer: Arc<Bearer>,
}

impl Source {
    /// Asks for the stream, or for what of it comes after an event. The answer's body is bound by
    /// the deadline too.
    pub(super) async fn open(
        &self,
        last_event: Option<&str>,
        deadline: Deadline,
    ) -> Result<Response, EgressError> {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = stream_headers(self.headers.clone(), last_event);
        let token = self.bearer.sign(request.headers_mut());
        let answer = self.client.send(request, deadline).await?;
        self.bearer.note(token, &answer);
        Ok(answer)
    }
}

/// Why no further event can be read.
#[derive(Debug)]
pub(super) enum Broken {
    Egress(EgressError),
    /// An event is larger than this.
    TooLarge(usize),
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Egress(error) => from_egress(&error),
            Broken::TooLarge(max) => sent(
                FailureKind::TooLarge,
                format!("the answer is larger than {max} bytes"),
            ),
        }
    }
}

/// The events of one answer.
pub(super) struct Events {
    response: Response,
    decoder: sse::Decoder,
    /// Events that came in one piece with others.
    ready: VecDeque<sse::Event>,
    max_bytes: usize,
}

impl Events {
    /// Reads the body of `response`; an event of more than `max_bytes` breaks it.
    pub(super) fn new(response: Response, max_bytes: usize) -> Self {
        Self {
            response,
            decoder: sse::Decoder::new(max_bytes),
            ready: VecDeque::new(),
            max_bytes,
        }
    }

    /// The next event; `None` where the answer ends.
    pub(super) async fn next(&mut self) -> Result<Option<sse::Event>, Broken> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(chunk) = self.response.chunk().await.map_err(Broken::Egress)? else {
                return Ok(None);
            };
            let Self { decoder, ready, .. } = self;
            decoder
                .feed(&chunk, |event| ready.push_back(event))
                .map_err(|_| Broken::TooLarge(self.max_bytes))?;
        }
    }

    /// What has not been read.
    pub(super) fn into_response(self) -> Response {
        self.response
    }
}

/// The message in an event, if it carries one: some only set an id, or wake the connection.
pub(super) fn message_in(event: sse::Event) -> Option<Bytes> {
    let is_message = event.name.is_empty() || event.name == "message";
    (is_message && !event.data.is_empty()).then(|| Bytes::from(event.data))
}

/// Where a stream stands, for taking it up again.
#[derive(Debug)]
pub(super) struct Place {
    /// The id of the last event that had one.
    pub(super) last_event: Option<String>,
    /// What the server wants us to wait before.
    pub(super) pause: Duration,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            last_event: None,
            pause: PAUSE,
        }
    }
}

impl Place {
    pub(super) fn note(&mut self, event: &sse::Event) {
        if let Some(millis) = event.retry {
            self.pause = Duration::from_millis(millis).clamp(PAUSE_MIN, PAUSE_MAX);
        }
        if let Some(id) = &event.id {
            self.last_event = Some(id.clone()).filter(|id| !id.is_empty());
        }
    }
}
