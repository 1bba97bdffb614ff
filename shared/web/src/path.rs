//! The parameters in a path, with an answer of our own for those that cannot be read.

use axum::extract::FromRequestParts;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::{FieldError, Problem};

/// As `axum::extract::Path`; what does not decode to UTF-8 is 400 `invalid-request`.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let rejection = match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(read)) => return Ok(Self(read)),
            Err(rejection) => rejection,
        };
        if let PathRejection::FailedToDeserializePathParams(failed) = &rejection
            && rejection.status().is_client_error()
        {
            let (field, rule) = match failed.kind() {
                ErrorKind::InvalidUtf8InPathParam { key } => {
                    (key.as_str(), "must be percent-encoded UTF-8")
                }
                ErrorKind::ParseErrorAtKey { key, .. }
                | ErrorKind::DeserializeError { key, .. } => (key.as_str(), "cannot be read"),
                _ => ("path", "cannot be read"),
            };
            let error = FieldError::new(field, rule);
            return Err(Problem::invalid_request(vec![error]));
        }
        Err(Problem::internal("read a path", rejection))
    }
}
