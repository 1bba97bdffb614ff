//! Making an input that breaks something as small as it goes.

/// Tries at most so many smaller inputs.
const MAX_TRIES: usize = 4_000;

/// A smaller input for which `breaks` still holds.
pub(crate) fn shrink(input: &[u8], breaks: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut tries = 0;
    let mut size = best.len() / 2;
    while size > 0 {
        let mut start = 0;
        while start < best.len() && tries < MAX_TRIES {
            let mut smaller = best.clone();
            smaller.drain(start..(start + size).min(best.len()));
            tries += 1;
            if breaks(&smaller) {
                best = smaller;
            } else {
                start += size;
            }
        }
        size /= 2;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_is_left_and_nothing_else() {
        let breaks = |input: &[u8]| input.contains(&b'x') && input.contains(&b'y');
        assert_eq!(shrink(b"aaaaxbbbbbbbbbbbyccc", breaks), b"xy");
    }
}
