use bytes::Bytes;
use mcp::batch::{BatchError, join, split};
use mcp::{Message, parse};

use super::json::{MAX_DEPTH, raw, value};

/// Arrays of messages: never more parts than allowed, and together they are what came.
pub fn batch(input: &[u8]) -> (usize, usize) {
    const MAX: usize = 8;
    let Some(raw) = raw(input) else {
        return (usize::MAX, 0);
    };
    match split(raw, MAX) {
        Ok(parts) => {
            assert!((1..=MAX).contains(&parts.len()));
            let bytes =
                |part: &&serde_json::value::RawValue| Bytes::copy_from_slice(part.get().as_bytes());
            let joined = join(&parts.iter().map(bytes).collect::<Vec<_>>());
            if raw.get().starts_with('[') {
                assert_eq!(value(&joined), value(input));
            }
            let messages = parts.iter().filter(|part| {
                let message = parse(part.get().as_bytes(), MAX_DEPTH);
                message.is_ok_and(|message| !matches!(message, Message::Batch(_)))
            });
            (parts.len(), messages.count())
        }
        Err(BatchError::Empty) => {
            assert_eq!(value(input), Some(serde_json::json!([])));
            (0, 0)
        }
        Err(BatchError::TooLong { max }) => {
            assert!(value(input).is_none_or(|all| all.as_array().is_some_and(|a| a.len() > max)));
            (MAX + 1, 0)
        }
    }
}
