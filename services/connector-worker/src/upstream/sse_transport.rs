//! HTTP+SSE of 2024-11-05: one stream of events from the server, whose first names where messages
//! are posted to. The stream is the session: when it ends, everything agreed on it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use egress::Deadline;
use fabric::{BoxFuture, Failure, FailureKind};
use http::{StatusCode, Uri};
use mcp::sse;
use runtime::Tasks;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use url::Url;

use super::demux::{Demux, WaitingCall};
use super::events::{Events, message_in};
use super::exchange::Form;
use super::http::HttpTransport;
use super::incoming::Incoming;
use super::{Exchange, Outgoing, Rejected};
use crate::failure::{sent, unsent};

/// How long a server may take to name where messages go, and events before that.
const ENDPOINT_WITHIN: Duration = Duration::from_secs(10);
const ENDPOINT_AMONG: usize = 16;
/// How long one stream is read at most.
const LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Calls in a row that ran out of time while the stream was silent: it is dead then, however open
/// it looks.
const SILENT_CALLS: u32 = 3;
/// Answers to pings on their way; more are dropped.
const REPLIES_AT_ONCE: usize = 8;
const REPLY_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of an answer to a message, which says nothing.
const ACCEPTED_MAX_BYTES: usize = 64 * 1024;

/// One stream, from its beginning to its end.
pub(super) struct SseConnection {
    http: Arc<HttpTransport>,
    /// Where messages are posted to.
    messages: Uri,
    demux: Arc<Demux>,
    silent: Arc<AtomicU32>,
    reader: AbortHandle,
}

impl Drop for SseConnection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl SseConnection {
    /// Opens a stream at the address of `http`.
    ///
    /// # Errors
    /// The server refuses; offers no event stream; or does not name, in time, a place on itself
    /// where messages go.
    pub(super) async fn open(
        http: &Arc<HttpTransport>,
        tasks: &Tasks,
        deadline: Deadline,
    ) -> Result<Self, Rejected> {
        let opening = async {
            let source = http.source(http.base_headers().clone());
            let answer = source.open(None, Deadline::after(LIFE)).await;
            let answer = answer.map_err(|error| crate::failure::from_egress(&error))?;
            if !answer.status().is_success() {
                return Err(http.refusal(answer).await);
            }
            if Form::of(answer.headers()) != Some(Form::Events) {
                return Err(no_stream("it answers GET with something else").into());
            }
            let mut events = Events::new(answer, http.max_bytes());
            let messages = endpoint(&mut events, &source.uri).await?;
            Ok((events, messages))
        };
        let until = deadline.within(ENDPOINT_WITHIN).instant();
        let opened = tokio::time::timeout_at(until, opening).await;
        let (events, messages) = opened.unwrap_or_else(|_| {
            let failure = unsent(
                FailureKind::Timeout,
                "the MCP server did not open its event stream in time",
            );
            Err(failure.into())
        })?;
        let (demux, silent) = (Demux::new(), Arc::new(AtomicU32::new(0)));
        let reader = Reader {
            events,
            demux: demux.clone(),
            silent: silent.clone(),
            replies: Replies {
                http: http.clone(),
                messages: messages.clone(),
                tasks: tasks.clone(),
                at_once: Arc::new(Semaphore::new(REPLIES_AT_ONCE)),
            },
        };
        Ok(Self {
            http: http.clone(),
            messages,
            demux,
            silent,
            reader: tasks.joinable(reader.run()).abort_handle(),
        })
    }

    pub(super) async fn request(&self, request: Outgoing) -> Result<Box<dyn Exchange>, Rejected> {
        let waiting = self.demux.begin(request.id)?;
        self.post(request.body, request.deadline).await?;
        Ok(Box::new(Bounded {
            waiting,
            deadline: request.deadline,
            demux: self.demux.clone(),
            silent: self.silent.clone(),
        }))
    }

    pub(super) async fn notify(&self, body: Bytes, deadline: Deadline) -> Result<(), Failure> {
        match self.post(body, deadline).await {
            Ok(()) => Ok(()),
            Err(Rejected::Failed(failure)) => Err(failure),
            Err(Rejected::Status { status, .. }) => Err(sent(
                FailureKind::Garbage,
                format!("the MCP server refused a message: {status}"),
            )),
        }
    }

    async fn post(&self, body: Bytes, deadline: Deadline) -> Result<(), Rejected> {
        if self.is_closed() {
            return Err(ended().into());
        }
        let posting = self.http.post_to(self.messages.clone(), body, deadline);
        let answer = posting.await?;
        let status = answer.status();
        if status.is_success() {
            // Read to its end, so that the connection can be used again.
            let _ = answer.collect(ACCEPTED_MAX_BYTES).await;
            return Ok(());
        }
        if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            // The server knows nothing of this stream any more, whatever it looks like here.
            self.demux.close(ended());
            self.demux.fail_all(&sent(FailureKind::Died, CLOSED));
            return Err(ended().into());
        }
        Err(self.http.refusal(answer).await)
    }

    /// Resolves when what belongs to no request has been dealt with.
    pub(super) async fn settled(&self) {
        self.demux.settled().await;
    }

    /// What belongs to no call; `None` while somebody has it.
    pub(super) fn strays(&self) -> Option<Box<dyn Exchange>> {
        self.demux.strays()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.demux.is_closed()
    }
}

const CLOSED: &str = "the MCP server closed its event stream";

