//! Where two JSON values differ, for a person who has to decide.

use serde_json::value::RawValue;

use crate::canonical::{Member, Node};
use crate::limits::{DIFFERENCES_MAX, POINTER_MAX_BYTES};

/// One place where two values differ. What is shown is in canonical form.
#[derive(Clone, Debug)]
pub struct Difference {
    /// JSON pointer (RFC 6901); empty for the whole.
    pub path: String,
    /// What stood there; none where something was added.
    pub before: Option<Box<RawValue>>,
    /// What stands there now; none where something was taken away.
    pub after: Option<Box<RawValue>>,
}

/// All places where two values differ.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// In the order of the names in the document; [`DIFFERENCES_MAX`] at most.
    pub items: Vec<Difference>,
    /// Whether there are no more than these.
    pub complete: bool,
}

/// Compares two JSON values. Blanks, the order of members and the way a number or a string is
/// written make no difference; items of arrays are compared by their position. Where a pointer
/// would become longer than [`POINTER_MAX_BYTES`], what holds it is shown as a whole.
pub fn differences(before: &RawValue, after: &RawValue) -> Differences {
    let mut found = Differences {
        items: Vec::new(),
        complete: true,
    };
    let (before, after) = (Node::read(before.get()), Node::read(after.get()));
    found.compare("", &before, &after);
    found
}

impl Differences {
    fn compare(&mut self, path: &str, before: &Node<'_>, after: &Node<'_>) {
        match (before, after) {
            _ if before == after => {}
            (Node::Object(old), Node::Object(new)) if fits(path, old) && fits(path, new) => {
                self.members(path, old, new);
            }
            (Node::Array(old), Node::Array(new)) if path.len() + 12 <= POINTER_MAX_BYTES => {
                for index in 0..old.len().max(new.len()) {
                    let path = format!("{path}/{index}");
                    self.either(&path, old.get(index), new.get(index));
                }
            }
            _ => self.add(path, Some(before), Some(after)),
        }
    }

    /// Goes through two ordered lists of members together.
    fn members(&mut self, path: &str, old: &[Member<'_>], new: &[Member<'_>]) {
        let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let (before, after) = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(a), Some(b)) if a.name == b.name => (old.next(), new.next()),
                (Some(a), Some(b)) if a.name > b.name => (None, new.next()),
                (None, Some(_)) => (None, new.next()),
                (Some(_), _) => (old.next(), None),
            };
            if let Some(member) = before.or(after) {
                let path = format!("{path}/{}", token(&member.name));
                let (before, after) = (before.map(|m| &m.value), after.map(|m| &m.value));
                self.either(&path, before, after);
            }
        }
    }

    fn either(&mut self, path: &str, before: Option<&Node<'_>>, after: Option<&Node<'_>>) {
        match (before, after) {
            (Some(before), Some(after)) => self.compare(path, before, after),
            (before, after) => self.add(path, before, after),
        }
    }

    fn add(&mut self, path: &str, before: Option<&Node<'_>>, after: Option<&Node<'_>>) {
        if self.items.len() >= DIFFERENCES_MAX {
            self.complete = false;
            return;
        }
        // Always JSON: it was read from JSON.
        let raw = |node: &Node<'_>| RawValue::from_string(node.to_text()).ok();
        self.items.push(Difference {
            path: path.to_owned(),
            before: before.and_then(raw),
            after: after.and_then(raw),
        });
    }
}

/// Whether pointers to all members are short enough.
fn fits(path: &str, members: &[Member<'_>]) -> bool {
    let longest = members.iter().map(|m| token(&m.name).len()).max();
    path.len() + 1 + longest.unwrap_or_default() <= POINTER_MAX_BYTES
}

/// A name as a part of a JSON pointer.
fn token(name: &[u16]) -> String {
    String::from_utf16_lossy(name)
        .replace('~', "~0")
        .replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn found(before: &str, after: &str) -> Vec<(String, String, String)> {
        let all = differences(&raw(before), &raw(after));
        assert!(all.complete);
        let text =
            |raw: Option<Box<RawValue>>| raw.map_or_else(String::new, |r| r.get().to_owned());
        let each = all.items.into_iter();
        each.map(|d| (d.path, text(d.before), text(d.after)))
            .collect()
    }

    #[test]
    fn each_place_is_named_with_what_stood_and_stands_there() {
        let before = r#"{"name":"a","description":"reads","inputSchema":{"a/b":[1,2,{"x":1}]}}"#;
        let after = r#"{ "inputSchema":{"a/b":[1,3]}, "name":"a","description":"deletes",
                         "_meta":null}"#;
        let one = |path: &str, before: &str, after: &str| {
            (path.to_owned(), before.to_owned(), after.to_owned())
        };
        assert_eq!(
            found(before, after),
            [
                one("/_meta", "", "null"),
                one("/description", r#""reads""#, r#""deletes""#),
                one("/inputSchema/a~1b/1", "2", "3"),
                one("/inputSchema/a~1b/2", r#"{"x":1}"#, ""),
            ]
        );
        assert_eq!(found("[1]", "{}"), [one("", "[1]", "{}")]);
        assert_eq!(found(r#"{"a":1,"b":[2]}"#, r#"{"b":[2.0],"a":1}"#), []);
        assert_eq!(
            found(r#"{"a":1,"a":2}"#, r#"{"a":1,"a":3}"#),
            [one("/a", "2", "3")]
        );
    }

    #[test]
    fn what_is_shown_stays_within_bounds() {
        let many = |with: &str| format!("[{}]", [with; DIFFERENCES_MAX + 1].join(","));
        let all = differences(&raw(&many("1")), &raw(&many("2")));
        assert_eq!((all.items.len(), all.complete), (DIFFERENCES_MAX, false));

        let long = "k".repeat(POINTER_MAX_BYTES);
        let before = format!(r#"{{"a":{{"{long}":1,"b":2}}}}"#);
        let after = before.replace(":1", ":3");
        assert_eq!(found(&before, &after)[0].0, "/a");
    }
}
