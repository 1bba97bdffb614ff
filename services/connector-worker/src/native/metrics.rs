//! What the engine counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use runtime::Metrics;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// The engine's counters. Each is looked up once, at the start; without a registry nobody sees them.
#[derive(Clone, Debug, Default)]
pub(super) struct EngineMetrics {
    unchanged: Counter,
    changed: Counter,
    /// A call waited for a quota that was known to be used up.
    pub(super) quota_waited: Counter,
    /// The same, told to the caller instead.
    pub(super) quota_refused: Counter,
}

impl EngineMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let revalidations = metrics.register(
            "worker_revalidations",
            "Kept answers of which providers were asked whether they have changed",
            Family::<OutcomeLabel, Counter>::default(),
        );
        let quotas = metrics.register(
            "worker_used_up_quotas",
            "Requests to providers that met a quota known to be used up",
            Family::<OutcomeLabel, Counter>::default(),
        );
        let of = |family: &Family<OutcomeLabel, Counter>, outcome| {
            family.get_or_create_owned(&OutcomeLabel { outcome })
        };
        Self {
            unchanged: of(&revalidations, "unchanged"),
            changed: of(&revalidations, "changed"),
            quota_waited: of(&quotas, "waited"),
            quota_refused: of(&quotas, "refused"),
        }
    }

    /// A provider was asked whether an answer is still the same.
    pub(super) fn revalidated(&self, is_same: bool) {
        let counter = if is_same {
            &self.unchanged
        } else {
            &self.changed
        };
        counter.inc();
    }
}
