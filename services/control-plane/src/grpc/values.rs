//! Values that many messages share.

use prost_types::Timestamp;
use time::OffsetDateTime;

use crate::error::Error;
use crate::idempotency::Creation;
use crate::page::PageRequest;
use crate::tenants::Expected;

pub(super) fn timestamp(at: OffsetDateTime) -> Timestamp {
    // Below a second and never negative, so it fits.
    let nanos = i32::try_from(at.nanosecond()).unwrap_or_default();
    Timestamp {
        seconds: at.unix_timestamp(),
        nanos,
    }
}

/// # Errors
/// When it is no time that can be written down.
pub(super) fn time(field: &str, at: Timestamp) -> Result<OffsetDateTime, Error> {
    let read = || {
        let nanos = u32::try_from(at.nanos).ok()?;
        OffsetDateTime::from_unix_timestamp(at.seconds)
            .ok()?
            .replace_nanosecond(nanos)
            .ok()
    };
    read().ok_or_else(|| Error::invalid(field, "must be a time from the year 1 to 9999"))
}

/// The ETag of REST.
pub(super) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

pub(super) fn expected(etag: &str) -> Expected {
    if etag.is_empty() {
        Expected::ANY
    } else {
        Expected::if_match(etag)
    }
}

pub(super) fn creation(request_id: String) -> Creation {
    Creation {
        idempotency_key: given(request_id),
    }
}

/// A text, if it is one: proto3 cannot tell an empty one from none.
pub(super) fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// # Errors
/// When the size is negative.
pub(super) fn page(size: i32, token: String) -> Result<PageRequest, Error> {
    let size =
        u32::try_from(size).map_err(|_| Error::invalid("page_size", "must not be negative"))?;
    Ok(PageRequest {
        size: (size > 0).then_some(size),
        token: given(token),
    })
}
