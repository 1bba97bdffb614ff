//! How deep a JSON text nests, before anything builds a tree of it.

/// Whether no value in `json` lies deeper than `levels` of objects and arrays. The text need not
/// be valid: what is wrong with it otherwise is for the parser to say.
pub fn nests_within(json: &[u8], levels: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > levels {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_strings_only() {
        assert!(nests_within(br#"{"a":[1]}"#, 2));
        assert!(!nests_within(br#"{"a":[[1]]}"#, 2));
        assert!(nests_within(br#"{"a":"[[[[\"[["}"#, 1));
        assert!(nests_within(b"[][][]", 1));
    }
}
