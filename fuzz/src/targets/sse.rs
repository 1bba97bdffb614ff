use mcp::sse::{Decoder, Event, EventTooLarge, encode};

const MAX_BYTES: usize = 512;

/// Streams of an upstream: the same events however the network cuts them, none larger than
/// allowed. And what is written as an event is read again.
pub fn sse(input: &[u8]) -> (usize, bool, bool, bool, bool) {
    let (events, outcome) = read(input, input.len().max(1));
    for size in [1, 2, 3, 7, 64] {
        let again = read(input, size);
        assert_eq!(again.1, outcome, "in chunks of {size}");
        // Cut otherwise, more may be seen before the event that is too large.
        let common = events.len().min(again.0.len());
        assert_eq!(events[..common], again.0[..common], "in chunks of {size}");
        assert!(outcome.is_err() || events.len() == again.0.len());
    }
    for event in &events {
        assert!(event.data.len() <= MAX_BYTES);
    }

    let (written, outcome_of_ours) = read(&encode(input), 5);
    if outcome_of_ours.is_ok() {
        assert_eq!(written.len(), 1);
        assert_eq!(comparable(&written[0].data), comparable(input));
    }
    let any = |has: fn(&Event) -> bool| events.iter().any(has);
    (
        events.len().min(4),
        any(|event| event.id.is_some()),
        any(|event| event.retry.is_some()),
        any(|event| event.data.contains(&b'\n')),
        outcome.is_err(),
    )
}

fn read(input: &[u8], size: usize) -> (Vec<Event>, Result<(), EventTooLarge>) {
    let (mut decoder, mut events) = (Decoder::new(MAX_BYTES), Vec::new());
    let mut chunks = input.chunks(size);
    let outcome = chunks.try_for_each(|chunk| decoder.feed(chunk, |event| events.push(event)));
    (events, outcome)
}

/// JSON may have a carriage return where it may have a blank, and nowhere else.
fn comparable(data: &[u8]) -> Vec<u8> {
    let printable = data.iter().filter(|byte| !b" \r\n".contains(byte));
    printable.copied().collect()
}
