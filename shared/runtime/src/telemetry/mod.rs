//! What a process tells its operator as it goes: logs, and traces of requests.

mod config;
mod context;
mod correlated;
mod export;
mod log;
mod span;
mod tracer;
mod way;

pub use config::{TelemetryConfig, TelemetryConfigError};
pub use context::SpanContext;
pub use correlated::{Handled, noticed};
pub use log::{LogConfig, LogFormat, init};
pub use opentelemetry::Value;
pub use opentelemetry::trace::SpanKind;
pub use span::Span;
pub use tracer::Tracer;
pub use way::{Deliver, Delivery};
