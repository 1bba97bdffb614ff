//! What is counted of hosted servers.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

#[derive(Clone, Debug)]
pub(super) struct HostedMetrics {
    pub(super) running: Gauge,
    pub(super) starts: Counter,
    ends: Family<Ended, Counter>,
    pub(super) stray_lines: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    reason: &'static str,
}

impl HostedMetrics {
    pub(super) fn new(metrics: &runtime::Metrics) -> Self {
        Self {
            running: metrics.register(
                "hosted_processes",
                "Hosted MCP servers that run now",
                Gauge::default(),
            ),
            starts: metrics.register(
                "hosted_starts",
                "Processes of hosted MCP servers that were started",
                Counter::default(),
            ),
            ends: metrics.register(
                "hosted_ends",
                "Processes of hosted MCP servers that ended, by reason",
                Family::default(),
            ),
            stray_lines: metrics.register(
                "hosted_stray_lines",
                "Lines that hosted MCP servers wrote to standard output and that are no messages",
                Counter::default(),
            ),
        }
    }

    pub(super) fn ended(&self, reason: &'static str) {
        self.ends.get_or_create(&Ended { reason }).inc();
    }
}
