//! From columns to values and back. A column that breaks a rule is `Corrupt`.

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::StorageError;

/// Microseconds since 1970, cutting what is finer.
pub(crate) fn micros(at: OffsetDateTime) -> i64 {
    // The years that OffsetDateTime knows fit by far.
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000)).unwrap_or(i64::MAX)
}

pub(crate) fn time(micros: i64) -> Result<OffsetDateTime, StorageError> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .map_err(|_| corrupt("time", &micros.to_string()))
}

pub(crate) fn optional_time(micros: Option<i64>) -> Result<Option<OffsetDateTime>, StorageError> {
    micros.map(time).transpose()
}

pub(crate) fn number<T: TryFrom<i64>>(what: &str, stored: i64) -> Result<T, StorageError> {
    T::try_from(stored).map_err(|_| corrupt(what, &stored.to_string()))
}

pub(crate) fn digest(what: &str, stored: &[u8]) -> Result<[u8; 32], StorageError> {
    <[u8; 32]>::try_from(stored).map_err(|_| corrupt(what, &format!("{} bytes", stored.len())))
}

/// Reads one of the words that a `serde` enum is stored as.
pub(crate) fn word<T: DeserializeOwned>(what: &str, stored: &str) -> Result<T, StorageError> {
    serde_json::from_value(serde_json::Value::from(stored)).map_err(|_| corrupt(what, stored))
}

pub(crate) fn from_json<T: DeserializeOwned>(what: &str, stored: &str) -> Result<T, StorageError> {
    serde_json::from_str(stored).map_err(|error| corrupt(what, &error.to_string()))
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our types have string keys and no failing serialisers")
}

pub(crate) fn corrupt(what: &str, stored: &str) -> StorageError {
    StorageError::Corrupt(format!("a stored {what} breaks its rule: {stored}"))
}
