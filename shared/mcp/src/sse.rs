//! Server-sent events (WHATWG HTML, "Server-sent events"), both directions.

use bytes::{BufMut, Bytes, BytesMut};

/// A comment that keeps a connection from looking dead.
pub const KEEP_ALIVE: &[u8] = b":\n\n";

/// Writes a message as one event. Line breaks in `data` (possible between JSON tokens) become
/// further `data:` lines, which the reader joins again.
pub fn encode(data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + 32);
    out.put_slice(b"event: message\n");
    for line in data.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // A lone CR would end the line for the reader; between JSON tokens a blank is the same.
        out.put_slice(b"data: ");
        if line.contains(&b'\r') {
            out.extend(
                line.iter()
                    .map(|&byte| if byte == b'\r' { b' ' } else { byte }),
            );
        } else {
            out.put_slice(line);
        }
        out.put_u8(b'\n');
    }
    out.put_u8(b'\n');
    out.freeze()
}

/// One event that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The event's name; empty means `message`.
    pub name: String,
    pub data: Vec<u8>,
    /// The last id seen on the stream, if this event set one.
    pub id: Option<String>,
    /// Milliseconds to wait before reconnecting, if this event set them.
    pub retry: Option<u64>,
}

/// Reads events from chunks as they arrive.
#[derive(Debug)]
pub struct Decoder {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    size: usize,
    max: usize,
    after_cr: bool,
    at_start: bool,
}

/// An event is larger than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is larger than allowed")]
pub struct EventTooLarge;

impl Decoder {
    /// A decoder that refuses events of more than `max` bytes.
    pub fn new(max: usize) -> Self {
        Self {
            line: Vec::new(),
            event: Event::default(),
            has_data: false,
            size: 0,
            max,
            after_cr: false,
            at_start: true,
        }
    }

    /// Reads a chunk, and hands each event that it completes to `found`.
    pub fn feed(
        &mut self,
        mut chunk: &[u8],
        mut found: impl FnMut(Event),
    ) -> Result<(), EventTooLarge> {
        if !chunk.is_empty() && std::mem::take(&mut self.after_cr) {
            chunk = chunk.strip_prefix(b"\n").unwrap_or(chunk);
        }
        while let Some(end) = chunk.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            self.extend(&chunk[..end])?;
            let carriage_return = chunk[end] == b'\r';
            chunk = &chunk[end + 1..];
            if carriage_return {
                match chunk.first() {
                    Some(b'\n') => chunk = &chunk[1..],
                    None => self.after_cr = true,
                    Some(_) => {}
                }
            }
            if let Some(event) = self.end_line() {
                found(event);
            }
        }
        self.extend(chunk)
    }

    fn extend(&mut self, part: &[u8]) -> Result<(), EventTooLarge> {
        self.size += part.len();
        if self.size > self.max {
            return Err(EventTooLarge);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self) -> Option<Event> {
        let mut line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.at_start) && line.starts_with("\u{feff}".as_bytes()) {
            line.drain(..3);
        }
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = match line.iter().position(|&byte| byte == b':') {
            Some(0) => {
                // A comment is over with its line and counts for nothing.
                self.size = self.size.saturating_sub(line.len());
                return None;
            }
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (&line[..], &[][..]),
        };
        match field {
            b"event" => self.event.name = String::from_utf8_lossy(value).into_owned(),
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push(b'\n');
                }
                self.event.data.extend_from_slice(value);
            }
            b"id" if !value.contains(&0) => {
                self.event.id = Some(String::from_utf8_lossy(value).into_owned());
            }
            b"retry" => {
                let digits = std::str::from_utf8(value).ok();
                self.event.retry = digits.and_then(|text| text.parse().ok());
            }
            _ => {}
        }
        None
    }

    /// A blank line ends an event. One without any field is none; one that only sets an id or
    /// `retry` is handed on, since a client acts on those.
    fn dispatch(&mut self) -> Option<Event> {
        self.size = 0;
        let has_data = std::mem::take(&mut self.has_data);
        let event = std::mem::take(&mut self.event);
        (has_data || event.id.is_some() || event.retry.is_some()).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<Event> {
        let (mut decoder, mut events) = (Decoder::new(1_000), Vec::new());
        for chunk in chunks {
            decoder.feed(chunk, |event| events.push(event)).unwrap();
        }
        events
    }

    #[test]
    fn events_are_read_whatever_the_line_ends_and_fields() {
        let text = b"\xef\xbb\xbf: hello\r\nid: 7\r\nevent:message\rdata: a\ndata:b\n\n\
                     retry: 30\n\ndata\n\nunknown: x\n\n";
        let expected = [
            Event {
                name: "message".to_owned(),
                data: b"a\nb".to_vec(),
                id: Some("7".to_owned()),
                retry: None,
            },
            Event {
                retry: Some(30),
                ..Event::default()
            },
            Event::default(),
        ];

        assert_eq!(read(&[text]), expected);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(read(&bytes), expected, "byte by byte");
        assert_eq!(
            read(&[b"data: a\r", b"b\n", b"\n"]).len(),
            1,
            "a line after a CR"
        );
    }

    #[test]
    fn an_event_beyond_the_limit_is_refused_and_comments_are_free() {
        let mut decoder = Decoder::new(16);
        for _ in 0..100 {
            decoder
                .feed(b": 0123456789\n", |_| panic!("no event"))
                .unwrap();
        }
        assert_eq!(decoder.feed(b"data: 0123456789\n", |_| ()), Ok(()));
        assert_eq!(decoder.feed(b"data", |_| ()), Err(EventTooLarge));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            lines in proptest::collection::vec("[ -~]{0,20}", 1..5),
            cut in 1_usize..40,
        ) {
            let data = lines.join("\n");
            let wire = encode(data.as_bytes());
            let chunks: Vec<&[u8]> = wire.chunks(cut).collect();

            let events = read(&chunks);

            prop_assert_eq!(events.len(), 1);
            prop_assert_eq!(&events[0].data, data.as_bytes());
        }

        #[test]
        fn no_bytes_break_the_decoder(chunks in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..64), 0..8)) {
            let mut decoder = Decoder::new(128);
            for chunk in &chunks {
                if decoder.feed(chunk, |_| ()).is_err() {
                    break;
                }
            }
        }
    }
}
