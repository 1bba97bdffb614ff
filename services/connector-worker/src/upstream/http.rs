//! Streamable HTTP: each message is a POST, each answer JSON or a stream of events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use egress::{Client, Deadline, Response};
use fabric::{BoxFuture, Failure, FailureKind};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use mcp::header;
use runtime::Tasks;
use url::Url;

use super::exchange::{Form, HttpExchange, Rests, Resume};
use super::{Exchange, Outgoing, Rejected, Transport, Wire};
use crate::failure::{from_egress, sent, unsent};

/// Bytes of an answer that is no success, which is only read for its JSON-RPC error.
const ERROR_MAX_BYTES: usize = 64 * 1024;

/// Header fields that no connector may set: they belong to the connection or to the protocol.
const RESERVED: [&str; 12] = [
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// One MCP endpoint.
pub(crate) struct HttpTransport {
    client: Client,
    uri: ArcSwap<Uri>,
    /// The server has named another address, and nobody has asked yet.
    moved: AtomicBool,
    headers: HeaderMap,
    max_bytes: usize,
    rests: Rests,
}

impl HttpTransport {
    /// A transport to `url` that sends `token` as a bearer token and `headers` as they are.
    /// Answers, or single events, of more than `max_bytes` are cut off.
    ///
    /// # Errors
    /// A header or the token cannot be sent.
    pub(crate) fn new(
        client: Client,
        url: &Url,
        token: Option<&str>,
        headers: &BTreeMap<String, String>,
        max_bytes: usize,
        tasks: Tasks,
    ) -> Result<Self, Failure> {
        let uri = Uri::try_from(url.as_str()).map_err(|_| {
            unsent(
                FailureKind::Unreachable,
                "the connector's URL cannot be called over HTTP",
            )
        })?;
        Ok(Self {
            client,
            uri: ArcSwap::from_pointee(uri),
            moved: AtomicBool::new(false),
            headers: base_headers(token, headers)?,
            max_bytes,
            rests: Rests::new(tasks),
        })
    }

    async fn post(
        &self,
        body: Bytes,
        headers: HeaderMap,
        deadline: Deadline,
    ) -> Result<Response, Failure> {
        self.client
            .send(self.message(Method::POST, headers, body), deadline)
            .await
            .map_err(|error| from_egress(&error))
    }

    /// Takes on an address of the same origin that a redirect names (`/mcp` for `/mcp/` is common);
    /// to another origin nothing is sent: neither the call nor the credential is meant for it.
    fn note_redirect(&self, status: StatusCode, headers: &HeaderMap) {
        if !matches!(
            status,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
        ) {
            return;
        }
        let here = Url::parse(&self.uri.load().to_string());
        let there = headers
            .get(LOCATION)
            .and_then(|location| location.to_str().ok());
        let (Ok(here), Some(there)) = (here, there) else {
            return;
        };
        let Ok(there) = here.join(there) else { return };
        let same_server = there.origin() == here.origin() && there.username().is_empty();
        if let (true, Ok(uri)) = (same_server && there != here, Uri::try_from(there.as_str())) {
            self.uri.store(Arc::new(uri));
            self.moved.store(true, Ordering::Relaxed);
        }
    }

    fn message(&self, method: Method, headers: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::clone(&self.uri.load());
        *request.headers_mut() = headers;
        request
    }
}

impl Transport for HttpTransport {
    fn wire(&self) -> Wire {
        Wire::Http
    }

    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn request(&self, request: Outgoing) -> BoxFuture<'_, Result<Box<dyn Exchange>, Rejected>> {
        Box::pin(async move {
            let Outgoing {
                body,
                headers,
                deadline,
                ..
            } = request;
            let kept = Kept::of(&headers);
            let answer = self.post(body, headers, deadline).await?;
            let status = answer.status();
            if !status.is_success() {
                self.note_redirect(status, answer.headers());
                let retry_after = retry_after(answer.headers());
                // A body that cannot be read says nothing; the status still does.
                let body = answer.collect(ERROR_MAX_BYTES).await.unwrap_or_default();
                return Err(Rejected::Status {
                    status,
                    body,
                    retry_after,
                });
            }
            let exchange = match Form::of(answer.headers()) {
                Some(Form::Json) => HttpExchange::json(answer, self.max_bytes),
                Some(Form::Events) => {
                    let resume = kept.map(|kept| kept.resume(self, deadline));
                    HttpExchange::events(answer, self.max_bytes, resume, self.rests.clone())
                }
                None => return Err(no_answer(status).into()),
            };
            Ok(Box::new(exchange) as Box<dyn Exchange>)
        })
    }

    fn notify(
        &self,
        body: Bytes,
        headers: HeaderMap,
        deadline: Deadline,
    ) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let answer = self.post(body, headers, deadline).await?;
            let status = answer.status();
            // Read to its end, so that the connection can be used again.
            let _ = answer.collect(ERROR_MAX_BYTES).await;
            if status.is_success() {
                return Ok(());
            }
            Err(sent(
                FailureKind::Garbage,
                format!("the MCP server refused a message: {status}"),
            ))
        })
    }

    fn has_moved(&self) -> bool {
        self.moved.swap(false, Ordering::Relaxed)
    }

    fn end_session(&self, headers: HeaderMap, deadline: Deadline) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let request = self.message(Method::DELETE, headers, Bytes::new());
            match self.client.send(request, deadline).await {
                // 405 is a server that does not let clients end sessions.
                Ok(answer) => drop(answer.collect(ERROR_MAX_BYTES).await),
                Err(error) => tracing::debug!("could not end an upstream session: {error}"),
            }
        })
    }
}

