//! The JSON Schema 2020-12 of a tool's arguments.

use serde_json::{Map, Value, json};

use crate::closed::ArgType;
use crate::manifest::ArgText;
use crate::model::Arg;

/// What is true of one argument's value.
pub(crate) fn property(text: &ArgText) -> Value {
    let mut property = Map::new();
    let kind = text.kind.unwrap_or(ArgType::String);
    property.insert("type".to_owned(), json!(kind.as_str()));
    if let Some(description) = &text.description {
        property.insert("description".to_owned(), json!(description));
    }
    if let Some(choices) = &text.choices {
        property.insert("enum".to_owned(), json!(choices));
    }
    for (key, bound) in [("minimum", text.minimum), ("maximum", text.maximum)] {
        if let Some(bound) = bound {
            property.insert(key.to_owned(), number(bound));
        }
    }
    if let Some(items) = &text.items {
        property.insert("items".to_owned(), items.clone());
    }
    if let Some(default) = &text.default {
        property.insert("default".to_owned(), default.clone());
    }
    property.extend(text.schema.clone().unwrap_or_default());
    Value::Object(property)
}

/// `100`, not `100.0`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to be a whole number"
)]
fn number(bound: f64) -> Value {
    if bound.fract() == 0.0 && bound.abs() < 9e15 {
        json!(bound as i64)
    } else {
        json!(bound)
    }
}

/// The whole schema; `properties` are those of `args`, in their order.
///
/// Says nothing of `require_one_of`: the model providers' own APIs refuse a tool (and with it the
/// whole conversation) whose schema has `anyOf` at its root. The description says it instead,
/// and the engine checks it.
pub(crate) fn input(args: &[Arg], properties: &[Value]) -> Value {
    let named: Map<String, Value> = args
        .iter()
        .zip(properties)
        .map(|(arg, value)| (arg.name.clone(), value.clone()))
        .collect();
    let required: Vec<&str> = args
        .iter()
        .filter(|arg| arg.required)
        .map(|arg| arg.name.as_str())
        .collect();
    let mut schema = json!({ "type": "object", "properties": named });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema["additionalProperties"] = json!(false);
    schema
}
