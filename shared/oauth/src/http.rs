//! One request to a provider, and its bounded answer.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use catalog::closed::TokenRequest;
use egress::Deadline;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::{Url, form_urlencoded};

use crate::client::{ClientAuth, OAuthClient};
use crate::error::TokenError;

/// What one exchange with a provider may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first byte of the request to the last of the answer.
    pub time: Duration,
    /// Bytes of an answer's body.
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(20),
            answer_bytes: 256 * 1024,
        }
    }
}

/// A request's parameters, in order, of which the body is made.
pub(crate) type Fields = Vec<(String, String)>;

/// A request in the making.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) to: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) fields: Fields,
}

impl Outgoing {
    pub(crate) fn new(method: Method, to: Url) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            method,
            to,
            headers,
            fields: Fields::new(),
        }
    }

    pub(crate) fn field(&mut self, name: &str, value: &str) {
        self.fields.push((name.to_owned(), value.to_owned()));
    }

    /// Says who asks, with the secret where there is one: header or body.
    pub(crate) fn sign(&mut self, client: &OAuthClient, auth: ClientAuth) {
        // A key is shown to nobody.
        let secret = client.client_secret.as_ref();
        let secret = secret.filter(|_| client.key.is_none());
        match (auth, secret) {
            (ClientAuth::Basic, Some(secret)) => {
                let encode = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let (id, secret) = (encode(&client.client_id), encode(secret.expose_secret()));
                self.authorize(&format!(
                    "Basic {}",
                    STANDARD.encode(format!("{id}:{secret}"))
                ));
            }
            (ClientAuth::Post, Some(secret)) => {
                self.field("client_id", &client.client_id);
                self.field("client_secret", secret.expose_secret());
            }
            _ => self.field("client_id", &client.client_id),
        }
    }

    pub(crate) fn bearer(&mut self, token: &str) {
        self.authorize(&format!("Bearer {token}"));
    }

    fn authorize(&mut self, value: &str) {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.headers.insert(AUTHORIZATION, value);
        }
    }

    /// The request with its fields as a body; none where there are none.
    pub(crate) fn finish(self, body: TokenRequest) -> Result<Request<Full<Bytes>>, TokenError> {
        let (kind, body) = match body {
            _ if self.fields.is_empty() => (None, Bytes::new()),
            TokenRequest::Form => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(&self.fields);
                let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
                (Some(kind), Bytes::from(form.finish()))
            }
            TokenRequest::Json => {
                let fields = self.fields.into_iter();
                let object: Map<String, Value> = fields
                    .map(|(name, value)| (name, Value::String(value)))
                    .collect();
                let kind = HeaderValue::from_static("application/json");
                (Some(kind), Bytes::from(Value::Object(object).to_string()))
            }
        };
        json_request(self.method, &self.to, self.headers, kind, body)
    }
}

pub(crate) fn json_request(
    method: Method,
    to: &Url,
    headers: HeaderMap,
    kind: Option<HeaderValue>,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, TokenError> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = to
        .as_str()
        .parse()
        .map_err(|_| TokenError::Unsent("the provider's address cannot be called".to_owned()))?;
    *request.headers_mut() = headers;
    if let Some(kind) = kind {
        request.headers_mut().insert(CONTENT_TYPE, kind);
    }
    Ok(request)
}

/// What came back, whole.
pub(crate) struct Incoming {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) async fn send(
    client: &egress::Client,
    limits: Limits,
    request: Request<Full<Bytes>>,
    deadline: Deadline,
) -> Result<Incoming, TokenError> {
    let deadline = deadline.within(limits.time);
    if deadline.has_passed() {
        return Err(TokenError::Unsent("there was no time left".to_owned()));
    }
    let mut response = client.send(request, deadline).await?;
    let (status, headers) = (response.status(), response.take_headers());
    let body = response.collect(limits.answer_bytes).await?;
    Ok(Incoming {
        status,
        headers,
        body,
    })
}

impl Incoming {
    /// The body as JSON. A form, which old endpoints answer, becomes an object of texts.
    pub(crate) fn json(&self) -> Option<Value> {
        let kind = self.headers.get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        let essence = essence.to_ascii_lowercase();
        match essence.as_str() {
            "" | "application/json" => serde_json::from_slice(&self.body).ok(),
            "application/x-www-form-urlencoded" => {
                let pairs = form_urlencoded::parse(&self.body).into_owned();
                let object: Map<String, Value> =
                    pairs.map(|(name, value)| (name, value.into())).collect();
                Some(Value::Object(object))
            }
            other if other.ends_with("+json") => serde_json::from_slice(&self.body).ok(),
            _ => None,
        }
    }

    /// How long the provider asks to wait: seconds, or a moment by the provider's own clock.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = |name| self.headers.get(name).and_then(|value| value.to_str().ok());
        let asked = text(RETRY_AFTER)?.trim();
        if let Ok(seconds) = asked.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let moment = |text: &str| OffsetDateTime::parse(text, &Rfc2822).ok();
        let wait = moment(asked)? - moment(text(DATE)?)?;
        Some(wait.try_into().unwrap_or_default())
    }
}
