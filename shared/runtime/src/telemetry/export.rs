//! Telling the collector: in batches, never in anybody's way.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_otlp::{
    Protocol, RetryPolicy, SpanExporter as OtlpExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::config::{Target, TelemetryConfig, TelemetryConfigError};
use super::way::{Deliver, Way};
use crate::Shutdown;

/// Spans of one export.
const BATCH: usize = 512;
/// How long a span waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// How long the last exports may take, when the process ends.
const LAST_WITHIN: Duration = Duration::from_secs(3);

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

/// Where spans go when they end: into a queue, or nowhere if it is full.
#[derive(Debug)]
pub(super) struct Queue {
    ended: mpsc::Sender<SpanData>,
    dropped: Counter,
}

impl Queue {
    pub(super) fn new(ended: mpsc::Sender<SpanData>, dropped: Counter) -> Self {
        Self { ended, dropped }
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    /// Never waits: what finds no place is dropped, and counted.
    fn on_end(&self, span: SpanData) {
        if self.ended.try_send(span).is_err() {
            self.dropped.inc();
        }
    }

    /// Nothing to do: what is in the queue is the exporter's, which ends with the process.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Tells one collector.
pub(super) struct Exporter {
    otlp: OtlpExporter,
    way: Way,
    exported: Counter,
    failed: Counter,
    shutdown: Shutdown,
}

impl Exporter {
    pub(super) fn new(
        config: &TelemetryConfig,
        target: Target,
        resource: &Resource,
        spans: Family<Labels, Counter>,
        way: Arc<dyn Deliver>,
        shutdown: Shutdown,
    ) -> Result<Self, TelemetryConfigError> {
        let endpoint = target.uri.to_string();
        let way = Way::new(way, target, config.export_timeout, shutdown.clone());
        let mut otlp = OtlpExporter::builder()
            .with_http()
            .with_http_client(way.clone())
            .with_endpoint(endpoint)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(config.export_timeout)
            // The way tries again by itself: it knows when the process ends.
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .map_err(|_| TelemetryConfigError::Endpoint)?;
        otlp.set_resource(resource);
        Ok(Self {
            otlp,
            way,
            exported: spans.get_or_create_owned(&Labels::EXPORTED),
            failed: spans.get_or_create_owned(&Labels::FAILED),
            shutdown,
        })
    }

    /// Exports until the process ends, and then what is left.
    pub(super) async fn run(self, mut ended: mpsc::Receiver<SpanData>) -> anyhow::Result<()> {
        let last = async {
            self.shutdown.ending().await;
            sleep(LAST_WITHIN).await;
        };
        let exports = async {
            while let Some(batch) = gather(&mut ended, &self.shutdown).await {
                self.export(batch).await;
            }
        };
        tokio::select! {
            () = exports => {}
            () = last => tracing::debug!("the last spans could not be exported in time"),
        }
        Ok(())
    }

    /// Exports a batch: until the collector has it, will never have it, or the process ends.
    async fn export(&self, batch: Vec<SpanData>) {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let failed = match self.otlp.export(batch).await {
            Ok(()) => self.way.take_refused().min(count),
            Err(error) => {
                tracing::debug!("an export failed: {error}");
                count
            }
        };
        self.exported.inc_by(count - failed);
        self.failed.inc_by(failed);
    }
}

/// Waits for spans: until there are enough, or the first has waited long enough, or the process
/// ends. None when it ends and none are left.
async fn gather(
    ended: &mut mpsc::Receiver<SpanData>,
    shutdown: &Shutdown,
) -> Option<Vec<SpanData>> {
    let mut batch = Vec::new();
    tokio::select! {
        biased;
        // All senders are gone: nobody begins spans any more.
        span = ended.recv() => batch.push(span?),
        () = shutdown.ending() => return None,
    }
    let until = Instant::now() + LINGER;
    while batch.len() < BATCH {
        tokio::select! {
            biased;
            span = ended.recv() => match span {
                Some(span) => batch.push(span),
                None => break,
            },
            () = sleep_until(until) => break,
            () = shutdown.ending() => break,
        }
    }
    Some(batch)
}
