//! What a process tells its operator as it goes: logs, and traces of requests.

mod config;
mod context;
mod export;
mod log;
mod otlp;
mod span;
mod tracer;

pub use config::{TelemetryConfig, TelemetryConfigError};
pub use context::SpanContext;
pub use export::{Deliver, Delivery};
pub use log::{LogConfig, LogFormat, init};
pub use span::{Span, SpanKind, Value};
pub use tracer::Tracer;
