//! A request body that knows whether hyper has begun to write the request.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

/// hyper looks at a body for the first time when it has a connection and encodes the header, and
/// asks first whether there is one: from then on the request may arrive. (What hyper-util offers
/// for this, `capture_connection`, costs several allocations a request.)
pub(crate) struct Traced {
    inner: Full<Bytes>,
    begun: Arc<AtomicBool>,
}

impl Traced {
    /// The request, and a flag that is set as soon as it may arrive.
    pub(crate) fn wrap(request: Request<Full<Bytes>>) -> (Request<Self>, Arc<AtomicBool>) {
        let begun = Arc::new(AtomicBool::new(false));
        let flag = begun.clone();
        (request.map(|inner| Self { inner, begun }), flag)
    }
}

impl Body for Traced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.begun.store(true, Ordering::Relaxed);
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.begun.store(true, Ordering::Relaxed);
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
