//! An MCP server somewhere else: its address, and over which of the two HTTP transports it speaks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use egress::{Client, Deadline};
use fabric::{BoxFuture, Failure, FailureKind};
use http::{HeaderMap, StatusCode, Uri};
use runtime::Tasks;
use tokio::sync::Mutex;
use url::Url;

use super::bearer::Bearer;
use super::exchange::Rests;
use super::headers::base_headers;
use super::http::{Endpoint, HttpTransport};
use super::sse_transport::SseConnection;
use super::{Exchange, Outgoing, Rejected, Transport, Wire};
use crate::failure::unsent;

/// How long a server may take to show that it speaks HTTP+SSE.
const FALL_BACK_WITHIN: Duration = Duration::from_secs(10);

/// One MCP server over HTTP. Transports to it share connections, and what was found out of it.
pub(crate) struct RemoteServer {
    endpoint: Endpoint,
    tasks: Tasks,
    /// The last handshake fell back to HTTP+SSE.
    speaks_sse: Arc<AtomicBool>,
}

impl RemoteServer {
    /// The server at `url`, which is sent `token` as a bearer token and `headers` as they are. What
    /// `bearer` has goes before `token`.
    /// Answers, or single events, of more than `max_bytes` are cut off.
    ///
    /// # Errors
    /// A header or the token cannot be sent.
    pub(crate) fn new(
        client: Client,
        url: &Url,
        token: Option<&str>,
        headers: &BTreeMap<String, String>,
        bearer: Arc<Bearer>,
        max_bytes: usize,
        tasks: Tasks,
    ) -> Result<Self, Failure> {
        let uri = Uri::try_from(url.as_str()).map_err(|_| {
            unsent(
                FailureKind::Unreachable,
                "the connector's URL cannot be called over HTTP",
            )
        })?;
        let endpoint = Endpoint {
            client,
            uri,
            headers: base_headers(token, headers)?,
            bearer,
            max_bytes,
            rests: Rests::new(tasks.clone()),
        };
        Ok(Self {
            endpoint,
            tasks,
            speaks_sse: Arc::default(),
        })
    }

    /// A new transport to it: over Streamable HTTP, or over HTTP+SSE where that was what worked.
    pub(crate) fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(RemoteTransport {
            http: Arc::new(HttpTransport::new(self.endpoint.clone())),
            tasks: self.tasks.clone(),
            is_sse: AtomicBool::new(self.speaks_sse.load(Ordering::Relaxed)),
            speaks_sse: self.speaks_sse.clone(),
            stream: ArcSwapOption::empty(),
            opening: Mutex::default(),
            is_gone: AtomicBool::new(false),
        })
    }
}

/// Streamable HTTP until it falls back; then one stream of HTTP+SSE.
struct RemoteTransport {
    http: Arc<HttpTransport>,
    tasks: Tasks,
    is_sse: AtomicBool,
    /// What further transports begin with.
    speaks_sse: Arc<AtomicBool>,
    /// The stream, once it is open; there is one in a transport's life.
    stream: ArcSwapOption<SseConnection>,
    /// Held while it is opened.
    opening: Mutex<()>,
    /// It cannot be opened.
    is_gone: AtomicBool,
}

impl RemoteTransport {
    /// The stream, opened at first.
    async fn stream(&self, deadline: Deadline) -> Result<Arc<SseConnection>, Rejected> {
        if let Some(stream) = self.stream.load_full() {
            return Ok(stream);
        }
        let _opening = self.opening.lock().await;
        if let Some(stream) = self.stream.load_full() {
            return Ok(stream);
        }
        match SseConnection::open(&self.http, &self.tasks, deadline).await {
            Ok(stream) => {
                let stream = Arc::new(stream);
                self.stream.store(Some(stream.clone()));
                Ok(stream)
            }
            Err(rejected) => {
                if speaks_no_sse(&rejected) {
                    self.speaks_sse.store(false, Ordering::Relaxed);
                    self.is_gone.store(true, Ordering::Relaxed);
                }
                Err(rejected)
            }
        }
    }
}

/// Whether a server that spoke HTTP+SSE once seems to do so no more.
fn speaks_no_sse(rejected: &Rejected) -> bool {
    match rejected {
        Rejected::Status { status, .. } => {
            let about_us = matches!(
                *status,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
            );
            status.is_client_error() && !about_us
        }
        Rejected::Failed(failure) => failure.kind == FailureKind::Garbage,
    }
}

impl Transport for RemoteTransport {
    fn wire(&self) -> Wire {
        if self.is_sse.load(Ordering::Relaxed) {
            Wire::Sse
        } else {
            Wire::Http
        }
    }

    fn headers(&self) -> HeaderMap {
        self.http.headers()
    }

    fn request(&self, request: Outgoing) -> BoxFuture<'_, Result<Box<dyn Exchange>, Rejected>> {
        match self.wire() {
            Wire::Sse => Box::pin(async move {
                let stream = self.stream(request.deadline).await?;
                stream.request(request).await
            }),
            _ => self.http.request(request),
        }
    }

    fn notify(
        &self,
        body: Bytes,
        headers: HeaderMap,
        deadline: Deadline,
    ) -> BoxFuture<'_, Result<(), Failure>> {
        match self.wire() {
            Wire::Sse => Box::pin(async move {
                match self.stream.load_full() {
                    Some(stream) => stream.notify(body, deadline).await,
                    None => Err(unsent(
                        FailureKind::Died,
                        "there is no event stream of the MCP server",
                    )),
                }
            }),
            _ => self.http.notify(body, headers, deadline),
        }
    }

    fn unsolicited(
        &self,
        headers: HeaderMap,
    ) -> BoxFuture<'_, Result<Option<Box<dyn Exchange>>, Rejected>> {
        match self.wire() {
            Wire::Sse => {
                let stream = self.stream.load_full();
                let strays = stream.and_then(|stream| stream.strays());
                Box::pin(std::future::ready(Ok(strays)))
            }
            _ => self.http.unsolicited(headers),
        }
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(stream) = self.stream.load_full() {
                stream.settled().await;
            }
        })
    }

    fn is_closed(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
            || self
                .stream
                .load()
                .as_ref()
                .is_some_and(|stream| stream.is_closed())
    }

    fn fall_back(&self) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            if self.wire() == Wire::Sse {
                return false;
            }
            let deadline = Deadline::after(FALL_BACK_WITHIN);
            let opened = SseConnection::open(&self.http, &self.tasks, deadline).await;
            let stream = match opened {
                Ok(stream) => stream,
                Err(rejected) => {
                    tracing::debug!("no HTTP+SSE either: {rejected:?}");
                    return false;
                }
            };
            self.stream.store(Some(Arc::new(stream)));
            self.is_sse.store(true, Ordering::Relaxed);
            self.speaks_sse.store(true, Ordering::Relaxed);
            true
        })
    }

    fn has_moved(&self) -> bool {
        self.http.has_moved()
    }

    fn end_session(&self, headers: HeaderMap, deadline: Deadline) -> BoxFuture<'_, ()> {
        match self.wire() {
            // The end of the stream says it.
            Wire::Sse => Box::pin(std::future::ready(())),
            _ => self.http.end_session(headers, deadline),
        }
    }
}
