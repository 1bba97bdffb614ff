//! Making new inputs of known ones.

use crate::random::Random;

/// Bytes of the longest input that is made; a shorter one is tried more often.
pub(crate) const MAX_BYTES: usize = 4_096;

/// Bytes that parsers look for, and those at the edges of what they allow.
const TELLING: &[u8] = b"{}[]\",:\\/=?-+.eE0 \t\r\n\0\x1f\x7f\x80\xc3\xff";

/// Words of JSON and JSON-RPC that every target may meet.
const COMMON: &[&str] = &[
    "{}",
    "[]",
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1.0",
    "1e2",
    "-0.0",
    "1e999",
    "9007199254740993",
    "18446744073709551616",
    "\"\"",
    "\"a\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\u0000\"",
    "\"_meta\":",
    "\"jsonrpc\":\"2.0\"",
    "\"id\":1",
    "\"method\":",
    "\"params\":",
    "\"result\":",
    "\"error\":",
    ",",
    ":",
];

/// A change of one input, sometimes with a part of another.
pub(crate) fn mutate(input: &[u8], other: &[u8], words: &[&str], random: &mut Random) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..=random.below(4) {
        once(&mut out, other, words, random);
    }
    out.truncate(MAX_BYTES);
    out
}

fn once(out: &mut Vec<u8>, other: &[u8], words: &[&str], random: &mut Random) {
    let (start, end) = random.part(out.len());
    match random.below(11) {
        0 => {
            if let Some(byte) = out.get_mut(start) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            out.drain(start..end);
        }
        2 => {
            let again = out[start..end].to_vec();
            out.splice(end..end, again);
        }
        3 => out.insert(start, random.byte()),
        4 => out.insert(start, TELLING[random.below(TELLING.len())]),
        5 => {
            let word = word(words, random);
            out.splice(start..start, word.bytes());
        }
        6 => {
            let (start, end) = token(out, start);
            let word = word(words, random);
            out.splice(start..end, word.bytes());
        }
        7 => {
            let (from, to) = random.part(other.len());
            out.splice(start..end, other[from..to].iter().copied());
        }
        8 => {
            let (from, to) = token(other, random.below(other.len() + 1));
            let (start, end) = token(out, start);
            out.splice(start..end, other[from..to].iter().copied());
        }
        9 => {
            let (start, end) = token(out, start);
            nest(out, start, end, random);
        }
        _ => out.truncate(start),
    }
    out.truncate(MAX_BYTES);
}

fn word<'a>(words: &[&'a str], random: &mut Random) -> &'a str {
    if words.is_empty() || random.below(3) == 0 {
        random.pick(COMMON)
    } else {
        random.pick(words)
    }
}

/// The text between the separators around a place: mostly a name or a value.
fn token(text: &[u8], at: usize) -> (usize, usize) {
    let separates = |byte: &u8| b",:{}[]\n".contains(byte);
    let start = text[..at].iter().rposition(separates);
    let end = text[at..].iter().position(separates);
    (
        start.map_or(0, |start| start + 1),
        end.map_or(text.len(), |end| at + end),
    )
}

fn nest(out: &mut Vec<u8>, start: usize, end: usize, random: &mut Random) {
    let depth = [1, 2, 63, 64, 65, 200][random.below(6)];
    let (open, close): (&[u8], &[u8]) = match random.below(2) {
        0 => (b"[", b"]"),
        _ => (b"{\"a\":", b"}"),
    };
    out.splice(end..end, close.repeat(depth));
    out.splice(start..start, open.repeat(depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_mutations_and_none_is_too_long() {
        let made = |seed| {
            let mut random = Random::new(seed);
            let mut inputs = vec![b"{\"a\":[1,2]}".to_vec(), Vec::new()];
            for _ in 0..5_000 {
                let (one, other) = (random.below(inputs.len()), random.below(inputs.len()));
                inputs.push(mutate(&inputs[one], &inputs[other], &["x"], &mut random));
            }
            inputs
        };

        let inputs = made(1);
        assert_eq!(inputs, made(1));
        assert_ne!(inputs, made(2));
        assert!(inputs.iter().all(|input| input.len() <= MAX_BYTES));
    }
}
