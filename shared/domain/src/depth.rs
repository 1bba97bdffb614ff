//! How deep a JSON text nests, before anything builds a tree of it.

/// Whether no value in `json` lies deeper than `levels` of objects and arrays. The text need not
/// be valid: what is wrong with it otherwise is for the parser to say.
pub fn nests_within(json: &[u8], levels: usize) -> bool {
    let (mut depth, mut rest) = (0_usize, json);
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'"' => rest = behind_string(rest),
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

/// What follows the string within which `json` begins; nothing where the string does not end.
/// Strings are most of a large message, and are searched many bytes at a time.
fn behind_string(mut json: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', json) {
        if json[at] == b'"' {
            return &json[at + 1..];
        }
        json = json.get(at + 2..).unwrap_or_default();
    }
    &[]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn depth_is_counted_outside_strings_only() {
        assert!(nests_within(br#"{"a":[1]}"#, 2));
        assert!(!nests_within(br#"{"a":[[1]]}"#, 2));
        assert!(nests_within(br#"{"a":"[[[[\"[["}"#, 1));
        assert!(nests_within(b"[][][]", 1));
    }

    /// The deepest level, byte by byte.
    fn deepest(json: &[u8]) -> usize {
        let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
        for byte in json {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        deepest
    }

    proptest! {
        #[test]
        fn any_text_nests_as_deep_as_its_bytes_say(text in r#"[\[\]{}"\\a ]{0,80}"#) {
            let deepest = deepest(text.as_bytes());

            prop_assert!(nests_within(text.as_bytes(), deepest));
            prop_assert!(deepest == 0 || !nests_within(text.as_bytes(), deepest - 1));
        }
    }
}
