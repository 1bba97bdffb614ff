//! `?page_size=…&page_token=…`.

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use serde::Deserialize;

use crate::{FieldError, Problem};

/// The paging parameters as the caller wrote them. What a token means is for the operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageQuery {
    /// At least 1; absent: the operation's default.
    pub size: Option<u32>,
    pub token: Option<String>,
}

#[derive(Deserialize)]
struct Raw {
    page_size: Option<String>,
    page_token: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(raw) = Query::<Raw>::try_from_uri(&parts.uri).map_err(|_| {
            Problem::invalid_request(vec![FieldError::new("query", "must be name=value pairs")])
        })?;
        let size = raw.page_size.map(|text| match text.parse::<u64>() {
            // Larger wishes are cut by the operation, however large they are.
            Ok(size) if size > 0 => Ok(u32::try_from(size).unwrap_or(u32::MAX)),
            _ => Err(Problem::invalid_request(vec![FieldError::new(
                "page_size",
                "must be a whole number above 0",
            )])),
        });
        Ok(Self {
            size: size.transpose()?,
            token: raw.page_token.filter(|t| !t.is_empty()),
        })
    }
}
