//! JSON merge patch (RFC 7396), typed: absent leaves a field, null removes it, a value sets it.

use serde::{Deserialize, Deserializer};

/// What a patch says of one field: `None` nothing, `Some(None)` null, `Some(Some(_))` a value.
pub(crate) type Change<T> = Option<Option<T>>;

/// For `#[serde(default, deserialize_with = "patch::change")]`: tells null from absent.
pub(crate) fn change<'de, T, D>(deserializer: D) -> Result<Change<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// Applies a change to an optional field.
pub(crate) fn apply<T>(field: &mut Option<T>, change: Change<T>) {
    if let Some(value) = change {
        *field = value;
    }
}
