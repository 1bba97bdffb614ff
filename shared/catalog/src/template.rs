//! Text with arguments in it: `{{name}}`, `{{name|filter}}`.

use serde_json::Value;

use crate::closed::Filter;
use crate::path::FindArg;

/// Text with arguments in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text(String),
    /// The value of an argument, by its index in the tool.
    Arg(usize, Option<Filter>),
}

impl Template {
    pub(crate) fn parse(text: &str, find: FindArg<'_>) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let Some((inside, after)) = after.split_once("}}") else {
                return Err(format!("{text:?} has {{{{ without }}}}"));
            };
            let (name, filter) = match inside.split_once('|') {
                None => (inside, None),
                Some((name, "drive_quote")) => (name, Some(Filter::DriveQuote)),
                Some((name, "odata_quote")) => (name, Some(Filter::OdataQuote)),
                Some((_, filter)) => {
                    return Err(format!("{text:?} has the unknown filter {filter:?}"));
                }
            };
            let Some(arg) = find(name) else {
                return Err(format!("{text:?} names {name:?}, which is no argument"));
            };
            parts.push(Part::Arg(arg, filter));
            rest = after;
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The argument whose value, type and all, is the whole value.
    pub fn whole(&self) -> Option<usize> {
        match self.0.as_slice() {
            [Part::Arg(arg, None)] => Some(*arg),
            _ => None,
        }
    }

    /// The arguments that the text needs.
    pub fn args(&self) -> impl Iterator<Item = usize> {
        self.0.iter().filter_map(|part| match part {
            Part::Arg(arg, _) => Some(*arg),
            Part::Text(_) => None,
        })
    }
}

/// A constant of a manifest: JSON whose strings are templates.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    Fixed(Value),
    Text(Template),
    Array(Vec<Constant>),
    Object(Vec<(String, Constant)>),
}

impl Constant {
    pub(crate) fn parse(value: &Value, find: FindArg<'_>) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) if text.contains("{{") => Self::Text(Template::parse(text, find)?),
            Value::Array(items) => Self::Array(
                items
                    .iter()
                    .map(|item| Self::parse(item, find))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), Self::parse(value, find)?)))
                    .collect::<Result<_, String>>()?,
            ),
            other => Self::Fixed(other.clone()),
        })
    }

    /// The arguments that the constant needs.
    pub fn args(&self) -> Vec<usize> {
        match self {
            Self::Fixed(_) => Vec::new(),
            Self::Text(template) => template.args().collect(),
            Self::Array(items) => items.iter().flat_map(Self::args).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, value)| value.args()).collect(),
        }
    }
}