/// What goes with every message.
fn base_headers(
    token: Option<&str>,
    headers: &BTreeMap<String, String>,
) -> Result<HeaderMap, Failure> {
    let mut base = HeaderMap::with_capacity(12);
    for (name, value) in headers {
        let refuse = |why| {
            let message = format!("the connector's header {name:?} {why}");
            unsent(FailureKind::Credential, message)
        };
        let parsed = HeaderName::try_from(name).map_err(|_| refuse("is no header name"))?;
        if RESERVED.contains(&parsed.as_str()) || parsed.as_str().starts_with("mcp-") {
            return Err(refuse("belongs to the protocol and cannot be set"));
        }
        let value = secret_value(value).ok_or_else(|| refuse("has a value that cannot be sent"))?;
        base.insert(parsed, value);
    }
    if let Some(token) = token {
        let value = secret_value(&format!("Bearer {token}")).ok_or_else(|| {
            unsent(
                FailureKind::Credential,
                "the connector's token cannot be sent in a header",
            )
        })?;
        base.insert(AUTHORIZATION, value);
    }
    base.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    base.insert(
        ACCEPT,
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    Ok(base)
}

/// A value that is never printed.
fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whole seconds of a `Retry-After`; the form with a date is rare and not worth a clock.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(http::header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn no_answer(status: StatusCode) -> Failure {
    let what = match status {
        StatusCode::ACCEPTED | StatusCode::NO_CONTENT => "took the request but sent no answer",
        _ => "answered neither JSON nor an event stream",
    };
    sent(FailureKind::Garbage, format!("the MCP server {what}"))
}

/// What of a legacy request's headers is needed to take up its stream again, should it turn out
/// to be one. A modern stream, whose request names its method, cannot be taken up.
struct Kept {
    version: Option<HeaderValue>,
    session: Option<HeaderValue>,
}

impl Kept {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let kept = || Self {
            version: headers.get(header::PROTOCOL_VERSION).cloned(),
            session: headers.get(header::SESSION_ID).cloned(),
        };
        (!headers.contains_key(header::METHOD)).then(kept)
    }

    fn resume(self, transport: &HttpTransport, deadline: Deadline) -> Resume {
        let mut headers = transport.headers.clone();
        let given = [
            (header::PROTOCOL_VERSION, self.version),
            (header::SESSION_ID, self.session),
        ];
        for (name, value) in given {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        Resume {
            client: transport.client.clone(),
            uri: Uri::clone(&transport.uri.load()),
            headers,
            deadline,
        }
    }
}
