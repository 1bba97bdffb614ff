//! Ids, times and names.

use std::str::FromStr;

use prost_types::Timestamp;
use proto::fabric::v1;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::Invalid;
use crate::Role;

/// Any time; its zone is lost.
pub fn time_to(time: OffsetDateTime) -> Timestamp {
    Timestamp {
        seconds: time.unix_timestamp(),
        nanos: i32::try_from(time.nanosecond()).expect("less than a second"),
    }
}

/// # Errors
/// It is before the year -9999 or after 9999, or has more nanoseconds than a second.
pub fn time_from(time: Timestamp) -> Result<OffsetDateTime, Invalid> {
    let invalid = Invalid("timestamp");
    let nanos = u32::try_from(time.nanos).map_err(|_| invalid)?;
    let seconds = OffsetDateTime::from_unix_timestamp(time.seconds).map_err(|_| invalid)?;
    seconds.replace_nanosecond(nanos).map_err(|_| invalid)
}

pub(super) fn some_time_from(time: Option<Timestamp>) -> Result<Option<OffsetDateTime>, Invalid> {
    time.map(time_from).transpose()
}

pub(super) fn needed_time(
    time: Option<Timestamp>,
    field: &'static str,
) -> Result<OffsetDateTime, Invalid> {
    time_from(super::need(time, field)?).map_err(|_| Invalid(field))
}

pub fn role_to(role: Role) -> v1::Role {
    match role {
        Role::ControlPlane => v1::Role::ControlPlane,
        Role::Gateway => v1::Role::Gateway,
        Role::Worker => v1::Role::Worker,
    }
}

/// # Errors
/// It is unspecified.
pub fn role_from(role: v1::Role) -> Result<Role, Invalid> {
    match role {
        v1::Role::ControlPlane => Ok(Role::ControlPlane),
        v1::Role::Gateway => Ok(Role::Gateway),
        v1::Role::Worker => Ok(Role::Worker),
        v1::Role::Unspecified => Err(Invalid("role")),
    }
}

/// Reads what has a text form: an id, a name out of a few.
pub(crate) fn parse<T: FromStr>(text: &str, field: &'static str) -> Result<T, Invalid> {
    text.parse().map_err(|_| Invalid(field))
}

/// Reads JSON that is kept as text.
pub(super) fn raw(text: String, field: &'static str) -> Result<Box<RawValue>, Invalid> {
    RawValue::from_string(text).map_err(|_| Invalid(field))
}

/// What serialises to a JSON text whatever it holds.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data with string keys")
}
