//! Arrays of messages (2025-03-26 alone, "Sending Messages to the Server").

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::{Deserializer as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Why an array of messages is refused as a whole, with `codes::INVALID_REQUEST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("Invalid Request: a batch must not be empty")]
    Empty,
    #[error("Invalid Request: a batch may hold at most {max} messages")]
    TooLong { max: usize },
}

/// Splits a batch into its parts. Each is to be given to [`parse`](crate::parse), which may well
/// refuse it, or find that it is an array itself: then it is no message either.
///
/// # Errors
/// There are no parts, or more than `max`; no more than those are ever held.
pub fn split(batch: &RawValue, max: usize) -> Result<Vec<&RawValue>, BatchError> {
    let mut json = serde_json::Deserializer::from_str(batch.get());
    match json.deserialize_seq(UpTo(max)) {
        Ok(Some(parts)) if parts.is_empty() => Err(BatchError::Empty),
        Ok(Some(parts)) => Ok(parts),
        Ok(None) => Err(BatchError::TooLong { max }),
        // Valid JSON that is no array: a single message.
        Err(_) => Ok(vec![batch]),
    }
}

/// The answers to a batch as one JSON array, in the order given.
pub fn join(answers: &[Bytes]) -> Bytes {
    let size: usize = answers.iter().map(|answer| answer.len() + 1).sum();
    let mut out = BytesMut::with_capacity(size + 2);
    out.put_u8(b'[');
    for (index, answer) in answers.iter().enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        out.put_slice(answer);
    }
    out.put_u8(b']');
    out.freeze()
}

/// Collects up to so many elements; `None` when there are more.
struct UpTo(usize);

impl<'de> Visitor<'de> for UpTo {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut parts = Vec::new();
        while parts.len() < self.0 {
            match seq.next_element()? {
                Some(part) => parts.push(part),
                None => return Ok(Some(parts)),
            }
        }
        let mut more = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok((!more).then_some(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_batch_is_split_into_its_messages_as_they_were_written() {
        let batch = raw(r#"[ {"id": 1.0} ,2,[ ]]"#);
        let parts = split(&batch, 3).unwrap();
        let texts: Vec<_> = parts.iter().map(|part| part.get()).collect();

        assert_eq!(texts, [r#"{"id": 1.0}"#, "2", "[ ]"]);
    }

    #[test]
    fn a_batch_that_is_empty_or_too_long_is_refused_in_words() {
        assert_eq!(split(&raw("[ ]"), 3).unwrap_err(), BatchError::Empty);
        let long = split(&raw("[1,2,3,4]"), 3).unwrap_err();
        assert_eq!(long, BatchError::TooLong { max: 3 });
        assert_eq!(
            long.to_string(),
            "Invalid Request: a batch may hold at most 3 messages"
        );
    }

    #[test]
    fn answers_are_joined_in_their_order() {
        let answers = [Bytes::from_static(b"{}"), Bytes::from_static(b"[1]")];
        assert_eq!(&join(&answers)[..], b"[{},[1]]");
        assert_eq!(&join(&[])[..], b"[]");
    }
}
