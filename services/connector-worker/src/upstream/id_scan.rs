//! Finds the id of a JSON-RPC message that is too long, or too deep, to be kept or parsed, so that
//! the one call it answers can fail and no other.

/// Bytes of a key or an id that are looked at; ours are shorter.
const TOKEN_MAX: usize = 24;

/// Reads the bytes of one line in any number of parts and keeps next to nothing of them.
#[derive(Debug, Default)]
pub(crate) struct IdScan {
    depth: u64,
    in_string: bool,
    escaped: bool,
    /// At the top level, behind a colon.
    in_value: bool,
    token: Vec<u8>,
    key: Vec<u8>,
    is_message: bool,
    id: Option<Vec<u8>>,
}

impl IdScan {
    pub(crate) fn of(line: &[u8]) -> Option<u64> {
        let mut scan = Self::default();
        scan.feed(line);
        scan.id()
    }

    pub(crate) fn feed(&mut self, part: &[u8]) {
        part.iter().for_each(|byte| self.step(*byte));
    }

    /// The id, when it is a number as ours are and when the object says that it is JSON-RPC: a log
    /// line that is JSON and has an `id` is no answer.
    pub(crate) fn id(&self) -> Option<u64> {
        let id = self.id.as_ref().filter(|_| self.is_message)?;
        std::str::from_utf8(id).ok()?.trim().parse().ok()
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            if self.in_string {
                self.keep(byte);
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                // Marks a string value, which is no id of ours.
                if self.in_value {
                    self.keep(byte);
                }
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.end_member();
                self.depth = self.depth.saturating_sub(1);
            }
            b':' if self.depth == 1 => {
                self.key = std::mem::take(&mut self.token);
                self.in_value = true;
            }
            b',' => self.end_member(),
            _ if self.in_value => self.keep(byte),
            _ => {}
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.depth == 1 && self.token.len() < TOKEN_MAX {
            self.token.push(byte);
        }
    }

    fn end_member(&mut self) {
        if self.depth != 1 {
            return;
        }
        let value = std::mem::take(&mut self.token);
        if self.in_value && self.key == b"id" {
            self.id = Some(value);
        }
        self.is_message |= self.key == b"jsonrpc";
        self.in_value = false;
        self.key.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_wherever_it_stands_and_however_the_line_is_cut() {
        for line in [
            r#"{"jsonrpc":"2.0","id":17,"result":{"id":3,"x":[{"id":4}]}}"#,
            r#"{"result":{"text":"\"id\":5,}"},"jsonrpc":"2.0","id":17}"#,
            r#" { "id" : 17 , "error":{}, "jsonrpc":"2.0" }"#,
        ] {
            for cut in 0..line.len() {
                let mut scan = IdScan::default();
                scan.feed(&line.as_bytes()[..cut]);
                scan.feed(&line.as_bytes()[cut..]);
                assert_eq!(scan.id(), Some(17), "{line} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_answer_of_ours_has_no_id() {
        for line in [
            r#"{"level":"info","id":17}"#,
            r#"{"jsonrpc":"2.0","id":"17","result":{}}"#,
            r#"{"jsonrpc":"2.0","result":{"id":17}}"#,
            r#"{"jsonrpc":"2.0","id":-1}"#,
            r#"[{"jsonrpc":"2.0","id":17}]"#,
            "}}}]]],,,:::\"",
            "starting on port 17",
        ] {
            assert_eq!(IdScan::of(line.as_bytes()), None, "{line}");
        }
    }
}
