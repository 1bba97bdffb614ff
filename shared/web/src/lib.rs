//! Inbound HTTP: listeners that drain, problem documents, request ids and the access log, bodies
//! within bounds, paging, and the admin port.
//!
//! A router is served in three steps: [`bind`] the address, wrap the routes with
//! [`Observer::observe`], and [`Listener::serve`] the result.

pub mod admin;
mod body;
mod chunked;
mod handover;
mod hosts;
mod impatient;
mod listener;
mod metrics;
mod objects;
mod observe;
mod page;
mod path;
mod problem;
mod request_id;

pub use body::{BodyLimits, Json};
pub use handover::LongLived;
pub use hosts::HostPolicy;
pub use listener::{Listener, PeerCertificates, ServeLimits, Tls, bind};
pub use observe::Observer;
pub use page::PageQuery;
pub use path::Path;
pub use problem::{FieldError, Problem, not_found};
pub use request_id::{REQUEST_ID_HEADER, RequestId};
