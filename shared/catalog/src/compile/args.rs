//! The arguments of one tool.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::parse;
use crate::closed::{ArgType, Place, Transform, Unlisted};
use crate::error::Faults;
use crate::manifest::{ArgText, WhenText};
use crate::model::{Arg, Change, Landing, Spread, Target, When};
use crate::path::{FindArg, ResultPath, WirePath};

/// Resolves `use` and names; the order is the manifest's.
pub(super) fn texts(
    values: Vec<toml::Value>,
    shared: &BTreeMap<String, ArgText>,
    faults: &mut Faults,
) -> Vec<(String, ArgText)> {
    let mut found = Vec::new();
    for (i, value) in values.into_iter().enumerate() {
        let key = match &value {
            toml::Value::String(name) => format!("args.{name}"),
            value => match value
                .get("name")
                .or(value.get("use"))
                .and_then(toml::Value::as_str)
            {
                Some(name) => format!("args.{name}"),
                None => format!("args[{i}]"),
            },
        };
        let text = match value {
            toml::Value::String(name) => Some(ArgText {
                base: Some(name),
                ..ArgText::default()
            }),
            value => parse(&key, value, faults),
        };
        let Some(text) = text else { continue };
        let text = match &text.base {
            None => text,
            Some(name) => match shared.get(name) {
                Some(base) => text.over(base),
                None => {
                    faults.add(key, format!("there is no shared argument {name:?}"));
                    continue;
                }
            },
        };
        match text.name.clone() {
            Some(name) => found.push((name, text)),
            None => faults.add(key, "has no name"),
        }
    }
    let mut names = BTreeSet::new();
    for (name, text) in &found {
        for name in std::iter::once(name).chain(text.aliases.iter().flatten()) {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(plain) {
                faults.add(
                    format!("args.{name}"),
                    "an argument's name is letters, digits and _",
                );
            }
            if !names.insert(name.clone()) {
                faults.add(format!("args.{name}"), "the name is used twice");
            }
        }
    }
    found
}

/// What a tool tells about itself that an argument is checked against.
pub(super) struct Context<'a> {
    pub(super) find: FindArg<'a>,
    pub(super) has_hook: bool,
    pub(super) global_query: &'a [String],
}

pub(super) fn arg(name: &str, text: ArgText, cx: &Context<'_>, faults: &mut Faults) -> Option<Arg> {
    let key = |member: &str| format!("args.{name}.{member}");
    let Some(place) = text.place else {
        faults.add(key("in"), "is missing");
        return None;
    };
    let kind = text.kind.unwrap_or(ArgType::String);
    let description = text.description.clone().unwrap_or_default();
    if description.trim().is_empty() {
        faults.add(key("description"), "is missing");
    }
    check_values(name, kind, &text, faults);
    let wire = text.wire.clone().unwrap_or_else(|| name.to_owned());
    if text.unlisted == Some(Unlisted::Global) && !cx.global_query.contains(&wire) {
        faults.add(key("unlisted"), format!("{wire:?} is not in global_query"));
    }
    if text.compare.is_some() != (text.transform == Some(Transform::ClientFilter)) {
        faults.add(
            key("compare"),
            "goes with the transform client_filter, and only with it",
        );
    }
    let change = change(&key("transform"), text.transform, place, faults);
    let spread = spread(&key("transform"), &text, kind, place, faults);
    let target = target(name, &wire, place, &text, cx, faults)?;
    let when = text
        .when
        .as_ref()
        .and_then(|when| condition(&key("when"), when, cx.find, faults));
    Some(Arg {
        name: name.to_owned(),
        aliases: text.aliases.unwrap_or_default(),
        description,
        kind,
        item_kind: text.items.as_ref().and_then(item_kind),
        required: text.required.unwrap_or(false),
        default: text.default,
        accepts_csv: text.accepts_csv.unwrap_or(false),
        value_map: text.value_map.unwrap_or_default(),
        target,
        change,
        spread,
        when,
        unlisted: text.unlisted,
    })
}

fn item_kind(items: &Value) -> Option<ArgType> {
    use serde::Deserialize;
    ArgType::deserialize(items.get("type")?).ok()
}

