//! From our types to those of the wire, which always succeeds, and back, which may not: a peer can
//! send anything. Parts that are JSON are passed on as they are, without a copy.

mod call;
mod configuration;
mod connector;
mod credential;
mod event;
mod outcome;
mod scalars;
mod workers;

pub(crate) use call::duration_to;
pub use call::{call_from, call_to};
pub use configuration::{
    key_from, key_to, platform_from, platform_to, tenant_config_from, tenant_config_to,
    tenant_from, tenant_to,
};
pub use connector::{connector_config_from, connector_config_to, connector_from, connector_to};
pub(crate) use credential::{
    credential_from, credential_request_from, credential_request_to, credential_to,
};
pub use event::{event_from, event_to};
pub use outcome::{failure_from, failure_to, outcome_from, outcome_to};
pub(crate) use scalars::parse;
pub use scalars::{role_from, role_to, time_from, time_to};
pub use workers::{listing_from, listing_to, process_from, process_to, stderr_from, stderr_to};

/// A field of a message holds nothing that it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the field {0} is missing or not valid")]
pub struct Invalid(pub &'static str);

impl From<Invalid> for tonic::Status {
    fn from(invalid: Invalid) -> Self {
        Self::invalid_argument(invalid.to_string())
    }
}

/// What a field must hold.
fn need<T>(value: Option<T>, field: &'static str) -> Result<T, Invalid> {
    value.ok_or(Invalid(field))
}

#[cfg(test)]
mod tests;
