//! The Model Context Protocol as bytes and rules: envelopes over raw JSON, the two eras, header
//! rules, server-sent events. No I/O, no async, no tenants.
//!
//! What nobody here needs to read stays raw text and is passed on byte for byte; what is read is
//! read once. "Legacy" are the revisions with a handshake (2024-11-05 to 2025-11-25), "modern" is
//! 2026-07-28, where every request carries its own metadata.

pub mod batch;
mod capabilities;
pub mod codes;
pub mod edge;
mod edit;
mod envelope;
mod era;
pub mod header;
mod header_params;
mod log_level;
mod meta;
pub mod mrtr;
mod object;
mod params;
pub mod rename;
mod respond;
mod server_capabilities;
pub mod sse;
mod trace_context;
mod version;

pub use capabilities::{ClientCapabilities, ClientProfile, TASKS_EXTENSION, UI_EXTENSION};
pub use edge::{complete_for_modern, strip_for_legacy};
pub use envelope::{Id, Message, ParseError, ParseErrorKind, parse};
pub use era::{Era, EraError, Inbound, decide};
pub use header_params::{
    HeaderParam, HeaderParamType, HeaderParams, InvalidHeaderParam, ParamMismatch,
};
pub use log_level::LogLevel;
pub use meta::{Meta, keys};
pub use object::{Members, Split, members};
pub use params::{ListenFilter, Params, Reference};
pub use respond::{error_response, notification, raw_error_response, request, result_response};
pub use server_capabilities::ServerCapabilities;
pub use trace_context::{TraceContext, with_traceparent};
pub use version::{LEGACY_VERSIONS, MODERN_VERSIONS, ProtocolVersion};
