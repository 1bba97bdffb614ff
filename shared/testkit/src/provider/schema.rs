//! JSON Schemas of a description, without references.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// Nesting of schemas that is looked into; recursive ones are cut there.
const DEPTH_MAX: usize = 9;

/// JSON Schema 2020-12, compiled when something is first held against it.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) value: Value,
    compiled: OnceLock<Result<Validator, String>>,
}

impl Schema {
    pub(crate) fn new(value: Value) -> Self {
        Self {
            value,
            compiled: OnceLock::new(),
        }
    }

    /// Everything conforms.
    pub(crate) fn any() -> Self {
        Self::new(json!({}))
    }

    /// What does not conform, in words.
    pub(crate) fn errors(&self, value: &Value) -> Vec<String> {
        let compiled = self.compiled.get_or_init(|| {
            let options = jsonschema::options().should_validate_formats(true);
            options
                .build(&self.value)
                .map_err(|error| error.to_string())
        });
        match compiled {
            Ok(validator) => {
                let told = |error: jsonschema::ValidationError<'_>| {
                    let mut text = format!("{} {error}", error.instance_path());
                    if text.len() > 600 {
                        text.truncate(text.floor_char_boundary(600));
                        text.push('…');
                    }
                    text
                };
                validator.iter_errors(value).map(told).collect()
            }
            Err(error) => vec![format!("the described schema cannot be used: {error}")],
        }
    }
}

/// Whether a value conforms to a JSON Schema. As text, one way to read it must.
pub fn conforms(schema: &Value, value: &Value, as_text: bool) -> bool {
    let schema = Schema::new(schema.clone());
    let fits = |value: &Value| schema.errors(value).is_empty();
    match value.as_str().filter(|_| as_text) {
        Some(text) => readings(text).iter().any(fits),
        None => fits(value),
    }
}

/// Whether it is of lists, or may be.
pub(crate) fn is_list(schema: &Value) -> bool {
    let array = json!("array");
    schema["type"] == array
        || schema["type"]
            .as_array()
            .is_some_and(|kinds| kinds.contains(&array))
        || parts(schema).any(is_list)
}

/// What a parameter's text may mean, the likeliest first.
pub(crate) fn readings(text: &str) -> Vec<Value> {
    let mut readings: Vec<Value> = Vec::new();
    if let Ok(number) = text.parse::<i64>() {
        readings.push(json!(number));
    } else if let Ok(number) = text.parse::<f64>() {
        readings.push(json!(number));
    }
    if let Ok(truth) = text.parse::<bool>() {
        readings.push(json!(truth));
    }
    readings.push(json!(text));
    readings
}

/// How a description names the schemas that it shares.
pub(crate) struct Document<'a> {
    pub(crate) root: &'a Value,
    /// Before the name in a reference: `#` for JSON pointers, else where the names are.
    pub(crate) shared: Option<&'a str>,
    /// Bodies may hold the annotations of OData.
    pub(crate) is_odata: bool,
}

