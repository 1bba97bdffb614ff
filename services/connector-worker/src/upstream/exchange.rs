//! The answer to one POST: one JSON body, or a stream of events that may be taken up again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use egress::{Client, Deadline, EgressError, Response};
use fabric::{BoxFuture, Failure, FailureKind};
use futures_util::FutureExt as _;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};
use http_body_util::Full;
use mcp::sse;
use runtime::Tasks;
use tokio::sync::Semaphore;

use super::Exchange;
use crate::failure::{from_egress, sent};

/// Times that a stream is taken up again without anything having come of it.
const ATTEMPTS: u32 = 5;
/// The pause before that, unless the server names another within the bounds below.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Streams whose end is waited for after their answer has come, of one server.
const RESTS_AT_ONCE: usize = 32;
const REST_WITHIN: Duration = Duration::from_secs(1);
const REST_MAX_BYTES: usize = 64 * 1024;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Events,
}

impl Form {
    /// What the answer's content type says; `None` when it is no form of the protocol.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let essence = value.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            Some(Self::Json)
        } else if essence.eq_ignore_ascii_case("text/event-stream") {
            Some(Self::Events)
        } else {
            None
        }
    }
}

/// How to ask for the rest of a stream that ended before its answer came (2025-03-26 to
/// 2025-11-25, "Resumability and Redelivery").
pub(super) struct Resume {
    pub(super) client: Client,
    pub(super) uri: Uri,
    /// Those of the request whose answer the stream is.
    pub(super) headers: HeaderMap,
    pub(super) deadline: Deadline,
}

impl Resume {
    async fn after(&self, event: &str) -> Result<Response, EgressError> {
        let mut request = Request::get(self.uri.clone())
            .body(Full::new(Bytes::new()))
            .map_err(|_| EgressError::Url("it cannot be sent over HTTP"))?;
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.remove(CONTENT_TYPE);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Ok(event) = HeaderValue::from_str(event) {
            headers.insert(LAST_EVENT_ID, event);
        }
        self.client.send(request, self.deadline).await
    }
}

/// Reads what is left of answers whose message has come, within small bounds, so that their
/// connections can be used again. Cheap to clone.
#[derive(Clone)]
pub(super) struct Rests {
    tasks: Tasks,
    at_once: Arc<Semaphore>,
}

impl Rests {
    pub(super) fn new(tasks: Tasks) -> Self {
        Self {
            tasks,
            at_once: Arc::new(Semaphore::new(RESTS_AT_ONCE)),
        }
    }

    fn read(self, mut response: Response) {
        // Mostly the end has come together with the message.
        if let Some(Ok(None) | Err(_)) = response.chunk().now_or_never() {
            return;
        }
        let Ok(permit) = self.at_once.try_acquire_owned() else {
            return;
        };
        self.tasks
            .disposable("read the rest of an upstream's answer", async move {
                let _ = tokio::time::timeout(REST_WITHIN, response.collect(REST_MAX_BYTES)).await;
                drop(permit);
                Ok(())
            });
    }
}

/// The answer to one POST.
pub(super) struct HttpExchange {
    headers: HeaderMap,
    body: Body,
}

#[expect(
    clippy::large_enum_variant,
    reason = "most are JSON, and a box for them costs each call"
)]
enum Body {
    Json {
        response: Response,
        max_bytes: usize,
    },
    Events(Box<EventStream>),
    Done,
}

impl HttpExchange {
    pub(super) fn json(mut response: Response, max_bytes: usize) -> Self {
        let headers = response.take_headers();
        Self {
            headers,
            body: Body::Json {
                response,
                max_bytes,
            },
        }
    }

    /// `resume` is absent where the protocol knows no such thing.
    pub(super) fn events(
        mut response: Response,
        max_bytes: usize,
        resume: Option<Resume>,
        rests: Rests,
    ) -> Self {
        let headers = response.take_headers();
        let stream = EventStream {
            response,
            decoder: sse::Decoder::new(max_bytes),
            ready: VecDeque::new(),
            resume,
            rests,
            last_event: None,
            pause: PAUSE,
            attempts: 0,
            max_bytes,
        };
        Self {
            headers,
            body: Body::Events(Box::new(stream)),
        }
    }

    async fn next_message(&mut self) -> Result<Option<Bytes>, Failure> {
        match &mut self.body {
            Body::Done => Ok(None),
            Body::Events(stream) => stream.next_message().await,
            Body::Json { .. } => match std::mem::replace(&mut self.body, Body::Done) {
                Body::Json {
                    response,
                    max_bytes,
                } => {
                    let whole = response.collect(max_bytes).await;
                    whole.map(Some).map_err(|error| from_egress(&error))
                }
                _ => Ok(None),
            },
        }
    }
}

impl Exchange for HttpExchange {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Failure>> {
        Box::pin(self.next_message())
    }

    fn headers(&self) -> Option<&HeaderMap> {
        Some(&self.headers)
    }

    fn finish(self: Box<Self>) {
        if let Body::Events(stream) = self.body {
            stream.rests.read(stream.response);
        }
    }
}

struct EventStream {
    response: Response,
    decoder: sse::Decoder,
    /// Messages that came in one piece with others.
    ready: VecDeque<Bytes>,
    resume: Option<Resume>,
    rests: Rests,
    last_event: Option<String>,
    pause: Duration,
    attempts: u32,
    max_bytes: usize,
}

impl EventStream {
    async fn next_message(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(message));
            }
            let end = match self.response.chunk().await {
                Ok(Some(chunk)) => {
                    self.feed(&chunk)?;
                    continue;
                }
                Ok(None) => Ok(None),
                Err(error @ EgressError::Died { .. }) => Err(from_egress(&error)),
                Err(error) => return Err(from_egress(&error)),
            };
            if !self.take_up_again().await {
                return end;
            }
        }
    }

    fn feed(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        let Self {
            decoder,
            ready,
            last_event,
            pause,
            attempts,
            max_bytes,
            ..
        } = self;
        let take = |event: sse::Event| {
            *attempts = 0;
            if let Some(millis) = event.retry {
                *pause = Duration::from_millis(millis).clamp(PAUSE_MIN, PAUSE_MAX);
            }
            let is_message = event.name.is_empty() || event.name == "message";
            // An event that only sets an id, or wakes the connection, carries nothing.
            if is_message && !event.data.is_empty() {
                ready.push_back(Bytes::from(event.data));
            }
            if let Some(id) = event.id {
                *last_event = (!id.is_empty()).then_some(id);
            }
        };
        decoder.feed(chunk, take).map_err(|_| {
            sent(
                FailureKind::TooLarge,
                format!("the answer is larger than {max_bytes} bytes"),
            )
        })
    }

    /// Asks for what comes after the last event; tells whether the stream goes on.
    async fn take_up_again(&mut self) -> bool {
        let (Some(resume), Some(event)) = (&self.resume, &self.last_event) else {
            return false;
        };
        while self.attempts < ATTEMPTS {
            self.attempts += 1;
            tokio::time::sleep(self.pause).await;
            match resume.after(event).await {
                Ok(mut response) if response.status() == StatusCode::OK => {
                    if Form::of(&response.take_headers()) != Some(Form::Events) {
                        return false;
                    }
                    self.response = response;
                    self.decoder = sse::Decoder::new(self.max_bytes);
                    return true;
                }
                // A server that offers no such thing, or has forgotten the stream.
                Ok(_) => return false,
                Err(error) => tracing::debug!("could not take up an event stream: {error}"),
            }
        }
        false
    }
}
