//! What is counted of calls.

use std::time::Duration;

use domain::ConnectorKind;
use fabric::{FailureKind, Outcome};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use runtime::Metrics;
use tokio::time::Instant;

/// Seconds; the longest call takes two minutes.
const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 120.0,
];

/// How a connector is run, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Native,
    Remote,
    Hosted,
    /// The call ended before that was known.
    Unknown,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Native, Self::Remote, Self::Hosted, Self::Unknown];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Remote => ConnectorKind::REMOTE_MCP,
            Self::Hosted => ConnectorKind::HOSTED_MCP,
            Self::Unknown => "unknown",
        }
    }
}

/// How a call ended, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Result,
    /// The upstream asks back.
    InputRequired,
    Error,
    Failed,
    /// The caller gave up.
    Cancelled,
}

impl Ended {
    const ALL: [Self; 5] = [
        Self::Result,
        Self::InputRequired,
        Self::Error,
        Self::Failed,
        Self::Cancelled,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::InputRequired => "input_required",
            Self::Error => "error",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeaseLabels {
    outcome: &'static str,
}

/// The worker's metrics. Each series is looked up once, at the start.
#[derive(Clone, Debug)]
pub(crate) struct WorkerMetrics {
    calls: [[Counter; Ended::ALL.len()]; Kind::ALL.len()],
    durations: [Histogram; Kind::ALL.len()],
    failures: [Counter; FailureKind::ALL.len()],
    leases: Family<LeaseLabels, Counter>,
    credentials: Family<LeaseLabels, Counter>,
    in_flight: Gauge,
    pub(crate) open_breakers: Gauge,
    /// Calls that wait for what their server asked.
    pub(crate) parked: Gauge,
}

impl WorkerMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let calls = metrics.register(
            "worker_calls",
            "Calls that ended, by kind of connector and outcome",
            Family::<CallLabels, Counter>::default(),
        );
        let new_histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let durations = metrics.register(
            "worker_call_duration_seconds",
            "Time that calls took in the worker, upstream included",
            Family::<KindLabel, Histogram, _>::new_with_constructor(new_histogram),
        );
        let failures = metrics.register(
            "worker_upstream_errors",
            "Calls and tool list readings without an answer, by what went wrong",
            Family::<KindLabel, Counter>::default(),
        );
        Self {
            calls: Kind::ALL.map(|kind| {
                Ended::ALL.map(|ended| {
                    let labels = CallLabels {
                        kind: kind.as_str(),
                        outcome: ended.as_str(),
                    };
                    calls.get_or_create_owned(&labels)
                })
            }),
            durations: Kind::ALL.map(|kind| {
                durations.get_or_create_owned(&KindLabel {
                    kind: kind.as_str(),
                })
            }),
            failures: FailureKind::ALL.map(|kind| {
                failures.get_or_create_owned(&KindLabel {
                    kind: kind.as_str(),
                })
            }),
            leases: metrics.register(
                "worker_leases",
                "Credentials that were asked for, by outcome",
                Family::default(),
            ),
            credentials: metrics.register(
                "worker_credentials",
                "Credentials of accounts that were asked for, by what came of it",
                Family::default(),
            ),
            in_flight: metrics.register(
                "worker_calls_in_flight",
                "Calls that are running",
                Gauge::default(),
            ),
            parked: metrics.register(
                "worker_calls_parked",
                "Calls that wait for what their upstream asked",
                Gauge::default(),
            ),
            open_breakers: metrics.register(
                "worker_breakers_open",
                "Connectors that are left alone because they cannot be reached",
                Gauge::default(),
            ),
        }
    }

    /// Starts to measure a call.
    pub(crate) fn begin(&self) -> Measured<'_> {
        self.in_flight.inc();
        Measured {
            metrics: self,
            kind: Kind::Unknown,
            ended: None,
            started: Instant::now(),
        }
    }

    /// A lease was asked for.
    pub(crate) fn credential_asked(&self, outcome: &'static str) {
        let labels = LeaseLabels { outcome };
        self.credentials.get_or_create(&labels).inc();
    }

    pub(crate) fn leased(&self, outcome: &'static str) {
        self.leases.get_or_create(&LeaseLabels { outcome }).inc();
    }

    pub(crate) fn count_failure(&self, kind: FailureKind) {
        let index = FailureKind::ALL.iter().position(|known| *known == kind);
        self.failures[index.expect("ALL names every kind")].inc();
    }
}

/// A call that is being measured; one that is dropped before its end counts as cancelled.
pub(crate) struct Measured<'a> {
    metrics: &'a WorkerMetrics,
    pub(crate) kind: Kind,
    ended: Option<Ended>,
    started: Instant,
}

impl Measured<'_> {
    pub(crate) fn end(mut self, outcome: &Outcome) -> Duration {
        self.ended = Some(match outcome {
            Outcome::Result(_) => Ended::Result,
            Outcome::InputRequired(_) => Ended::InputRequired,
            Outcome::Error(_) => Ended::Error,
            Outcome::Failed(failure) => {
                self.metrics.count_failure(failure.kind);
                Ended::Failed
            }
        });
        self.started.elapsed()
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let (kind, ended) = (
            self.kind as usize,
            self.ended.unwrap_or(Ended::Cancelled) as usize,
        );
        self.metrics.in_flight.dec();
        self.metrics.calls[kind][ended].inc();
        self.metrics.durations[kind].observe(self.started.elapsed().as_secs_f64());
    }
}
