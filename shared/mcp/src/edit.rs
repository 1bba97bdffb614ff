//! Changing some tokens of a JSON text; every other byte stays as it was written.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::object::Members;

/// Changes to one text, gathered first and applied together.
#[derive(Debug)]
pub(crate) struct Edits<'a> {
    text: &'a str,
    /// Disjoint, or one within another that is removed. Those at one place in the order in which
    /// they apply.
    changes: Vec<(Range<usize>, String)>,
}

impl<'a> Edits<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            text,
            changes: Vec::new(),
        }
    }

    /// Puts `with` in the place of `part`, which is a slice of the text.
    pub(crate) fn replace(&mut self, part: &str, with: String) {
        let start = self.offset(part);
        self.changes.push((start..start + part.len(), with));
    }

    /// Takes members out of `object`, a slice of the text, and puts the members `inside` (no
    /// braces) in front of those that stay. At most once for each object.
    pub(crate) fn reshape(
        &mut self,
        object: &str,
        members: &Members<'_>,
        mut inside: String,
        unwanted: impl Fn(&str, &RawValue) -> bool,
    ) {
        let mut start = self.offset(object) + 1;
        if !inside.is_empty() {
            if !members.iter().all(|(name, raw)| unwanted(name, raw)) {
                inside.push(',');
            }
            self.changes.push((start..start, inside));
        }
        // A removed member takes the comma before it along, or, before the first that stays, the
        // one behind it.
        let mut kept_any = false;
        for (index, (name, raw)) in members.iter().enumerate() {
            let mut end = self.offset(raw.get()) + raw.get().len();
            if unwanted(name, raw) {
                if !kept_any && index + 1 < members.len() {
                    end = self.behind_comma(end);
                }
                self.changes.push((start..end, String::new()));
            } else {
                kept_any = true;
            }
            start = end;
        }
    }

    /// The changed text; `None` when there are no changes.
    pub(crate) fn apply(mut self) -> Option<String> {
        if self.changes.is_empty() {
            return None;
        }
        self.changes.sort_by_key(|(range, _)| range.start);
        let added: usize = self.changes.iter().map(|(_, with)| with.len()).sum();
        let mut out = String::with_capacity(self.text.len() + added);
        let mut done = 0;
        for (range, with) in &self.changes {
            // Within something that is gone already.
            if range.start < done {
                continue;
            }
            out.push_str(&self.text[done..range.start]);
            out.push_str(with);
            done = range.end;
        }
        out.push_str(&self.text[done..]);
        Some(out)
    }

    /// The changed text of `whole`, which is what this was made for.
    pub(crate) fn apply_to(self, whole: &Bytes) -> Bytes {
        self.apply().map_or_else(|| whole.clone(), Bytes::from)
    }

    /// Where `part`, a slice of the text, begins in it.
    fn offset(&self, part: &str) -> usize {
        part.as_ptr() as usize - self.text.as_ptr() as usize
    }

    fn behind_comma(&self, end: usize) -> usize {
        let comma = self.text[end..].find(',');
        end + comma.expect("another member follows") + 1
    }
}

/// The text of some JSON.
pub(crate) fn text_of(json: &[u8]) -> Result<&str, serde_json::Error> {
    std::str::from_utf8(json).map_err(serde::de::Error::custom)
}

/// The elements of a JSON array; none of anything else.
pub(crate) fn items(json: &str) -> Vec<&RawValue> {
    serde_json::from_str(json).unwrap_or_default()
}

/// The text of a JSON string; `None` for anything else.
pub(crate) fn string(json: &str) -> Option<Cow<'_, str>> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inside))
    }
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

/// The last member of that name; a name given twice means its last value to most readers.
pub(crate) fn member<'a>(members: &Members<'a>, name: &str) -> Option<&'a RawValue> {
    let mut from_last = members.iter().rev();
    from_last.find(|(key, _)| key == name).map(|(_, raw)| *raw)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::object::members;

    #[test]
    fn members_are_removed_with_one_comma_each_and_nothing_else() {
        let text = r#"{ "a" : 1 , "b":[ ] ,"c": {} , "d":"x" }"#;
        let without = |unwanted: &str| {
            let mut edits = Edits::new(text);
            let unwanted = |name: &str, _: &RawValue| unwanted.contains(name);
            edits.reshape(text, &members(text).unwrap(), String::new(), unwanted);
            edits.apply()
        };

        assert_eq!(without(""), None);
        assert_eq!(without("a").unwrap(), r#"{ "b":[ ] ,"c": {} , "d":"x" }"#);
        assert_eq!(without("bc").unwrap(), r#"{ "a" : 1 , "d":"x" }"#);
        assert_eq!(without("d").unwrap(), r#"{ "a" : 1 , "b":[ ] ,"c": {} }"#);
        assert_eq!(without("abcd").unwrap(), "{ }");
    }

    #[test]
    fn members_are_put_in_front() {
        for (text, expected) in [
            ("{ }", r#"{"n":0 }"#),
            (r#"{"b":1 }"#, r#"{"n":0 }"#),
            (r#"{"b":1, "a":1}"#, r#"{"n":0, "a":1}"#),
        ] {
            let mut edits = Edits::new(text);
            let inside = r#""n":0"#.to_owned();
            edits.reshape(text, &members(text).unwrap(), inside, |name, _| name == "b");
            assert_eq!(edits.apply().unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn any_choice_of_members_leaves_the_others_as_they_were(
            flags in proptest::collection::vec((any::<bool>(), "[ \n]{0,2}"), 0..8),
            front in any::<bool>(),
        ) {
            let parts: Vec<String> = flags
                .iter()
                .enumerate()
                .map(|(n, (_, blank))| format!("{blank}\"k{n}\"{blank}:{blank}[{n}.50, \",\"]{blank}"))
                .collect();
            let text = format!("{{{}}}", parts.join(","));
            let all = members(&text).unwrap();
            let unwanted = |name: &str| flags[name[1..].parse::<usize>().unwrap()].0;
            let mut edits = Edits::new(&text);
            let inside = if front { r#""n":0"#.to_owned() } else { String::new() };
            edits.reshape(&text, &all, inside, |name, _| unwanted(name));
            let out = edits.apply().unwrap_or_else(|| text.clone());

            let expected: Vec<_> = all.iter().filter(|(name, _)| !unwanted(name)).collect();
            let mut left = members(&out).unwrap();
            if front {
                prop_assert_eq!(&left.remove(0).0, "n");
            }
            prop_assert_eq!(left.len(), expected.len());
            for (is, was) in left.iter().zip(expected) {
                prop_assert_eq!((&is.0, is.1.get()), (&was.0, was.1.get()));
            }
        }
    }
}
