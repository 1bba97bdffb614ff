//! Streams that stay open for long, taken over from the HTTP library once their head is written.
//!
//! For as long as it serves a connection of HTTP/1.1, hyper keeps a buffer of 8 KiB for reading and
//! one for writing, which no setting makes smaller. A stream of events that is mostly silent needs
//! neither. Its response carries [`LongLived`]; when hyper has written and flushed the head and
//! asks the body for its first bytes, the body fails with an error that nobody is told of: hyper
//! lets go of the connection, and [`crate::chunked`] writes the rest.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::CONNECTION;
use http::{HeaderValue, Method, Version};
use hyper::body::Frame;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// In a response's extensions: its body is a stream of unknown length that is mostly silent. Over
/// HTTP/1.1 the connection ends with it. A body that ends soon is better off without.
#[derive(Clone, Copy, Debug)]
pub struct LongLived;

/// What a connection and the body that takes it over know of each other.
pub(crate) struct Handover<S>(Arc<Mutex<State<S>>>);

struct State<S> {
    stage: Stage,
    body: Option<Body>,
    stream: Option<S>,
    waiting: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is to be handed over.
    Idle,
    /// hyper has a head to write whose body waits here.
    Announced,
    /// The head is in hyper's hands, all of it: it asked for the body.
    Begun,
    /// All that hyper had to write is written.
    Flushed,
}

impl<S> Clone for Handover<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> Handover<S> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            stage: Stage::Idle,
            body: None,
            stream: None,
            waiting: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.0.lock().expect("no panic while held")
    }

    /// Puts a body that asks for it aside.
    pub(crate) fn announce(&self, response: Response, method: &Method, version: Version) -> Response
    where
        S: Send + 'static,
    {
        let wanted = response.extensions().get::<LongLived>().is_some();
        if !wanted || version != Version::HTTP_11 || *method == Method::HEAD {
            return response;
        }
        let (mut head, body) = response.into_parts();
        // Whatever else the peer sends will not be read.
        let close = HeaderValue::from_static("close");
        head.headers.insert(CONNECTION, close);
        {
            let mut state = self.state();
            state.stage = Stage::Announced;
            state.body = Some(body);
        }
        Response::from_parts(head, Body::new(Placeholder(self.clone())))
    }

    /// What was handed over, once hyper's connection is dropped.
    pub(crate) fn take(&self) -> Option<(S, Body)> {
        let mut state = self.state();
        Some((state.stream.take()?, state.body.take()?))
    }

    fn flushed(&self) {
        let mut state = self.state();
        if state.stage == Stage::Begun {
            state.stage = Stage::Flushed;
            if let Some(waker) = state.waiting.take() {
                waker.wake();
            }
        }
    }
}

/// Stands where the body will be.
struct Placeholder<S>(Handover<S>);

impl<S> hyper::body::Body for Placeholder<S> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut state = self.0.state();
        if state.stage == Stage::Flushed {
            return Poll::Ready(Some(Err(io::Error::other("handed over"))));
        }
        state.stage = Stage::Begun;
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A stream that goes back where it came from when its connection has been handed over.
pub(crate) struct Lent<S> {
    /// Always there until the drop.
    stream: Option<S>,
    handover: Handover<S>,
}

impl<S> Lent<S> {
    pub(crate) fn new(stream: S, handover: Handover<S>) -> Self {
        Self {
            stream: Some(stream),
            handover,
        }
    }
}

impl<S: Unpin> Lent<S> {
    fn stream(self: Pin<&mut Self>) -> Pin<&mut S> {
        let stream = self.get_mut().stream.as_mut();
        Pin::new(stream.expect("only the drop takes it"))
    }
}

impl<S> Drop for Lent<S> {
    fn drop(&mut self) {
        let mut state = self.handover.state();
        if state.stage == Stage::Flushed {
            state.stream = self.stream.take();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lent<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lent<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(S::is_write_vectored)
    }

    /// hyper flushes only what it has written to its last byte.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.as_mut().stream().poll_flush(cx))?;
        self.handover.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
