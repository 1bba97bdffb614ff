//! What the caller gave: renamed, coerced, checked, and filled up with defaults.

use catalog::closed::ArgType;
use catalog::{Arg, Tool, When};
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value, json};

/// Violations that one answer names.
const VIOLATIONS_SHOWN: usize = 5;
/// Characters of a value that a violation shows.
const VALUE_SHOWN: usize = 80;

/// The arguments of a call, by their index in the tool.
#[derive(Clone, Debug)]
pub(super) struct Arguments {
    values: Vec<Option<Value>>,
    given: Vec<bool>,
}

impl Arguments {
    /// What the argument is, defaults counted in.
    pub(super) fn value(&self, at: usize) -> Option<&Value> {
        self.values.get(at)?.as_ref()
    }

    /// The same with another value of one argument.
    pub(super) fn with(&self, at: usize, value: Value) -> Self {
        let mut changed = self.clone();
        changed.values[at] = Some(value);
        changed.given[at] = true;
        changed
    }

    pub(super) fn holds(&self, when: &When) -> bool {
        let given = |at: &usize| self.given.get(*at).copied().unwrap_or(false);
        when.given.iter().all(given)
            && (when.given_any.is_empty() || when.given_any.iter().any(given))
            && !when.absent.iter().any(given)
            && when
                .equals
                .iter()
                .all(|(at, value)| self.value(*at) == Some(value))
    }
}

/// Reads the raw arguments of a call.
///
/// # Errors
/// The arguments and the rules they break, in words.
pub(super) fn read(
    tool: &Tool,
    validator: &Validator,
    raw: Option<&[u8]>,
) -> Result<Arguments, String> {
    let given: Map<String, Value> = match raw {
        None => Map::new(),
        Some(raw) => serde_json::from_slice(raw)
            .map_err(|_| "the arguments must be a JSON object".to_owned())?,
    };
    let named = rename(tool, given)?;
    for group in &tool.require_one_of {
        if !group
            .iter()
            .any(|at| named.contains_key(&tool.args[*at].name))
        {
            let names: Vec<_> = group
                .iter()
                .map(|at| format!("{:?}", tool.args[*at].name))
                .collect();
            return Err(format!(
                "at least one of the arguments {} is required",
                names.join(", ")
            ));
        }
    }
    let mut named = Value::Object(named);
    let violations: Vec<String> = validator
        .iter_errors(&named)
        .take(VIOLATIONS_SHOWN)
        .map(|error| violation(&error))
        .collect();
    if !violations.is_empty() {
        return Err(violations.join("; "));
    }
    let mut take = |arg: &Arg| named.get_mut(&arg.name).map(Value::take);
    let taken: Vec<Option<Value>> = tool.args.iter().map(&mut take).collect();
    Ok(Arguments {
        given: taken.iter().map(Option::is_some).collect(),
        values: taken
            .into_iter()
            .zip(&tool.args)
            .map(|(value, arg)| value.or_else(|| arg.default.clone()))
            .collect(),
    })
}

fn rename(tool: &Tool, given: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut named = Map::new();
    for (name, value) in given {
        let known = |arg: &&Arg| arg.name == name || arg.aliases.contains(&name);
        let Some(arg) = tool.args.iter().find(known) else {
            let names: Vec<_> = tool.args.iter().map(|arg| arg.name.as_str()).collect();
            let known = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            return Err(format!(
                "argument {:?} is not known; the tool takes: {known}",
                cut(&name)
            ));
        };
        // Many clients send null for what they leave out.
        if value.is_null() {
            continue;
        }
        let value = coerce(tool, arg, value);
        if named.insert(arg.name.clone(), value).is_some() {
            return Err(format!(
                "argument {:?} is given twice, under two names",
                arg.name
            ));
        }
    }
    Ok(named)
}

