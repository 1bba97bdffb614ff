//! An answer: its header is here, its body comes.

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::{HeaderMap, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout_at;

use crate::client::host_of;
use crate::{Deadline, EgressError};

/// What is set aside at most on the word of a Content-Length.
const TRUSTED_LENGTH: usize = 1024 * 1024;

/// An answer whose body has not been read. Dropping it ends the exchange.
#[derive(Debug)]
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
    uri: Uri,
    deadline: Deadline,
}

impl Response {
    pub(crate) fn new(answer: http::Response<Incoming>, uri: Uri, deadline: Deadline) -> Self {
        let (parts, body) = answer.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
            uri,
            deadline,
        }
    }

    pub const fn status(&self) -> StatusCode {
        self.status
    }

    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The header, taken out; what is left has none.
    pub fn take_headers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.headers)
    }

    /// The next piece of the body, as it came; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, EgressError> {
        loop {
            let frame = match timeout_at(self.deadline.instant(), self.body.frame()).await {
                Err(_) => {
                    return Err(EgressError::Timeout {
                        host: host_of(&self.uri),
                        sent: true,
                    });
                }
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => {
                    return Err(EgressError::Died {
                        host: host_of(&self.uri),
                    });
                }
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers are not ours to read.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }

    /// The whole body, of at most `max_bytes`. Reading stops where the limit is passed; a body
    /// that came in one piece is not copied.
    pub async fn collect(mut self, max_bytes: usize) -> Result<Bytes, EgressError> {
        let too_large = EgressError::TooLarge { limit: max_bytes };
        let announced = self.body.size_hint().exact(); // the Content-Length, if there is one
        if announced.is_some_and(|length| length > max_bytes as u64) {
            return Err(too_large);
        }
        let Some(first) = self.chunk().await? else {
            return Ok(Bytes::new());
        };
        if first.len() > max_bytes {
            return Err(too_large);
        }
        if self.body.is_end_stream() {
            return Ok(first);
        }
        let Some(mut next) = self.chunk().await? else {
            return Ok(first);
        };
        let expected = announced
            .and_then(|length| usize::try_from(length).ok())
            .map_or(0, |length| length.min(TRUSTED_LENGTH));
        let mut whole = BytesMut::with_capacity(expected.max(first.len() + next.len()));
        whole.extend_from_slice(&first);
        loop {
            if whole.len() + next.len() > max_bytes {
                return Err(too_large);
            }
            whole.extend_from_slice(&next);
            match self.chunk().await? {
                Some(chunk) => next = chunk,
                None => return Ok(whole.freeze()),
            }
        }
    }

    /// The body as a stream of pieces; ends after the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, EgressError>> + Send {
        futures_util::stream::unfold(Some(self), |response| async move {
            let mut response = response?;
            match response.chunk().await {
                Ok(Some(chunk)) => Some((Ok(chunk), Some(response))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}