/// What a message gets that comes too late.
fn ended() -> Failure {
    unsent(FailureKind::Died, CLOSED)
}

fn no_stream(why: &str) -> Failure {
    unsent(
        FailureKind::Garbage,
        format!("the MCP server offers no event stream that can be used: {why}"),
    )
}

/// Reads to the event that says where messages go.
async fn endpoint(events: &mut Events, here: &Uri) -> Result<Uri, Failure> {
    for _ in 0..ENDPOINT_AMONG {
        match events.next().await? {
            Some(event) if event.name == "endpoint" => {
                return resolve(here, &event)
                    .ok_or_else(|| no_stream("it names no place on itself for messages"));
            }
            Some(_) => {}
            None => return Err(no_stream("it ends before it says where messages go")),
        }
    }
    Err(no_stream("it does not say where messages go"))
}

/// The address that an `endpoint` event names, if that is on the same server: neither calls nor
/// credentials are meant for another.
fn resolve(here: &Uri, event: &sse::Event) -> Option<Uri> {
    let here = Url::parse(&here.to_string()).ok()?;
    let named = std::str::from_utf8(&event.data).ok()?.trim();
    let mut there = here.join(named).ok()?;
    there.set_fragment(None);
    let account = !there.username().is_empty() || there.password().is_some();
    let same_server = there.origin() == here.origin() && !account && !named.is_empty();
    same_server.then(|| Uri::try_from(there.as_str()).ok())?
}

/// Reads one stream to its end.
struct Reader {
    events: Events,
    demux: Arc<Demux>,
    silent: Arc<AtomicU32>,
    replies: Replies,
}

impl Reader {
    async fn run(mut self) {
        let end = loop {
            match self.events.next().await {
                Ok(Some(event)) => self.take(event),
                Ok(None) => break sent(FailureKind::Died, CLOSED),
                Err(broken) => break broken.into(),
            }
        };
        tracing::debug!("an upstream's event stream ended: {end}");
        self.demux.close(ended());
        self.demux.fail_all(&end);
    }

    fn take(&self, event: sse::Event) {
        self.silent.store(0, Ordering::Relaxed);
        let Some(text) = message_in(event) else {
            return;
        };
        let incoming = Incoming::take(&text, &self.demux, "the MCP server");
        if !incoming.strays.is_empty() {
            tracing::debug!("an upstream's event stream brought something that is no message");
        }
        for reply in incoming.replies {
            self.replies.send(reply);
        }
    }
}

/// Sends what a server's stream wants answered at once.
struct Replies {
    http: Arc<HttpTransport>,
    messages: Uri,
    tasks: Tasks,
    at_once: Arc<Semaphore>,
}

impl Replies {
    fn send(&self, reply: Bytes) {
        let Ok(permit) = self.at_once.clone().try_acquire_owned() else {
            return;
        };
        let (http, uri) = (self.http.clone(), self.messages.clone());
        self.tasks
            .disposable("answer an upstream's ping", async move {
                let answer = http
                    .post_to(uri, reply, Deadline::after(REPLY_WITHIN))
                    .await;
                match answer {
                    Ok(answer) => drop(answer.collect(ACCEPTED_MAX_BYTES).await),
                    Err(failure) => tracing::debug!("could not answer a ping: {failure}"),
                }
                drop(permit);
                Ok(())
            });
    }
}

/// A call that waits until its deadline.
struct Bounded {
    waiting: WaitingCall,
    deadline: Deadline,
    demux: Arc<Demux>,
    silent: Arc<AtomicU32>,
}

impl Bounded {
    fn timed_out(&self) -> Failure {
        if self.silent.fetch_add(1, Ordering::Relaxed) + 1 >= SILENT_CALLS {
            self.demux.close(ended());
            self.demux.fail_all(&sent(FailureKind::Died, CLOSED));
        }
        sent(
            FailureKind::Timeout,
            "the MCP server did not answer in time",
        )
    }
}

impl Exchange for Bounded {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Failure>> {
        Box::pin(async move {
            match tokio::time::timeout_at(self.deadline.instant(), self.waiting.next()).await {
                Ok(next) => next,
                Err(_) => Err(self.timed_out()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(named: &str) -> Option<String> {
        let here = Uri::from_static("https://mcp.example:8443/a/sse?tenant=1");
        let event = sse::Event {
            name: "endpoint".to_owned(),
            data: named.as_bytes().to_vec(),
            ..sse::Event::default()
        };
        resolve(&here, &event).map(|uri| uri.to_string())
    }

    #[test]
    fn messages_go_to_the_same_server_only() {
        let on_it = [
            ("/messages?id=1", "/messages?id=1"),
            ("messages/2#x", "/a/messages/2"),
            ("?s=3", "/a/sse?s=3"),
            ("https://MCP.example:8443/m", "/m"),
        ];
        for (named, path) in on_it {
            let expected = format!("https://mcp.example:8443{path}");
            assert_eq!(resolved(named).as_deref(), Some(&*expected), "{named}");
        }
        for elsewhere in [
            "https://mcp.example/m",
            "http://mcp.example:8443/m",
            "//other.example/m",
            "https://user:pass@mcp.example:8443/m",
            "https://mcp.example:8443@other.example/m",
            "file:///etc/passwd",
            "",
        ] {
            assert_eq!(resolved(elsewhere), None, "{elsewhere}");
        }
    }
}
