//! Telling the collector: in batches, never in anybody's way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::config::{Target, TelemetryConfig};
use super::otlp::{ExportRequest, ExportResponse, Resource, WireSpan};
use super::span::Record;
use crate::Shutdown;

/// Spans of one export.
const BATCH: usize = 512;
/// How long a span waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// The pause after an export that failed; twice as long after each further one.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long the last export may take, when the process ends.
const LAST_WITHIN: Duration = Duration::from_secs(3);

/// The way to the collector. The process' outbound HTTP is not ours to make.
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

/// What became of a span, as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Labels {
    outcome: &'static str,
}

impl Labels {
    const EXPORTED: Self = Self {
        outcome: "exported",
    };
    /// There was no place for it.
    pub(super) const DROPPED: Self = Self { outcome: "dropped" };
    /// The collector does not take it.
    const FAILED: Self = Self { outcome: "failed" };
}

/// Tells one collector.
pub(super) struct Exporter {
    way: Arc<dyn Deliver>,
    target: Target,
    timeout: Duration,
    resource: Resource,
    spans: Family<Labels, Counter>,
    /// Whether the last export failed: an outage is told of once.
    away: bool,
}

/// Why an export failed.
struct Failure {
    why: String,
    /// When it may work: after this long at least. None when it never will.
    again: Option<Duration>,
}

impl Exporter {
    pub(super) fn new(
        config: &TelemetryConfig,
        target: Target,
        service: &str,
        node: &str,
        spans: Family<Labels, Counter>,
        way: Arc<dyn Deliver>,
    ) -> Self {
        Self {
            way,
            target,
            timeout: config.export_timeout,
            resource: Resource::of(service, node),
            spans,
            away: false,
        }
    }

    /// Exports until the process ends, and then what is left, once.
    pub(super) async fn run(mut self, mut ended: mpsc::Receiver<Box<Record>>, shutdown: Shutdown) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut pause = PAUSE_MIN;
        loop {
            tokio::select! {
                () = shutdown.ending() => break,
                () = gather(&mut ended, &mut batch) => {}
            }
            let exported = tokio::select! {
                () = shutdown.ending() => break,
                exported = self.export(&batch) => exported,
            };
            let Some(wait) = self.settle(exported, &mut batch) else {
                pause = PAUSE_MIN;
                continue;
            };
            let until = Instant::now() + wait.max(pause);
            pause = (pause * 2).min(PAUSE_MAX);
            tokio::select! {
                () = shutdown.ending() => break,
                () = sleep_until(until) => {}
            }
        }
        let last = async {
            loop {
                while batch.len() < BATCH
                    && let Ok(record) = ended.try_recv()
                {
                    batch.push(WireSpan::from(record));
                }
                if batch.is_empty() {
                    return;
                }
                let exported = self.export(&batch).await;
                if self.settle(exported, &mut batch).is_some() {
                    return;
                }
            }
        };
        if timeout(LAST_WITHIN, last).await.is_err() {
            tracing::debug!("the last spans could not be exported in time");
        }
    }

    /// Counts what was exported, and lets go what is done with. How long to wait, after a failure.
    fn settle(
        &mut self,
        exported: Result<u64, Failure>,
        batch: &mut Vec<WireSpan>,
    ) -> Option<Duration> {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        match exported {
            Ok(rejected) => {
                let rejected = rejected.min(count);
                let taken = self.spans.get_or_create_owned(&Labels::EXPORTED);
                taken.inc_by(count - rejected);
                if rejected > 0 {
                    self.spans.get_or_create(&Labels::FAILED).inc_by(rejected);
                }
                batch.clear();
                if std::mem::take(&mut self.away) {
                    tracing::info!("traces are exported again");
                }
                None
            }
            Err(Failure { why, again }) => {
                if !std::mem::replace(&mut self.away, true) {
                    tracing::warn!("traces cannot be exported, calls go on: {why}");
                }
                if again.is_none() {
                    self.spans.get_or_create(&Labels::FAILED).inc_by(count);
                    batch.clear();
                }
                Some(again.unwrap_or_default())
            }
        }
    }

    /// Exports a batch; returns how many of it the collector refused.
    async fn export(&self, batch: &[WireSpan]) -> Result<u64, Failure> {
        let message = ExportRequest::new(&self.resource, batch.to_vec());
        let mut request = Request::post(self.target.uri.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(Bytes::from(message.encode_to_vec()))
            .expect("an address and fields that were checked");
        let fields = self.target.headers.iter().cloned();
        request.headers_mut().extend(fields);
        let within = self.timeout;
        match timeout(within, self.way.deliver(request)).await {
            Ok(Ok(response)) => read(&response),
            Ok(Err(why)) => Err(retried(why)),
            Err(_) => Err(retried(format!("no answer within {within:?}"))),
        }
    }
}

fn retried(why: String) -> Failure {
    Failure {
        why,
        again: Some(Duration::ZERO),
    }
}

fn read(response: &Response<Bytes>) -> Result<u64, Failure> {
    let status = response.status();
    if !status.is_success() {
        let after = response.headers().get(RETRY_AFTER);
        let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
        let after = Duration::from_secs(after.unwrap_or(0)).min(PAUSE_MAX);
        // OTLP, "Retryable Response Codes".
        let again = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        );
        return Err(Failure {
            why: format!("the collector answers {status}"),
            again: again.then_some(after),
        });
    }
    let answer = ExportResponse::decode(response.body().clone()).ok();
    let partial = answer.and_then(|answer| answer.partial_success);
    let Some(partial) = partial.filter(|partial| partial.rejected_spans > 0) else {
        return Ok(0);
    };
    tracing::debug!("the collector refused spans: {}", partial.error_message);
    Ok(u64::try_from(partial.rejected_spans).unwrap_or_default())
}

/// Waits for spans: until there are enough, or the first has waited long enough. What is in
/// `batch` already was not taken by the collector, and waits no longer.
async fn gather(ended: &mut mpsc::Receiver<Box<Record>>, batch: &mut Vec<WireSpan>) {
    if batch.is_empty() {
        match ended.recv().await {
            Some(record) => batch.push(record.into()),
            // Nobody begins spans any more.
            None => return std::future::pending().await,
        }
        let until = Instant::now() + LINGER;
        while batch.len() < BATCH {
            tokio::select! {
                record = ended.recv() => match record {
                    Some(record) => batch.push(record.into()),
                    None => return,
                },
                () = sleep_until(until) => return,
            }
        }
    }
}
