//! What the process counts, and how it is read.

use std::fmt;
use std::sync::{Arc, Mutex};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Metric, Registry};

/// The metrics of the process, all named `turnbuckle_…`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Registry::with_prefix("turnbuckle"))))
    }
}

impl Metrics {
    /// Registers `metric` and returns a handle to it. Counters get `_total` by themselves.
    pub fn register<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        self.0
            .lock()
            .expect("no panic while held")
            .register(name, help, metric.clone());
        metric
    }

    /// The OpenMetrics text of everything registered.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let registry = self.0.lock().expect("no panic while held");
        prometheus_client::encoding::text::encode(&mut text, &registry)
            .expect("writing to a String cannot fail");
        text
    }
}

/// A gauge that is looked up whenever somebody asks for the metrics, and costs nothing else. What
/// is registered lives as long as the process, and so does what the closure holds.
#[derive(Clone)]
pub struct ReadGauge(Arc<dyn Fn() -> f64 + Send + Sync>);

impl ReadGauge {
    /// `read` is to be quick: nothing else is read meanwhile.
    pub fn new(read: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

impl EncodeMetric for ReadGauge {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_gauge(&(self.0)())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

impl fmt::Debug for ReadGauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadGauge")
    }
}

/// The same for what only grows.
#[derive(Clone)]
pub struct ReadCounter(Arc<dyn Fn() -> u64 + Send + Sync>);

impl ReadCounter {
    /// `read` is to be quick: nothing else is read meanwhile.
    pub fn new(read: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

impl EncodeMetric for ReadCounter {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_counter::<NoLabelSet, _, u64>(&(self.0)(), None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

impl fmt::Debug for ReadCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadCounter")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn what_is_read_is_read_each_time_that_somebody_asks() {
        let metrics = Metrics::default();
        let at = Arc::new(AtomicU64::new(1));
        let (gauge, counter) = (at.clone(), at.clone());
        metrics.register(
            "depth",
            "How deep",
            ReadGauge::new(move || gauge.load(Ordering::Relaxed) as f64 / 2.0),
        );
        metrics.register(
            "steps",
            "How many",
            ReadCounter::new(move || counter.load(Ordering::Relaxed)),
        );
        assert!(metrics.encode().contains("\nturnbuckle_depth 0.5\n"));
        at.store(8, Ordering::Relaxed);
        let text = metrics.encode();
        assert!(text.contains("# TYPE turnbuckle_depth gauge\nturnbuckle_depth 4.0\n"));
        assert!(text.contains("# TYPE turnbuckle_steps counter\nturnbuckle_steps_total 8\n"));
    }
}
