//! Problem documents (RFC 9457): the one form of every REST error.

use std::fmt::Display;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

/// An error as the client sees it. `type` is `urn:turnbuckle:problem:<name>`; a name never
/// changes its meaning, so that clients may act on it.
///
/// The request id is added by [`crate::Observer`], on the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    name: &'static str,
    status: StatusCode,
    detail: String,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// One field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Path of the field in the document, e.g. `config.url`; empty for the document itself.
    pub field: String,
    /// What it must be, so that it can be mended.
    pub rule: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            rule: rule.into(),
        }
    }
}

impl Problem {
    /// A problem of any kind. `detail` is for the caller: no secret, no internal cause.
    pub fn new(status: StatusCode, name: &'static str, detail: impl Display) -> Self {
        let detail = detail.to_string();
        Self {
            name,
            status,
            detail,
            errors: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// 400 `invalid-request`, with the fields that break a rule.
    pub fn invalid_request(errors: Vec<FieldError>) -> Self {
        let said: Vec<String> = errors
            .iter()
            .map(|e| match e.field.as_str() {
                "" => format!("the body {}", e.rule),
                field => format!("{field} {}", e.rule),
            })
            .collect();
        let problem = Self::new(StatusCode::BAD_REQUEST, "invalid-request", said.join("; "));
        problem.with_errors(errors)
    }

    /// 401 `unauthenticated` with the challenge of RFC 6750; `token_sent` says whether the caller
    /// tried.
    pub fn unauthenticated(token_sent: bool) -> Self {
        let (detail, challenge) = if token_sent {
            (
                "the API key is unknown, revoked or expired",
                "Bearer realm=\"turnbuckle\", error=\"invalid_token\"",
            )
        } else {
            (
                "an API key is needed: send it as `Authorization: Bearer <key>`",
                "Bearer realm=\"turnbuckle\"",
            )
        };
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// 403 `forbidden`.
    pub fn forbidden(detail: impl Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404 with a name of its own.
    pub fn not_found(name: &'static str, detail: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, name, detail)
    }

    /// 409 with a name of its own.
    pub fn conflict(name: &'static str, detail: impl Display) -> Self {
        Self::new(StatusCode::CONFLICT, name, detail)
    }

    /// 503 `unavailable`, to be tried again after `seconds`.
    pub fn unavailable(detail: impl Display, seconds: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
            .with_header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// 500 `internal`: logs what failed and why, here and nowhere else, and tells the caller
    /// neither. The request id in the answer finds the line.
    pub fn internal(doing: &str, error: impl Display) -> Self {
        tracing::error!(error = %error, "failed to {doing}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong here; the log has it under the request id",
        )
    }

    /// Names the fields that break a rule.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Adds a header field to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The stable name at the end of the `type`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What happened and how to mend it, for the caller.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The document. `instance` and `request_id` are absent where nobody knows them.
    pub fn document(&self, instance: Option<&str>, request_id: Option<&str>) -> Vec<u8> {
        let document = Document {
            r#type: format!("urn:turnbuckle:problem:{}", self.name),
            title: title(self.name),
            status: self.status.as_u16(),
            detail: &self.detail,
            instance,
            request_id,
            errors: &self.errors,
        };
        serde_json::to_vec(&document).expect("strings and numbers always serialise")
    }

    pub(crate) fn response(self, instance: Option<&str>, request_id: Option<&str>) -> Response {
        let body = self.document(instance, request_id);
        let mut response = (self.status, body).into_response();
        let content_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        for (name, value) in &self.headers {
            response.headers_mut().append(name, value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The fallback of a router: 404 `not-found`.
pub async fn not_found() -> Problem {
    Problem::not_found("not-found", "there is nothing at this address")
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.response(None, None)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: String,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

/// The name as words: a title is the same for every occurrence of its type (RFC 9457 §3.1.3).
fn title(name: &str) -> String {
    let mut title = name.replace('-', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_written_as_rfc_9457_says() {
        let problem = Problem::invalid_request(vec![FieldError::new("slug", "is a reserved word")]);

        let text = String::from_utf8(problem.document(Some("/t"), Some("r1"))).unwrap();

        assert_eq!(
            text,
            r#"{"type":"urn:turnbuckle:problem:invalid-request","title":"Invalid request","status":400,"#
                .to_owned()
                + r#""detail":"slug is a reserved word","instance":"/t","request_id":"r1","#
                + r#""errors":[{"field":"slug","rule":"is a reserved word"}]}"#
        );
    }
}
