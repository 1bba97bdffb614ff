//! Lines of bounded length from a child's output.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// What is read at once from a pipe.
const READ_BYTES: usize = 64 * 1024;

/// Reads lines.
#[derive(Debug)]
pub(super) struct LineReader<R> {
    from: BufReader<R>,
    max: usize,
    skip_max: u64,
    line: BytesMut,
    /// Bytes of the line that were thrown away because it is too long.
    skipped: u64,
}

/// A line without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Bytes),
    /// The line was longer than the reader keeps; this is its beginning.
    Cut(Bytes),
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// Keeps `max` bytes of each line, and throws away at most `skip_max` more.
    pub(super) fn new(from: R, max: usize, skip_max: u64) -> Self {
        let from = BufReader::with_capacity(READ_BYTES, from);
        Self {
            from,
            max,
            skip_max,
            line: BytesMut::new(),
            skipped: 0,
        }
    }

    /// Reads the next line, `None` at the end. What follows the end of the last line is a line
    /// too. Each part of a line that is thrown away goes through `skipped` first, beginning with
    /// the part that `Cut` returns.
    ///
    /// # Errors
    /// The input cannot be read, or a line is longer than all bounds.
    pub(super) async fn next(
        &mut self,
        mut skipped: impl FnMut(&[u8]),
    ) -> std::io::Result<Option<Line>> {
        loop {
            let read = self.from.fill_buf().await?;
            if read.is_empty() {
                return Ok(if self.line.is_empty() {
                    None
                } else {
                    Some(self.take())
                });
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = &read[..end.unwrap_or(read.len())];
            let room = self.max - self.line.len();
            if part.len() <= room {
                self.line.extend_from_slice(part);
            } else {
                let (kept, rest) = part.split_at(room);
                if self.skipped == 0 {
                    self.line.extend_from_slice(kept);
                    skipped(&self.line);
                }
                skipped(rest);
                self.skipped += rest.len() as u64;
                if self.skipped > self.skip_max {
                    return Err(std::io::Error::other("a line without an end"));
                }
            }
            let consumed = part.len() + usize::from(end.is_some());
            self.from.consume(consumed);
            if end.is_some() {
                return Ok(Some(self.take()));
            }
        }
    }

    fn take(&mut self) -> Line {
        let line = self.line.split().freeze();
        match std::mem::take(&mut self.skipped) {
            0 => Line::Whole(line),
            _ => Line::Cut(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(input: &[u8], max: usize) -> (Vec<Line>, Vec<u8>) {
        let (mut lines, mut skipped) = (Vec::new(), Vec::new());
        let mut reader = LineReader::new(input, max, 1_000_000);
        while let Some(line) = reader
            .next(|part| skipped.extend_from_slice(part))
            .await
            .unwrap()
        {
            lines.push(line);
        }
        (lines, skipped)
    }

    fn whole(text: &'static str) -> Line {
        Line::Whole(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn a_line_at_the_bound_is_whole_and_one_byte_more_is_cut() {
        let (lines, skipped) = read(b"12345\n123456\n\n1234\nlast", 5).await;

        let cut = Line::Cut(Bytes::from_static(b"12345"));
        assert_eq!(
            lines,
            [whole("12345"), cut, whole(""), whole("1234"), whole("last")]
        );
        assert_eq!(skipped, b"123456");
    }

    #[tokio::test]
    async fn what_follows_a_line_longer_than_any_buffer_is_read() {
        let mut input = vec![b'x'; 500_000];
        input.extend_from_slice(b"\nnext\n");

        let (lines, skipped) = read(&input, 100_000).await;

        assert_eq!(lines[1], whole("next"));
        assert_eq!((lines.len(), skipped.len()), (2, 500_000));
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_an_error() {
        let endless = vec![b'x'; 5_000];
        let mut reader = LineReader::new(&endless[..], 10, 100);

        assert!(reader.next(|_| {}).await.is_err());
    }
}
