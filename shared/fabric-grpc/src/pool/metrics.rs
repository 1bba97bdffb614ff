//! What is counted of a pool.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use runtime::Metrics;

use super::attempt::Attempt;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
}

/// Counts from the beginning, told to whom it is registered with.
#[derive(Default)]
pub(super) struct PoolMetrics {
    attempts: Family<Labels, Counter>,
    pub(super) retries: Counter,
    pub(super) workers: Gauge,
}

impl PoolMetrics {
    pub(super) fn register(&self, metrics: &Metrics) {
        metrics.register(
            "fabric_attempts",
            "Calls that were handed to a worker, by outcome: all but `ended` and `lost` say that the worker began nothing",
            self.attempts.clone(),
        );
        metrics.register(
            "fabric_retries",
            "Calls that were handed to a further worker, because the one before began nothing, or was lost with a call that only reads",
            self.retries.clone(),
        );
        metrics.register(
            "fabric_workers",
            "Workers that are known, draining ones included",
            self.workers.clone(),
        );
    }

    pub(super) fn count(&self, attempt: &Attempt) {
        let outcome = match attempt {
            Attempt::Ended(_) => "ended",
            Attempt::Refused(why) => why.as_str(),
            Attempt::Lost => "lost",
        };
        self.attempts.get_or_create(&Labels { outcome }).inc();
    }
}
