//! The way of traces to the operator's collector.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use egress::{Deadline, EgressConfig};
use http::{Request, Response};
use http_body_util::Full;
use runtime::telemetry::{Deliver, Delivery, TelemetryConfig};
use runtime::{Clock, Process};

/// Bytes of an answer that are read.
const ANSWER_MAX: usize = 64 * 1024;

/// The process with traces, if there is a collector.
pub(super) fn traced(
    process: Process,
    config: &TelemetryConfig,
    service: &'static str,
    node: &str,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Process> {
    // The operator says where, not a tenant: it may be any address.
    let egress = EgressConfig {
        allow_private: true,
        ca_file: config.otlp_ca_file.clone(),
        idle_connections_per_host: 1,
        ..EgressConfig::default()
    };
    let way = Collector {
        client: egress::Client::new(&egress)?,
        within: config.export_timeout,
    };
    Ok(process.traced(config, service, node, clock, Arc::new(way))?)
}

struct Collector {
    client: egress::Client,
    within: Duration,
}

impl Deliver for Collector {
    fn deliver(&self, request: Request<Bytes>) -> Delivery<'_> {
        Box::pin(async move {
            let deadline = Deadline::after(self.within);
            let answer = self.client.send(request.map(Full::new), deadline).await;
            let mut answer = answer.map_err(|error| error.to_string())?;
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.take_headers();
            let body = answer.collect(ANSWER_MAX).await;
            *response.body_mut() = body.map_err(|error| error.to_string())?;
            Ok(response)
        })
    }
}
