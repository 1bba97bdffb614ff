//! The one object that is handed around: what belongs to the process as a whole.

use std::sync::Arc;

use crate::telemetry::{Deliver, TelemetryConfig, TelemetryConfigError, Tracer};
use crate::{Clock, Metrics, Readiness, Shutdown, ShutdownTrigger, Tasks};

/// What belongs to the process as a whole. An argument, never a global. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Process {
    pub shutdown: Shutdown,
    pub tasks: Tasks,
    pub readiness: Readiness,
    pub metrics: Metrics,
    /// Traces of requests. Off until a role puts one there that is on.
    pub tracer: Tracer,
}

impl Process {
    pub fn new() -> (ShutdownTrigger, Self) {
        let (trigger, shutdown) = Shutdown::new();
        let process = Self {
            tasks: Tasks::new(shutdown.clone()),
            shutdown,
            readiness: Readiness::default(),
            metrics: Metrics::default(),
            tracer: Tracer::default(),
        };
        (trigger, process)
    }

    /// With traces, if `config` names a collector: `service` is what the process is called there,
    /// and `node` tells it from others of its role. To be called within a Tokio runtime.
    ///
    /// # Errors
    /// When a setting cannot be used. A collector that cannot be reached is no error.
    pub fn traced(
        self,
        config: &TelemetryConfig,
        service: &'static str,
        node: &str,
        clock: &Arc<dyn Clock>,
        way: Arc<dyn Deliver>,
    ) -> Result<Self, TelemetryConfigError> {
        let tracer = Tracer::start(config, service, node, clock.clone(), way, &self)?;
        Ok(Self { tracer, ..self })
    }
}
