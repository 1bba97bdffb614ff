//! The identity of tool definitions, and what was approved of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::canonical::canonical_json;
use crate::{Tool, ToolDefinition};

/// What identifies a definition: SHA-256 over the UTF-8 bytes of its canonical JSON text
/// ([`canonical_json`]), of the whole definition as the upstream gave it. Written as 64
/// hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ToolHash([u8; 32]);

impl ToolHash {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ToolHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ToolHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 hexadecimal digits in lower case")]
pub struct InvalidToolHash;

impl FromStr for ToolHash {
    type Err = InvalidToolHash;

    fn from_str(text: &str) -> Result<Self, InvalidToolHash> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(InvalidToolHash),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; 32];
        if !rest.is_empty() || pairs.len() != bytes.len() {
            return Err(InvalidToolHash);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(bytes))
    }
}

impl ToolDefinition {
    /// Its identity: the same however the upstream orders and spaces it, another for any change of
    /// what it says.
    pub fn hash(&self) -> ToolHash {
        ToolHash(Sha256::digest(canonical_json(&self.json)).into())
    }
}

/// Where a tool stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolState {
    /// Its definition is the one that was approved.
    Approved,
    /// It is served with a definition that nobody has approved yet.
    Changed,
    /// Its definition changed, and it is neither listed nor callable until that is approved.
    Held,
}

impl ToolState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Changed => "changed",
            Self::Held => "held",
        }
    }
}

/// A definition that differs from the approved one.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingDefinition {
    pub definition: ToolDefinition,
    pub hash: ToolHash,
    /// Whether the tool is kept from use until it is approved.
    pub held: bool,
}

/// A tool with all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownTool {
    /// The definition that was approved: the first one that was seen, or the last one that an
    /// administrator or the connector's setting accepted.
    pub approved: ToolDefinition,
    /// Of `approved`.
    pub hash: ToolHash,
    /// What the upstream says now, where that is something else.
    pub pending: Option<PendingDefinition>,
    /// What the tenant decided, whatever the state.
    pub enabled: bool,
}

impl KnownTool {
    pub fn state(&self) -> ToolState {
        match &self.pending {
            None => ToolState::Approved,
            Some(pending) if pending.held => ToolState::Held,
            Some(_) => ToolState::Changed,
        }
    }

    /// The upstream's own name.
    pub fn name(&self) -> &str {
        &self.approved.name
    }

    /// What is in force: the approved definition unless a changed one is served.
    pub fn definition(&self) -> &ToolDefinition {
        match &self.pending {
            Some(pending) if !pending.held => &pending.definition,
            _ => &self.approved,
        }
    }

    /// The tool as those see it who serve it: a held one is switched off.
    pub fn into_served(self) -> Tool {
        let held = self.state() == ToolState::Held;
        let definition = match self.pending {
            Some(pending) if !pending.held => pending.definition,
            _ => self.approved,
        };
        Tool {
            definition,
            enabled: self.enabled && !held,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    /// JSON as a server may write it: members in any order.
    #[derive(Clone, Debug, PartialEq)]
    enum Json {
        Word(&'static str),
        Number(i64),
        Text(String),
        Array(Vec<Json>),
        Object(Vec<(String, Json)>),
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            prop::sample::select(vec!["true", "false", "null"]).prop_map(Json::Word),
            any::<i64>().prop_map(Json::Number),
            any::<String>().prop_map(Json::Text),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let members = prop::collection::btree_map(any::<String>(), inner.clone(), 0..6);
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Json::Array),
                members.prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        })
    }

    impl Json {
        /// Writes it with blanks, escapes and an order of members that depend on `odd`.
        fn text(&self, odd: usize) -> String {
            let blank = ["", " ", "\n\t", "  "][odd % 4];
            let string = |text: &str| match odd % 3 {
                0 => serde_json::to_string(text).unwrap(),
                _ => {
                    let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
                    format!("\"{}\"", units.collect::<String>())
                }
            };
            match self {
                Self::Word(word) => (*word).to_owned(),
                Self::Number(number) if odd % 2 == 1 => format!("{number}.0e0"),
                Self::Number(number) => number.to_string(),
                Self::Text(text) => string(text),
                Self::Array(items) => {
                    let items = items.iter().map(|item| item.text(odd / 2));
                    let items = items.collect::<Vec<_>>().join(&format!("{blank},{blank}"));
                    format!("{blank}[{items}{blank}]")
                }
                Self::Object(members) => {
                    let member = |(name, value): &(String, Self)| {
                        format!("{}{blank}:{blank}{}", string(name), value.text(odd / 3))
                    };
                    let mut members: Vec<_> = members.iter().map(member).collect();
                    let middle = odd % members.len().max(1);
                    members.rotate_left(middle);
                    format!("{{{blank}{}{blank}}}", members.join(","))
                }
            }
        }