/// The value as the schema wants it, where no doubt is possible what was meant.
fn coerce(tool: &Tool, arg: &Arg, value: Value) -> Value {
    let value = match (arg.kind, value) {
        (ArgType::Array, Value::String(text)) if arg.accepts_csv => split(&text),
        (kind, value) => scalar(kind, value),
    };
    let value = match (value, arg.item_kind) {
        (Value::Array(items), Some(kind)) => {
            items.into_iter().map(|item| scalar(kind, item)).collect()
        }
        (value, _) => value,
    };
    // A spelling of old that the enum has under another name.
    let choices = tool.input_schema["properties"][&arg.name]
        .get("enum")
        .and_then(Value::as_array);
    match (choices, arg.value_map.get(&super::encode::text(&value))) {
        (Some(choices), Some(mapped)) if !choices.contains(&value) => mapped.clone(),
        _ => value,
    }
}

/// The items of a text: those of the JSON array that it is, or what stands between commas.
fn split(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Array(items)) => Value::Array(items),
        _ => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(Value::from)
            .collect(),
    }
}

fn scalar(kind: ArgType, value: Value) -> Value {
    match (kind, &value) {
        (ArgType::Integer, Value::String(text)) => {
            text.trim().parse::<i64>().map_or(value, Value::from)
        }
        (ArgType::Integer, Value::Number(number)) => {
            whole(number.as_f64()).map_or(value, Value::from)
        }
        (ArgType::Number, Value::String(text)) => match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => json!(number),
            _ => value,
        },
        (ArgType::Boolean, Value::String(text)) => match text.trim() {
            "true" | "True" | "TRUE" => json!(true),
            "false" | "False" | "FALSE" => json!(false),
            _ => value,
        },
        (ArgType::String, Value::Number(_) | Value::Bool(_)) => json!(value.to_string()),
        _ => value,
    }
}

/// `2` for `2.0`; nothing for what is an integer already or none at all.
#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to be a whole number in range"
)]
fn whole(number: Option<f64>) -> Option<i64> {
    let number = number?;
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

/// `argument "per_page" must be at most 100`.
fn violation(error: &ValidationError<'_>) -> String {
    let place = error.instance_path().as_str();
    let name = |extra: Option<&str>| {
        let mut name = String::new();
        for part in place.split('/').skip(1).chain(extra) {
            match part.parse::<usize>() {
                Ok(index) => name.push_str(&format!("[{index}]")),
                Err(_) if name.is_empty() => name.push_str(part),
                Err(_) => name.push_str(&format!(".{part}")),
            }
        }
        format!("argument {name:?}")
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            format!("{} is required", name(property.as_str()))
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            format!(
                "{} is not known",
                name(unexpected.first().map(String::as_str))
            )
        }
        ValidationErrorKind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(kind) => kind.to_string(),
                TypeKind::Multiple(_) => "another type".to_owned(),
            };
            format!(
                "{} must be of type {wanted}, not {}",
                name(None),
                shown(error.instance())
            )
        }
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
            let options: Vec<String> = options.iter().map(Value::to_string).collect();
            format!(
                "{} must be one of {}, not {}",
                name(None),
                options.join(", "),
                shown(error.instance())
            )
        }
        ValidationErrorKind::Minimum { limit } => {
            format!("{} must be at least {limit}", name(None))
        }
        ValidationErrorKind::Maximum { limit } => format!("{} must be at most {limit}", name(None)),
        ValidationErrorKind::MinItems { limit } => {
            format!("{} needs at least {limit} items", name(None))
        }
        ValidationErrorKind::MinLength { limit } => {
            format!("{} needs at least {limit} characters", name(None))
        }
        ValidationErrorKind::MinProperties { limit } => {
            format!("{} needs at least {limit} members", name(None))
        }
        kind => format!(
            "{} breaks the rule {:?} of the schema",
            name(None),
            kind.keyword()
        ),
    }
}

fn shown(value: &Value) -> String {
    cut(&value.to_string())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
