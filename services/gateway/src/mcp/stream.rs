//! An answer as server-sent events: what happens in mid-call, then the answer, then the end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::mcp::sse;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use http_body::Frame;
use prometheus_client::metrics::gauge::Gauge;

use super::call::{Running, Step};
use crate::metrics::End;

/// A response body that tells a call's story. One event is in memory at a time: who reads slowly
/// holds back the call, and nothing else.
pub(crate) struct CallStream {
    next: Option<BoxFuture<'static, (Bytes, Option<State>)>>,
    _open: Open,
}

/// What the stream goes on with.
pub(crate) struct State {
    pub(crate) running: Box<Running>,
    pub(crate) keep_alive: Duration,
    /// Told how the call ended.
    pub(crate) ended: Box<dyn FnOnce(End) + Send>,
}

/// Counts a stream for as long as it is open.
struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl CallStream {
    /// A stream that begins with `first`, when something has happened already, else with a
    /// comment, so that the client gets its headers at once.
    pub(crate) fn new(first: Option<Step>, state: State, open: Gauge) -> Self {
        open.inc();
        let begin = async move {
            match first {
                Some(step) => tell(state, step),
                None => (Bytes::from_static(sse::KEEP_ALIVE), Some(state)),
            }
        };
        Self {
            next: Some(Box::pin(begin)),
            _open: Open(open),
        }
    }
}

async fn advance(mut state: State) -> (Bytes, Option<State>) {
    match tokio::time::timeout(state.keep_alive, state.running.step()).await {
        Err(_) => (Bytes::from_static(sse::KEEP_ALIVE), Some(state)),
        Ok(step) => tell(state, step),
    }
}

fn tell(mut state: State, step: Step) -> (Bytes, Option<State>) {
    match step {
        Step::Event(message) => (sse::encode(&message), Some(state)),
        Step::End(outcome) => {
            let answer = state.running.answer(outcome);
            // Events that were queued when the call ended come before its answer.
            let mut out = Vec::new();
            while let Some(message) = state.running.waiting() {
                out.extend_from_slice(&sse::encode(&message));
            }
            out.extend_from_slice(&sse::encode(&answer.body));
            (state.ended)(answer.end);
            (out.into(), None)
        }
    }
}

impl Stream for CallStream {
    type Item = Result<Frame<Bytes>, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(next) = self.next.as_mut() else {
            return Poll::Ready(None);
        };
        let (bytes, state) = std::task::ready!(next.as_mut().poll(cx));
        self.next = state.map(|state| Box::pin(advance(state)) as BoxFuture<'static, _>);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}