        /// Changes the value that is `index`-th in the order of the document.
        fn change(&mut self, index: &mut usize) {
            if *index == 0 {
                *index = usize::MAX;
                match self {
                    Self::Word(word) => *word = if *word == "true" { "false" } else { "true" },
                    Self::Number(number) => *number = number.wrapping_add(1),
                    Self::Text(text) => text.push('x'),
                    Self::Array(items) => items.push(Self::Word("null")),
                    Self::Object(members) => {
                        let name = members.iter().map(|(name, _)| name.as_str()).collect();
                        members.push((name, Self::Word("null")));
                    }
                }
                return;
            }
            *index = index.saturating_sub(1);
            match self {
                Self::Array(items) => items.iter_mut().for_each(|item| item.change_next(index)),
                Self::Object(all) => all.iter_mut().for_each(|(_, v)| v.change_next(index)),
                _ => {}
            }
        }

        /// Values in it, itself among them.
        fn values(&self) -> usize {
            1 + match self {
                Self::Array(items) => items.iter().map(Self::values).sum(),
                Self::Object(all) => all.iter().map(|(_, value)| value.values()).sum(),
                _ => 0,
            }
        }

        fn change_next(&mut self, index: &mut usize) {
            // The maximum says that it was done.
            if *index != usize::MAX {
                self.change(index);
            }
        }
    }

    fn hash(text: &str) -> ToolHash {
        let json = RawValue::from_string(text.to_owned()).unwrap();
        let name = "t".to_owned();
        ToolDefinition { name, json }.hash()
    }

    proptest! {
        #[test]
        fn how_a_definition_is_written_makes_no_difference(
            value in json(), one in 0_usize..1_000, other in 0_usize..1_000,
        ) {
            prop_assert_eq!(hash(&value.text(one)), hash(&value.text(other)));
        }

        #[test]
        fn any_change_of_what_it_says_does(
            value in json(), which in any::<prop::sample::Index>(), odd in 0_usize..1_000,
        ) {
            let mut changed = value.clone();
            changed.change(&mut which.index(value.values()));
            prop_assert_ne!(&changed, &value);
            prop_assert_ne!(hash(&value.text(odd)), hash(&changed.text(odd)));
        }
    }

    #[test]
    fn a_hash_is_that_of_the_canonical_text_and_is_read_as_it_is_written() {
        let text = r#"{ "name": "a", "inputSchema": {"type":"object"} }"#;
        // sha256 of {"inputSchema":{"type":"object"},"name":"a"}
        let wanted = "60d4353e9a5499b483d09f13d9e28060e70f34edf787bb7040ba30bd390f85af";
        assert_eq!(hash(text).to_string(), wanted);
        assert_eq!(wanted.parse(), Ok(hash(text)));
        for wrong in [
            "",
            &wanted[1..],
            &wanted.to_uppercase(),
            &format!("{wanted}00"),
        ] {
            assert_eq!(wrong.parse::<ToolHash>(), Err(InvalidToolHash), "{wrong}");
        }
    }

    #[test]
    fn a_held_tool_is_switched_off_and_a_changed_one_is_served_as_it_is_now() {
        let definition = |text: &str| ToolDefinition {
            name: "t".to_owned(),
            json: RawValue::from_string(text.to_owned()).unwrap(),
        };
        let (old, new) = (definition("1"), definition("2"));
        let tool = |held: Option<bool>| KnownTool {
            hash: old.hash(),
            approved: old.clone(),
            pending: held.map(|held| PendingDefinition {
                hash: new.hash(),
                definition: new.clone(),
                held,
            }),
            enabled: true,
        };
        for (held, state, served, enabled) in [
            (None, ToolState::Approved, &old, true),
            (Some(false), ToolState::Changed, &new, true),
            (Some(true), ToolState::Held, &old, false),
        ] {
            let tool = tool(held);
            assert_eq!((tool.state(), tool.definition()), (state, served));
            let tool = tool.into_served();
            assert_eq!((&tool.definition, tool.enabled), (served, enabled));
        }
    }
}