impl<'a> Document<'a> {
    /// What stands behind a reference.
    pub(crate) fn follow(&self, value: &'a Value) -> &'a Value {
        let mut value = value;
        for _ in 0..DEPTH_MAX {
            let Some(reference) = value["$ref"].as_str() else {
                return value;
            };
            value = match self.shared {
                Some(member) => &self.root[member][reference],
                None => self
                    .root
                    .pointer(reference.trim_start_matches('#'))
                    .unwrap_or(&Value::Null),
            };
        }
        value
    }

    /// A parameter's or an answer's schema.
    pub(crate) fn loose(&self, from: &'a Value) -> Value {
        self.schema(from, Names::Open, 0)
    }

    /// A body's schema: members that it does not name are forbidden.
    pub(crate) fn strict(&self, from: &'a Value) -> Value {
        self.schema(from, Names::Closed, 0)
    }

    fn schema(&self, from: &'a Value, names: Names, depth: usize) -> Value {
        let followed = self.follow(from);
        let Some(members) = followed.as_object().filter(|_| depth < DEPTH_MAX) else {
            return json!({});
        };
        let variants = members.get("discriminator").map(|told| &told["mapping"]);
        if let Some(variants) = variants.and_then(Value::as_object)
            && names != Names::Part
        {
            return self.variants(from, variants, names, depth);
        }
        let inside = match names {
            Names::Part => Names::Closed,
            names => names,
        };
        let mut out = Map::new();
        for (key, value) in members {
            match key.as_str() {
                // A discovery document's word for no type at all.
                "type" if value == "any" => {}
                // On a property a word of OpenAPI 2 and of discovery documents.
                "required" if !value.is_array() => {}
                "exclusiveMinimum" | "exclusiveMaximum" if !value.is_number() => {}
                // Discovery documents write numbers as text.
                "minimum" | "maximum" if value.is_string() => {
                    let number = value.as_str().and_then(|text| text.parse::<i64>().ok());
                    out.extend(number.map(|number| (key.clone(), json!(number))));
                }
                "type" | "enum" | "const" | "minimum" | "maximum" | "exclusiveMinimum"
                | "exclusiveMaximum" | "minLength" | "maxLength" | "pattern" | "minItems"
                | "maxItems" | "uniqueItems" | "required" | "format" | "minProperties"
                | "maxProperties" | "multipleOf" => {
                    out.insert(key.clone(), value.clone());
                }
                "items" | "not" => {
                    out.insert(key.clone(), self.schema(value, inside, depth + 1));
                }
                "additionalProperties" if value.is_object() => {
                    out.insert(key.clone(), self.schema(value, inside, depth + 1));
                }
                "additionalProperties" => {
                    out.insert(key.clone(), value.clone());
                }
                "oneOf" | "anyOf" | "allOf" => {
                    let part = match names {
                        Names::Open => Names::Open,
                        _ => Names::Part,
                    };
                    let parts = value.as_array().into_iter().flatten();
                    let parts: Value = parts
                        .map(|part_of| self.schema(part_of, part, depth + 1))
                        .collect();
                    // Parts that are told apart by nothing but their names would all fit.
                    let key = if key == "allOf" { "allOf" } else { "anyOf" };
                    out.insert(key.to_owned(), parts);
                }
                "properties" => {
                    let properties = value.as_object().into_iter().flatten();
                    let properties: Map<String, Value> = properties
                        .map(|(name, value)| (name.clone(), self.schema(value, inside, depth + 1)))
                        .collect();
                    out.insert(key.clone(), Value::Object(properties));
                }
                _ => {}
            }
        }
        if names != Names::Open && self.is_odata && out.contains_key("properties") {
            // Of any member OData may say what it is bound to, or of what type it is.
            out.insert(
                "patternProperties".to_owned(),
                json!({ "@odata\\.(bind|type)$": {} }),
            );
        }
        if names == Names::Closed {
            close(&mut out);
        }
        if members.get("nullable") == Some(&json!(true)) {
            if let Some(kind) = out.get_mut("type") {
                *kind = json!([kind.clone(), "null"]);
            }
            if let Some(Value::Array(choices)) = out.get_mut("enum") {
                choices.push(Value::Null);
            }
        }
        Value::Object(out)
    }

    /// A type and those that are derived from it.
    fn variants(
        &self,
        base: &'a Value,
        variants: &'a Map<String, Value>,
        names: Names,
        depth: usize,
    ) -> Value {
        let one = |from: &'a Value| self.schema(from, Names::Part, depth + 1);
        let derived = variants.values().filter_map(|reference| {
            let pointer = reference.as_str()?.trim_start_matches('#');
            self.root.pointer(pointer).map(one)
        });
        let all: Vec<Value> = std::iter::once(one(base)).chain(derived).collect();
        let mut out = Map::from_iter([("anyOf".to_owned(), json!(all))]);
        if names == Names::Closed {
            close(&mut out);
        }
        Value::Object(out)
    }
}

/// What a schema says of members that it does not name.
#[derive(Clone, Copy, PartialEq)]
enum Names {
    /// Nothing.
    Open,
    /// They are forbidden.
    Closed,
    /// It is part of one that forbids them, together with its other parts.
    Part,
}

fn close(out: &mut Map<String, Value>) {
    let is_composed = out.contains_key("anyOf") || out.contains_key("allOf");
    if out.contains_key("additionalProperties") {
        return;
    }
    if is_composed {
        let parts = ["anyOf", "allOf"].iter().filter_map(|key| out.get(*key));
        let parts = parts.flat_map(|parts| parts.as_array().into_iter().flatten());
        if parts.clone().any(names_some) && !parts.clone().any(is_free) {
            out.insert("unevaluatedProperties".to_owned(), json!(false));
        }
    } else if out.contains_key("properties") {
        out.insert("additionalProperties".to_owned(), json!(false));
    }
}

fn parts(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "allOf"]
        .into_iter()
        .flat_map(|key| schema[key].as_array().into_iter().flatten())
}

fn names_some(schema: &Value) -> bool {
    schema["properties"].is_object() || parts(schema).any(names_some)
}

/// An object of which nothing is said.
fn is_free(schema: &Value) -> bool {
    let composed = parts(schema).next().is_some();
    let silent = schema.get("properties").is_none() && !composed;
    (silent
        && matches!(schema["type"].as_str(), None | Some("object"))
        && schema.get("enum").is_none())
        || parts(schema).any(is_free)
}
