//! What carries JSON-RPC messages to one MCP server and back. Which revision they follow is the
//! business of the era logic above, the same for every transport.

use std::time::Duration;

use bytes::Bytes;
use egress::Deadline;
use fabric::{BoxFuture, Failure};
use http::{HeaderMap, StatusCode};

use super::demux::Hold;

/// How messages travel, as far as the protocol's rules differ by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Streamable HTTP: an exchange for each message, with headers.
    Http,
    /// One message a line, over a pipe to a process: nothing but the id of a request, and its
    /// progress token, tells to what an incoming message belongs.
    Lines,
    /// HTTP+SSE of 2024-11-05: messages go out by POST, everything comes back on one stream of
    /// events, so that it is read like [`Wire::Lines`]. Always legacy.
    Sse,
}

/// A request on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The request's JSON-RPC id, and its progress token where it has one. Unique for the life of
    /// the transport.
    pub(crate) id: u64,
    /// The whole message. It may hold line breaks between its tokens, as a client wrote them.
    pub(crate) body: Bytes,
    /// All header fields, those of [`Transport::headers`] included; only for [`Wire::Http`].
    pub(crate) headers: HeaderMap,
    /// When to give up on the whole exchange.
    pub(crate) deadline: Deadline,
}

/// Why no exchange came about.
#[derive(Debug)]
pub(crate) enum Rejected {
    Failed(Failure),
    /// HTTP only: an answer with another status than success. What it means depends on the era.
    Status {
        status: StatusCode,
        /// Cut off where it is longer than an error ought to be.
        body: Bytes,
        /// Seconds that the server wants to be left alone.
        retry_after: Option<u64>,
    },
}

impl From<Failure> for Rejected {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// One connection to one MCP server: a URL, or one life of a process. A process that was started
/// again is another transport, since nothing the server had agreed to survives.
pub(crate) trait Transport: Send + Sync {
    fn wire(&self) -> Wire;

    /// Header fields that go with every message; the era logic adds its own to a copy. None for
    /// [`Wire::Lines`].
    fn headers(&self) -> HeaderMap {
        HeaderMap::new()
    }

    /// How long the server may take until it can answer at all; nothing where it runs already.
    fn start_timeout(&self) -> Duration {
        Duration::ZERO
    }

    /// Sends a request. Resolves when it is sent, for HTTP when the answer's header is here.
    fn request(&self, request: Outgoing) -> BoxFuture<'_, Result<Box<dyn Exchange>, Rejected>>;

    /// Sends a notification, or an answer to a request of the server. `headers` as in
    /// [`Outgoing`].
    fn notify(
        &self,
        body: Bytes,
        headers: HeaderMap,
        deadline: Deadline,
    ) -> BoxFuture<'_, Result<(), Failure>>;

    /// What the server says outside any exchange: its requests, and notifications that no progress
    /// token ties to one. Over HTTP this opens the standalone stream (GET), and `headers` are
    /// those of the session; it is taken up again by itself where it breaks. For the other wires
    /// it is what has come since the start, within bounds, and can be had once.
    ///
    /// `None` when the server offers no such thing (405), or somebody has it already.
    fn unsolicited(
        &self,
        headers: HeaderMap,
    ) -> BoxFuture<'_, Result<Option<Box<dyn Exchange>>, Rejected>> {
        drop(headers);
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Resolves when whoever reads [`unsolicited`](Self::unsolicited) has dealt with what came
    /// before now. Only where an answer can overtake it: not over [`Wire::Http`].
    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Whether nothing can be sent any more: the process has ended, or the connection is gone. What
    /// was agreed went with it, and another transport is to be asked for.
    fn is_closed(&self) -> bool {
        false
    }

    /// Nobody needs it any more: a process ends now, not when it has been idle for long.
    fn close(&self) {}

    /// Keeps a process from being idle although no call runs, until what is returned is dropped.
    fn hold(&self) -> Option<Hold> {
        None
    }

    /// Turns to HTTP+SSE of 2024-11-05, because there is no Streamable HTTP here; says whether it
    /// did, and [`wire`](Self::wire) is another from then on.
    fn fall_back(&self) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(false))
    }

    /// Whether the last refusal named another address of the same server, which is used from now
    /// on. Says so once. Only for [`Wire::Http`].
    fn has_moved(&self) -> bool {
        false
    }

    /// Tells the server that the session named in `headers` is over. Only for [`Wire::Http`].
    fn end_session(&self, headers: HeaderMap, deadline: Deadline) -> BoxFuture<'_, ()> {
        drop((headers, deadline));
        Box::pin(std::future::ready(()))
    }
}

/// What comes back for one request: the messages that belong to it, its response the last.
/// Dropping it gives up on the answer; whether the server must be told is the era logic's duty.
pub(crate) trait Exchange: Send {
    /// The next message, whole, as it came; `None` when no more will come. For [`Wire::Lines`] and
    /// [`Wire::Sse`] those are the response with the request's id and progress notifications with
    /// its token; everything else a server says there is [`Transport::unsolicited`].
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Failure>>;

    /// Header fields of the answer; none for [`Wire::Lines`].
    fn headers(&self) -> Option<&HeaderMap> {
        None
    }

    /// Tells that the response has been read. What may still come is of no interest, but a
    /// connection that is read to the end of the answer can be used again.
    fn finish(self: Box<Self>) {}
}
