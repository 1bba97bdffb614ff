//! The way to the collector: given by who builds the process, and tried again while it is closed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::time::{sleep, timeout};

use super::config::Target;
use crate::Shutdown;

/// The pause after an export that failed; twice as long after each further one.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Sends what is exported. The process' outbound HTTP is not ours to make.
pub trait Deliver: Send + Sync {
    /// Sends a request and reads the answer, of which a few KiB matter. Dropping the future
    /// cancels it; it is bounded by who asks.
    ///
    /// # Errors
    /// In words for the operator, when no answer comes.
    fn deliver(&self, request: Request<Bytes>) -> Delivery<'_>;
}

/// What comes of a delivery.
pub type Delivery<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, String>> + Send + 'a>>;

/// The HTTP client of OpenTelemetry's exporter. Cheap to clone.
#[derive(Clone)]
pub(super) struct Way(Arc<Inner>);

struct Inner {
    deliver: Arc<dyn Deliver>,
    target: Target,
    timeout: Duration,
    shutdown: Shutdown,
    /// Whether the last attempt failed: an outage is told of once.
    away: AtomicBool,
    /// Spans that the collector did not take of exports that it took.
    refused: AtomicU64,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Way").field(&self.0.target).finish()
    }
}

/// Why an attempt failed.
struct Failure {
    why: String,
    /// When it may work: after this long at least. None when it never will.
    again: Option<Duration>,
}

impl Failure {
    fn passing(why: String) -> Self {
        Self {
            why,
            again: Some(Duration::ZERO),
        }
    }
}

#[async_trait]
impl HttpClient for Way {
    /// Sends an export until there is nothing more to be got from it; once more, and no longer,
    /// when the process ends.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut pause = PAUSE_MIN;
        loop {
            let last = self.0.shutdown.is_ending();
            let failure = match self.attempt(request.body().clone()).await {
                Ok(response) => {
                    if self.0.away.swap(false, Ordering::Relaxed) {
                        tracing::info!("traces are exported again");
                    }
                    return Ok(response);
                }
                Err(failure) => failure,
            };
            if !self.0.away.swap(true, Ordering::Relaxed) {
                let why = &failure.why;
                tracing::warn!("traces cannot be exported, calls go on: {why}");
            }
            let Some(again) = failure.again.filter(|_| !last) else {
                return Err(failure.why.into());
            };
            tokio::select! {
                () = self.0.shutdown.ending() => {}
                () = sleep(again.max(pause)) => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

impl Way {
    pub(super) fn new(
        deliver: Arc<dyn Deliver>,
        target: Target,
        timeout: Duration,
        shutdown: Shutdown,
    ) -> Self {
        Self(Arc::new(Inner {
            deliver,
            target,
            timeout,
            shutdown,
            away: AtomicBool::new(false),
            refused: AtomicU64::new(0),
        }))
    }

    /// How many spans the collector did not take, since it was last asked.
    pub(super) fn take_refused(&self) -> u64 {
        self.0.refused.swap(0, Ordering::Relaxed)
    }

    async fn attempt(&self, body: Bytes) -> Result<Response<Bytes>, Failure> {
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.0.target.uri.clone();
        // None of the exporter's: it adds what the environment says.
        *request.headers_mut() = self.headers();
        let within = self.0.timeout;
        let response = match timeout(within, self.0.deliver.deliver(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(why)) => return Err(Failure::passing(why)),
            Err(_) => return Err(Failure::passing(format!("no answer within {within:?}"))),
        };
        if !response.status().is_success() {
            return Err(refusal(&response));
        }
        self.note_refused(&response);
        Ok(response)
    }

    fn headers(&self) -> HeaderMap {
        let kind = HeaderValue::from_static("application/x-protobuf");
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        headers.extend(self.0.target.headers.iter().cloned());
        headers
    }

    fn note_refused(&self, response: &Response<Bytes>) {
        let answer = ExportTraceServiceResponse::decode(response.body().clone()).ok();
        let Some(partial) = answer.and_then(|answer| answer.partial_success) else {
            return;
        };
        let refused = u64::try_from(partial.rejected_spans).unwrap_or_default();
        if refused > 0 {
            tracing::debug!("the collector refused spans: {}", partial.error_message);
            self.0.refused.fetch_add(refused, Ordering::Relaxed);
        }
    }
}

fn refusal(response: &Response<Bytes>) -> Failure {
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER);
    let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
    let after = Duration::from_secs(after.unwrap_or(0)).min(PAUSE_MAX);
    // OTLP, "Retryable Response Codes".
    let passing = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    Failure {
        why: format!("the collector answers {status}"),
        again: passing.then_some(after),
    }
}
