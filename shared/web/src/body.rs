//! JSON bodies, within bounds, with an answer for each way they can be wrong.

use std::fmt::Display;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::objects::Objects;
use crate::{FieldError, Problem};

/// Bounds of an inbound JSON body. Put other ones than the default into the request's extensions,
/// e.g. with `axum::Extension` as a layer.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    pub bytes: usize,
    /// Levels of objects and arrays.
    pub depth: usize,
    /// How long the whole body may take to arrive.
    pub time: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            bytes: 4 * 1024 * 1024,
            depth: 64,
            time: Duration::from_secs(30),
        }
    }
}

/// A JSON body, in or out. In: `application/json` or `application/merge-patch+json` in UTF-8.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let limits = request
            .extensions()
            .get::<BodyLimits>()
            .copied()
            .unwrap_or_default();
        check_content_type(request.headers())?;
        let bytes = read(request, limits).await?;
        parse(&bytes, limits.depth).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let json = ["application/json", "application/merge-patch+json"]
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known));
    let utf8 = parts
        .filter_map(|part| part.split_once('='))
        .all(|(name, charset)| {
            !name.trim().eq_ignore_ascii_case("charset")
                || charset
                    .trim()
                    .trim_matches('"')
                    .eq_ignore_ascii_case("utf-8")
        });
    if json && utf8 {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "the body must be application/json in UTF-8, and say so in Content-Type",
    ))
}

async fn read(request: Request, limits: BodyLimits) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            format_args!("the body may have {} bytes at most", limits.bytes),
        )
    };
    let body = request.into_body();
    // What says so of itself is not read at all; nor is it asked for, by `100 Continue`.
    if body.size_hint().lower() > limits.bytes.try_into().unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let body = Limited::new(body, limits.bytes).collect();
    match tokio::time::timeout(limits.time, body).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "incomplete-body",
            "the body ended before it was complete",
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request-timeout",
            format_args!("the body must arrive within {} s", limits.time.as_secs()),
        )),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8], depth: usize) -> Result<T, Problem> {
    if !domain::nests_within(bytes, depth) {
        return Err(no_json(format_args!("nests deeper than {depth} levels")));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize(Objects(&mut deserializer)) {
        Ok(value) => deserializer.end().map(|()| value).map_err(no_json_but),
        Err(error) => {
            // What is no JSON as a whole is that first of all, whatever its beginning lacks.
            serde_json::from_slice::<IgnoredAny>(bytes).map_err(no_json_but)?;
            let path = error.path().to_string();
            let path = if path == "." { "" } else { &path };
            let error = broken(path, &error.into_inner());
            Err(Problem::invalid_request(vec![error]))
        }
    }
}

fn no_json(why: impl Display) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid-json",
        format_args!("the body {why}"),
    )
}

/// A syntax error tells a position and quotes nothing of the body.
fn no_json_but(error: serde_json::Error) -> Problem {
    no_json(format_args!("is no JSON: {error}"))
}

/// The rule that is broken at `path`, or by a field in it. A value of the wrong type is named by
/// its type only, since it may be a secret in the wrong place.
fn broken(path: &str, error: &serde_json::Error) -> FieldError {
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(rule, _)| rule);
    for (said, rule) in [
        ("missing field `", "is required"),
        ("duplicate field `", "may be given only once"),
    ] {
        if let Some(field) = text.strip_prefix(said) {
            return FieldError::new(inside(path, field.trim_end_matches('`')), rule);
        }
    }
    let found = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|p| text.strip_prefix(p));
    match found.and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((_, expected)) => FieldError::new(path, format!("must be {}", in_json(expected))),
        None => FieldError::new(path, text),
    }
}

fn inside(path: &str, field: &str) -> String {
    match path {
        "" => field.to_owned(),
        path => format!("{path}.{field}"),
    }
}

/// What is expected, in the words of JSON instead of those of Rust.
fn in_json(expected: &str) -> &str {
    match expected {
        "a sequence" => "an array",
        "a map" => "an object",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => {
            "a whole number within bounds"
        }
        "f32" | "f64" => "a number",
        "unit" => "null",
        time if time.contains("DateTime") => "a time as in RFC 3339, or null",
        other => other,
    }
}
