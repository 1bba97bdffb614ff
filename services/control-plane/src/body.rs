//! Bodies that may be left out.

use axum::body::HttpBody;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;
use web::{Json, Problem};

/// A JSON body, or the default where there is none.
pub(crate) struct Optional<T>(pub(crate) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for Optional<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.body().is_end_stream() {
            return Ok(Self(T::default()));
        }
        Json::from_request(request, state)
            .await
            .map(|Json(body)| Self(body))
    }
}
