//! The newest lines of a server's standard error.

use std::collections::VecDeque;
use std::sync::Mutex;

use fabric::StderrLine;
use time::OffsetDateTime;

/// Bytes of one line; the rest is cut.
pub(super) const LINE_MAX_BYTES: usize = 4 * 1024;
/// Lines kept.
const MAX_LINES: usize = 500;
/// Bytes of text kept.
const MAX_BYTES: usize = 256 * 1024;

/// Kept over the restarts of a server's process.
#[derive(Debug, Default)]
pub(super) struct Ring(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<StderrLine>,
    bytes: usize,
}

impl Ring {
    /// Adds a line as it came, without its line end. Lines without visible text are left out.
    pub(super) fn push(&self, at: OffsetDateTime, line: &[u8]) {
        self.add(at, plain_text(line));
    }

    /// Adds a line of standard output that should not have been there.
    pub(super) fn push_stdout(&self, at: OffsetDateTime, line: &[u8]) {
        let mut text = plain_text(line);
        text.insert_str(0, "stdout: ");
        cut(&mut text);
        self.add(at, text);
    }

    fn add(&self, at: OffsetDateTime, text: String) {
        if text.trim().is_empty() {
            return;
        }
        let mut ring = self.0.lock().expect("no panic while held");
        ring.bytes += text.len();
        ring.lines.push_back(StderrLine { at, text });
        while ring.lines.len() > MAX_LINES || ring.bytes > MAX_BYTES {
            match ring.lines.pop_front() {
                Some(oldest) => ring.bytes -= oldest.text.len(),
                None => break,
            }
        }
    }

    /// Oldest first.
    pub(super) fn lines(&self) -> Vec<StderrLine> {
        self.0
            .lock()
            .expect("no panic while held")
            .lines
            .iter()
            .cloned()
            .collect()
    }
}

/// The text of a line without terminal control: no escape sequences (ECMA-48), no control
/// characters but for tabs, which become spaces, and at most [`LINE_MAX_BYTES`].
fn plain_text(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let mut text = String::with_capacity(line.len().min(LINE_MAX_BYTES));
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => skip_escape(&mut chars),
            // The single-character form of the sequence that `ESC [` begins.
            '\u{9b}' => skip_control_sequence(&mut chars),
            '\t' => text.push(' '),
            control if control.is_control() => {}
            visible => text.push(visible),
        }
    }
    cut(&mut text);
    text
}

/// Skips what follows an ESC.
fn skip_escape(chars: &mut std::str::Chars<'_>) {
    match chars.next() {
        Some('[') => skip_control_sequence(chars),
        // Strings: operating system commands (titles, links) and their like, up to BEL or ESC \.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(char) = chars.next() {
                match char {
                    '\u{7}' | '\u{9c}' => return,
                    '\u{1b}' => {
                        chars.next();
                        return;
                    }
                    _ => {}
                }
            }
        }
        // Intermediate characters precede one final one.
        Some(' '..='/') => {
            chars.find(|char| !matches!(char, ' '..='/'));
        }
        _ => {}
    }
}

/// Skips parameters and intermediates up to the final character.
fn skip_control_sequence(chars: &mut std::str::Chars<'_>) {
    chars.find(|char| ('@'..='~').contains(char));
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(LINE_MAX_BYTES));
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn texts(ring: &Ring) -> Vec<String> {
        ring.lines().into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_lose_what_a_terminal_would_obey() {
        let ring = Ring::default();

        ring.push(
            AT,
            b"\x1b[1;31mred\x1b[0m\tand \x1b]0;title\x07plain\x08\x00\r",
        );
        ring.push(AT, b"\x1b]8;;http://x\x1b\\link\x1b(B \xc2\x9b2Jend");
        ring.push(AT, b"not \xff utf-8");
        ring.push(AT, b"\x1b[2J \r");

        assert_eq!(
            texts(&ring),
            ["red and plain", "link end", "not \u{fffd} utf-8"]
        );
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let ring = Ring::default();

        ring.push(AT, "é".repeat(3_000).as_bytes());
        ring.push_stdout(AT, &[b'x'; 5_000]);

        let texts = texts(&ring);
        assert_eq!(texts[0], "é".repeat(LINE_MAX_BYTES / 2));
        assert!(texts[1].starts_with("stdout: x") && texts[1].len() == LINE_MAX_BYTES);
    }

    #[test]
    fn the_oldest_lines_go_first_when_lines_or_bytes_are_too_many() {
        let (many, large) = (Ring::default(), Ring::default());

        (0..MAX_LINES + 3).for_each(|n| many.push(AT, format!("line {n}").as_bytes()));
        (0..100).for_each(|n| large.push(AT, format!("{n:04000}").as_bytes()));

        assert_eq!(many.lines().len(), MAX_LINES);
        assert_eq!(many.lines()[0].text, "line 3");
        assert_eq!(large.lines().len(), MAX_BYTES / 4_000);
        assert!(large.lines().last().unwrap().text.ends_with("0099"));
    }
}