fn check_values(name: &str, kind: ArgType, text: &ArgText, faults: &mut Faults) {
    let key = |member: &str| format!("args.{name}.{member}");
    match (&text.items, kind) {
        (None, ArgType::Array) => faults.add(key("items"), "an array says what its items are"),
        (Some(_), kind) if kind != ArgType::Array => faults.add(key("items"), "is for arrays"),
        (Some(items), _) if item_kind(items).is_none() => {
            faults.add(
                key("items"),
                "must be an object with one of the known types",
            );
        }
        _ => {}
    }
    if text.accepts_csv == Some(true) && kind != ArgType::Array {
        faults.add(key("accepts_csv"), "is for arrays");
    }
    if text.required == Some(true) && text.default.is_some() {
        faults.add(key("default"), "a required argument has none");
    }
    if let Some(default) = &text.default
        && !has_type(default, kind)
    {
        faults.add(key("default"), format!("is no {}", kind.as_str()));
    }
    if let Some(choices) = &text.choices {
        if choices.is_empty() {
            faults.add(key("enum"), "is empty");
        }
        if text
            .default
            .as_ref()
            .is_some_and(|default| !choices.contains(default))
        {
            faults.add(key("default"), "is not in the enum");
        }
        if choices.iter().any(|choice| !has_type(choice, kind)) {
            faults.add(key("enum"), format!("holds what is no {}", kind.as_str()));
        }
    }
    let numeric = matches!(kind, ArgType::Integer | ArgType::Number);
    if (text.minimum.is_some() || text.maximum.is_some()) && !numeric {
        faults.add(key("minimum"), "is for numbers");
    }
}

pub(super) fn has_type(value: &Value, kind: ArgType) -> bool {
    match kind {
        ArgType::String => value.is_string(),
        ArgType::Integer => value.is_i64() || value.is_u64(),
        ArgType::Number => value.is_number(),
        ArgType::Boolean => value.is_boolean(),
        ArgType::Array => value.is_array(),
        ArgType::Object => value.is_object(),
    }
}

fn change(
    key: &str,
    transform: Option<Transform>,
    place: Place,
    faults: &mut Faults,
) -> Option<Change> {
    let transform = transform?;
    let change = match transform {
        Transform::RawSlashes => Change::RawSlashes,
        Transform::OdataQuote => Change::OdataQuote,
        Transform::DoubleQuote => Change::DoubleQuote,
        Transform::PercentEncode => Change::PercentEncode,
        Transform::ZoomUuid => Change::ZoomUuid,
        Transform::BracedUuid => Change::BracedUuid,
        Transform::Base64Encode => Change::Base64Encode,
        Transform::JoinCsv => Change::JoinCsv,
        Transform::ToArray => Change::ToArray,
        Transform::NamesToObjects => Change::NamesToObjects,
        Transform::NoneToNull => Change::NoneToNull,
        Transform::UuidObjects => Change::UuidObjects,
        Transform::DateToRfc3339 => Change::DateToRfc3339,
        Transform::DateToEpochMs => Change::DateToEpochMs,
        // These change where a value lands, not the value: see `target`.
        Transform::Merge | Transform::BitbucketDescription => return None,
        Transform::Base64Decode => Change::Base64Decode,
        Transform::MarkdownToAdf => Change::MarkdownToAdf,
        Transform::MarkdownToStorage => Change::MarkdownToStorage,
        // These make several requests of one: see `spread`.
        Transform::IterateDays | Transform::FanOut => return None,
        // These are the engine's own: see `target`.
        Transform::Ignored
        | Transform::ClientFilter
        | Transform::RangeEnd
        | Transform::ClientPage
        | Transform::EmulatePage => return None,
    };
    let path_only = matches!(
        change,
        Change::RawSlashes | Change::OdataQuote | Change::ZoomUuid
    );
    if path_only && !matches!(place, Place::Path | Place::Template) {
        faults.add(key, format!("{} is for path arguments", transform.as_str()));
    }
    if change == Change::PercentEncode && place != Place::Header {
        faults.add(key, "percent_encode is for header arguments");
    }
    if change == Change::DoubleQuote && place != Place::Query {
        faults.add(key, "double_quote is for query arguments");
    }
    if change == Change::NoneToNull && !matches!(place, Place::Body | Place::Variable) {
        faults.add(key, "none_to_null is for body arguments and variables");
    }
    if change == Change::Base64Decode && place != Place::Body {
        faults.add(key, "base64_decode is for raw bodies");
    }
    Some(change)
}

