//! Ids of events: which stream, and which of its events. They are no secret; a stream is open to
//! its own session alone.

use cache::StreamId;
use uuid::Uuid;

/// The id of event `number` of a stream; 0 is the place before the first.
pub(super) fn write(stream: StreamId, number: u64) -> String {
    format!("{}.{number}", stream.as_simple())
}

/// Reads an id that was written here, in exactly that form.
pub(super) fn read(text: &str) -> Option<(StreamId, u64)> {
    let (stream, number) = text.split_once('.')?;
    let stream = Uuid::try_parse(stream).ok()?;
    let number = number.parse().ok()?;
    (write(stream, number) == text).then_some((stream, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_here_is_read() {
        let stream = Uuid::from_u128(0xab);
        let id = write(stream, 17);

        assert_eq!(id, "000000000000000000000000000000ab.17");
        assert_eq!(read(&id), Some((stream, 17)));
        for wrong in [
            "",
            ".",
            "17",
            "000000000000000000000000000000ab",
            "000000000000000000000000000000ab.",
            "000000000000000000000000000000ab.017",
            "000000000000000000000000000000ab.+17",
            "000000000000000000000000000000ab.-1",
            "000000000000000000000000000000ab.1.7",
            "000000000000000000000000000000ab.18446744073709551616",
            "000000000000000000000000000000AB.17",
            "00000000-0000-0000-0000-0000000000ab.17",
            " 000000000000000000000000000000ab.17",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_bytes_are_another_way_to_write_an_id() {
        fuzz_targets::fuzz("event_id", &["0000", ".", "+", "-"], |input| {
            let text = String::from_utf8_lossy(input);
            let id = read(&text);
            if let Some((stream, number)) = id {
                assert_eq!(write(stream, number), text);
            }
            id.map(|(_, number)| number.min(100))
        });
    }
}
