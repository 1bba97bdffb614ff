//! Top-level members of a JSON object, in order, values raw.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use crate::edit::{member, string, text_of};

/// Names and raw values, in the order of the text. A name given twice stands twice.
pub type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

struct Ordered<'a>(Members<'a>);

/// Splits the text of a JSON object into its members.
///
/// # Errors
/// The text is no JSON object.
pub fn members(object: &str) -> Result<Members<'_>, serde_json::Error> {
    serde_json::from_str::<Ordered<'_>>(object).map(|ordered| ordered.0)
}

impl<'de: 'a, 'a> Deserialize<'de> for Ordered<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(8));
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value::<&'de RawValue>()?));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Collect).map(Ordered)
    }
}

/// An object as it came, split once for all who look at it.
#[derive(Clone, Debug)]
pub struct Split<'a> {
    whole: &'a Bytes,
    text: &'a str,
    members: Members<'a>,
}

impl<'a> Split<'a> {
    /// Splits an object.
    ///
    /// # Errors
    /// `whole` is no JSON object.
    pub fn of(whole: &'a Bytes) -> Result<Self, serde_json::Error> {
        let text = text_of(whole)?;
        Ok(Self {
            whole,
            text,
            members: members(text)?,
        })
    }

    /// The object as it came.
    pub const fn whole(&self) -> &'a Bytes {
        self.whole
    }

    /// The last member of that name, raw; a name given twice means its last value to most readers.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        member(&self.members, name).map(RawValue::get)
    }

    /// The same, where it is a string.
    pub fn string(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).and_then(string)
    }

    pub(crate) const fn text(&self) -> &'a str {
        self.text
    }

    pub(crate) const fn members(&self) -> &Members<'a> {
        &self.members
    }
}

/// A name, borrowed where it holds no escapes (serde's own `Cow` never borrows as a map key).
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }

        deserializer.deserialize_str(Text).map(Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_their_text() {
        let all = members(r#"{ "b": [1, 2.0] ,"a\u0041":null}"#).unwrap();

        let texts: Vec<_> = all.iter().map(|(name, raw)| (&**name, raw.get())).collect();
        assert_eq!(texts, [("b", "[1, 2.0]"), ("aA", "null")]);
        assert!(members("[]").is_err());
    }

    #[test]
    fn what_is_said_twice_or_with_escapes_is_read_as_most_readers_do() {
        let whole = Bytes::from_static(br#"{"a":1,"b":"x","\u0061":"t\u0061sk","c":true}"#);
        let split = Split::of(&whole).unwrap();

        assert_eq!(split.string("a").as_deref(), Some("task"));
        assert_eq!((split.get("c"), split.get("d")), (Some("true"), None));
        assert_eq!(split.string("c"), None);
    }
}
