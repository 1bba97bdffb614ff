//! The id that names a request in answers and logs.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use runtime::IdGen;

/// Carries the request id, both ways.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longest inbound id that is kept, in characters.
const MAX_LENGTH: usize = 64;

/// Names one request. Set by [`crate::Observer`]; empty where none watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Takes the caller's id when it is 1 to 64 visible ASCII characters, else mints one.
    pub fn of(headers: &HeaderMap, ids: &dyn IdGen) -> Self {
        let inbound = headers
            .get(REQUEST_ID_HEADER)
            .and_then(|value| value.to_str().ok());
        let sane = |id: &&str| {
            (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
        };
        match inbound.filter(sane) {
            Some(id) => Self(id.into()),
            None => Self(ids.next().simple().to_string().into()),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}
