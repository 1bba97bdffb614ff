//! Streamable HTTP: each message is a POST, each answer JSON or a stream of events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use egress::{Client, Deadline, Response};
use fabric::{BoxFuture, Failure, FailureKind};
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use mcp::header;
use url::Url;

use super::bearer::Bearer;
use super::events::Source;
use super::exchange::{Form, HttpExchange, Rests, Resume};
use super::standalone::Standalone;
use super::{Exchange, Outgoing, Rejected, Transport, Wire};
use crate::failure::{from_egress, sent};

/// Bytes of an answer that is no success, which is only read for its JSON-RPC error.
const ERROR_MAX_BYTES: usize = 64 * 1024;

/// One MCP endpoint.
pub(crate) struct HttpTransport {
    client: Client,
    uri: ArcSwap<Uri>,
    /// The server has named another address, and nobody has asked yet.
    moved: AtomicBool,
    headers: HeaderMap,
    bearer: Arc<Bearer>,
    max_bytes: usize,
    rests: Rests,
}

/// What transports to one endpoint are made of.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) client: Client,
    pub(super) uri: Uri,
    /// What goes with every message; see [`base_headers`](super::headers::base_headers).
    pub(super) headers: HeaderMap,
    pub(super) bearer: Arc<Bearer>,
    /// Answers, or single events, of more bytes are cut off.
    pub(super) max_bytes: usize,
    pub(super) rests: Rests,
}

impl HttpTransport {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let Endpoint {
            client,
            uri,
            headers,
            bearer,
            max_bytes,
            rests,
        } = endpoint;
        Self {
            client,
            uri: ArcSwap::from_pointee(uri),
            moved: AtomicBool::new(false),
            headers,
            bearer,
            max_bytes,
            rests,
        }
    }

    /// Where messages go now.
    pub(super) fn uri(&self) -> Uri {
        Uri::clone(&self.uri.load())
    }

    /// Where to ask for a stream.
    pub(super) fn source(&self, headers: HeaderMap) -> Source {
        Source {
            client: self.client.clone(),
            uri: self.uri(),
            headers,
            bearer: self.bearer.clone(),
        }
    }

    pub(super) fn base_headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Reads an answer that is no success.
    pub(super) async fn refusal(&self, answer: Response) -> Rejected {
        let status = answer.status();
        self.note_redirect(status, answer.headers());
        let retry_after = retry_after(answer.headers());
        // A body that cannot be read says nothing; the status still does.
        let body = answer.collect(ERROR_MAX_BYTES).await.unwrap_or_default();
        Rejected::Status {
            status,
            body,
            retry_after,
        }
    }

    /// Sends a message to `uri`, which is of the same server.
    pub(super) async fn post_to(
        &self,
        uri: Uri,
        body: Bytes,
        deadline: Deadline,
    ) -> Result<Response, Failure> {
        let mut message = self.message(Method::POST, self.headers.clone(), body);
        *message.uri_mut() = uri;
        self.send(message, deadline).await
    }

    async fn send(
        &self,
        mut message: Request<Full<Bytes>>,
        deadline: Deadline,
    ) -> Result<Response, Failure> {
        let token = self.bearer.sign(message.headers_mut());
        let answer = self.client.send(message, deadline).await;
        let answer = answer.map_err(|error| from_egress(&error))?;
        self.bearer.note(token, &answer);
        Ok(answer)
    }

    async fn post(
        &self,
        body: Bytes,
        headers: HeaderMap,
        deadline: Deadline,
    ) -> Result<Response, Failure> {
        let message = self.message(Method::POST, headers, body);
        self.send(message, deadline).await
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
        *request.uri_mut() = self.uri();
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
                return Err(self.refusal(answer).await);
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

    fn unsolicited(
        &self,
        headers: HeaderMap,
    ) -> BoxFuture<'_, Result<Option<Box<dyn Exchange>>, Rejected>> {
        Box::pin(async move {
            let has_session = headers.contains_key(header::SESSION_ID);
            let source = self.source(headers);
            let answer = Standalone::ask(&source, None).await;
            let answer = answer.map_err(|error| from_egress(&error))?;
            match answer.status() {
                StatusCode::OK if Form::of(answer.headers()) == Some(Form::Events) => {
                    let stream = Standalone::new(source, answer, self.max_bytes);
                    Ok(Some(Box::new(stream) as Box<dyn Exchange>))
                }
                StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Ok(None),
                // A page for people, or a server that knows of no such path for GET.
                status if status.is_success() => Ok(None),
                StatusCode::NOT_FOUND if !has_session => Ok(None),
                _ => Err(self.refusal(answer).await),
            }
        })
    }

    fn has_moved(&self) -> bool {
        self.moved.swap(false, Ordering::Relaxed)
    }

    fn end_session(&self, headers: HeaderMap, deadline: Deadline) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let request = self.message(Method::DELETE, headers, Bytes::new());
            match self.send(request, deadline).await {
                // 405 is a server that does not let clients end sessions.
                Ok(answer) => drop(answer.collect(ERROR_MAX_BYTES).await),
                Err(error) => tracing::debug!("could not end an upstream session: {error}"),
            }
        })
    }
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
            source: transport.source(headers),
            deadline,
        }
    }
}