fn spread(
    key: &str,
    text: &ArgText,
    kind: ArgType,
    place: Place,
    faults: &mut Faults,
) -> Option<Spread> {
    let spread = match text.transform? {
        Transform::IterateDays => Spread::Days,
        Transform::FanOut => Spread::Each,
        _ => return None,
    };
    if !matches!(place, Place::Query | Place::Body) {
        faults.add(key, "is for query and body arguments");
    }
    if spread == Spread::Each && kind != ArgType::Array {
        faults.add(key, "fan_out is for arrays");
    }
    Some(spread)
}

fn target(
    name: &str,
    wire: &str,
    place: Place,
    text: &ArgText,
    cx: &Context<'_>,
    faults: &mut Faults,
) -> Option<Target> {
    let key = |member: &str| format!("args.{name}.{member}");
    let merge = text.transform == Some(Transform::Merge);
    let twice = text.transform == Some(Transform::BitbucketDescription);
    if (merge || twice) && place != Place::Body {
        faults.add(key("transform"), "is for body arguments");
    }
    let mut landing = || {
        let path = faults.take(&key("wire"), WirePath::parse(wire, cx.find))?;
        let also = WirePath::parse("description", cx.find)
            .ok()
            .filter(|_| twice);
        Some(Landing { path, merge, also })
    };
    Some(match place {
        Place::Path => Target::Path(wire.to_owned()),
        Place::Query => Target::Query(wire.to_owned()),
        Place::Header => {
            super::service::check_header(&key("wire"), wire, "", faults);
            Target::Header(wire.to_owned())
        }
        Place::Body => Target::Body(landing()?),
        Place::Variable => Target::Variable(landing()?),
        Place::Template => Target::Template,
        Place::Code if cx.has_hook => Target::Hook,
        Place::Code => {
            faults.add(key("in"), "is for a code hook, but there is none");
            return None;
        }
        Place::Media => Target::Media,
        Place::Engine => match (text.transform, text.compare) {
            (Some(Transform::Ignored), _) => Target::Ignored,
            (Some(Transform::RangeEnd), _) => Target::LastDay,
            (Some(Transform::EmulatePage), _) => Target::WalkedPage,
            (Some(Transform::ClientPage), _) => match wire {
                "page" => Target::Slice,
                "per_page" => Target::SliceSize,
                _ => {
                    faults.add(key("wire"), "is page or per_page with client_page");
                    return None;
                }
            },
            (Some(Transform::ClientFilter), Some(compare)) => {
                let path = faults.take(&key("wire"), ResultPath::parse(wire, cx.find))?;
                Target::ItemFilter(path, compare)
            }
            (None, _) => {
                faults.add(key("transform"), "an engine argument says what it is for");
                return None;
            }
            // A fault already, by what the transform or the missing compare is.
            _ => return None,
        },
    })
}

pub(super) fn condition(
    key: &str,
    text: &WhenText,
    find: FindArg<'_>,
    faults: &mut Faults,
) -> Option<When> {
    let mut missing = Vec::new();
    let mut index = |name: &String| {
        let found = find(name);
        if found.is_none() {
            missing.push(name.clone());
        }
        found
    };
    let when = When {
        given: text.given.iter().filter_map(&mut index).collect(),
        given_any: text.given_any.iter().filter_map(&mut index).collect(),
        absent: text.absent.iter().filter_map(&mut index).collect(),
        equals: text
            .equals
            .iter()
            .filter_map(|(name, value)| Some((index(name)?, value.clone())))
            .collect(),
    };
    for name in missing {
        faults.add(key, format!("names {name:?}, which is no argument"));
    }
    if when == When::default() {
        faults.add(key, "holds no condition");
        return None;
    }
    Some(when)
}
