//! The answer to one POST: one JSON body, or a stream of events that may be taken up again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use egress::{Deadline, EgressError, Response};
use fabric::{BoxFuture, Failure};
use futures_util::FutureExt as _;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use runtime::Tasks;
use tokio::sync::Semaphore;

use super::Exchange;
use super::events::{Broken, Events, Place, Source, message_in};
use crate::failure::from_egress;

/// Times that a stream is taken up again without anything having come of it.
const ATTEMPTS: u32 = 5;

/// Streams whose end is waited for after their answer has come, of one server.
const RESTS_AT_ONCE: usize = 32;
const REST_WITHIN: Duration = Duration::from_secs(1);
const REST_MAX_BYTES: usize = 64 * 1024;

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
    pub(super) source: Source,
    pub(super) deadline: Deadline,
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
            events: Events::new(response, max_bytes),
            resume,
            rests,
            place: Place::default(),
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
            stream.rests.read(stream.events.into_response());
        }
    }
}

struct EventStream {
    events: Events,
    resume: Option<Resume>,
    rests: Rests,
    place: Place,
    attempts: u32,
    max_bytes: usize,
}

impl EventStream {
    async fn next_message(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let end = match self.events.next().await {
                Ok(Some(event)) => {
                    self.attempts = 0;
                    self.place.note(&event);
                    match message_in(event) {
                        Some(message) => return Ok(Some(message)),
                        None => continue,
                    }
                }
                Ok(None) => Ok(None),
                Err(Broken::Egress(error @ EgressError::Died { .. })) => Err(from_egress(&error)),
                Err(broken) => return Err(broken.into()),
            };
            if !self.take_up_again().await {
                return end;
            }
        }
    }

    /// Asks for what comes after the last event; tells whether the stream goes on.
    async fn take_up_again(&mut self) -> bool {
        let (Some(resume), Some(event)) = (&self.resume, &self.place.last_event) else {
            return false;
        };
        while self.attempts < ATTEMPTS {
            self.attempts += 1;
            tokio::time::sleep(self.place.pause).await;
            match resume.source.open(Some(event), resume.deadline).await {
                Ok(response) if response.status() == StatusCode::OK => {
                    if Form::of(response.headers()) != Some(Form::Events) {
                        return false;
                    }
                    self.events = Events::new(response, self.max_bytes);
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
