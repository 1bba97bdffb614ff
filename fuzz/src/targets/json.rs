//! What several targets need to know of JSON.

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

/// How deep a body may nest before it is looked at.
pub(super) const MAX_DEPTH: usize = 64;

/// The input as JSON, as what comes behind the envelope meets it: valid, and not too deep.
pub(super) fn raw(input: &[u8]) -> Option<&RawValue> {
    let raw: &RawValue = serde_json::from_slice(input).ok()?;
    domain::nests_within(input, MAX_DEPTH).then_some(raw)
}

/// What the text means; `None` for texts that are JSON but mean nothing here: half a surrogate
/// pair, a number beyond any double.
pub(super) fn value(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok()
}

/// # Panics
/// It is no JSON.
pub(super) fn assert_json(text: &[u8]) {
    let raw: Result<&RawValue, _> = serde_json::from_slice(text);
    assert!(raw.is_ok(), "not JSON: {}", text.escape_ascii());
}

pub(super) fn bytes(text: &RawValue) -> Bytes {
    Bytes::copy_from_slice(text.get().as_bytes())
}
