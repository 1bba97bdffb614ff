//! An OpenAPI 3 description, reduced to what requests are held against.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// Nesting of schemas that is looked into; recursive ones are cut there.
const DEPTH_MAX: usize = 12;

/// The operations of a provider.
#[derive(Debug)]
pub struct Api {
    operations: Vec<Operation>,
    pub(crate) allows_anything: bool,
}

/// One operation, its schemas in JSON Schema 2020-12 without references.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) segments: Vec<Segment>,
    pub(crate) path: String,
    pub(crate) path_parameters: BTreeMap<String, Parameter>,
    pub(crate) query: BTreeMap<String, Parameter>,
    pub(crate) body: Option<RequestBody>,
    /// The successful answer: status, and the schema of its JSON.
    pub(crate) success: (u16, Option<Value>),
}

#[derive(Debug)]
pub(crate) enum Segment {
    Literal(String),
    Parameter(String),
}

#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) required: bool,
    pub(crate) schema: Value,
}

#[derive(Debug)]
pub(crate) struct RequestBody {
    pub(crate) required: bool,
    /// Schema by media type.
    pub(crate) content: BTreeMap<String, Value>,
}

/// An operation and the values that the request's path has for its parameters, decoded.
pub(crate) struct Found<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) path: BTreeMap<String, String>,
}

impl Api {
    /// Reads a description.
    ///
    /// # Panics
    /// When it is no OpenAPI 3 description: a test cannot go on without.
    pub fn parse(text: &[u8]) -> Self {
        let document: Value = serde_json::from_slice(text).expect("the description is JSON");
        let paths = document["paths"]
            .as_object()
            .expect("the description has paths");
        let mut operations = Vec::new();
        for (path, item) in paths {
            for method in ["get", "post", "put", "patch", "delete"] {
                if let Some(operation) = item.get(method) {
                    operations.push(read(
                        &document,
                        path,
                        method,
                        &item["parameters"],
                        operation,
                    ));
                }
            }
        }
        // Literal segments beat parameters, as routers have it.
        operations.sort_by_key(|operation| {
            operation
                .segments
                .iter()
                .filter(|s| matches!(s, Segment::Parameter(_)))
                .count()
        });
        Self {
            operations,
            allows_anything: false,
        }
    }

    /// No description: everything is allowed, and only the script answers. For what is tested
    /// apart from any provider.
    pub const fn anything() -> Self {
        Self {
            operations: Vec::new(),
            allows_anything: true,
        }
    }

    /// How many operations are described.
    pub fn operations(&self) -> usize {
        self.operations.len()
    }

    pub(crate) fn find(&self, method: &str, path: &str, spanning: &[&str]) -> Option<Found<'_>> {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let of_method = || {
            self.operations
                .iter()
                .filter(|operation| operation.method == method)
        };
        of_method()
            .find_map(|operation| matched(operation, &parts))
            .or_else(|| {
                let spans = |operation: &&Operation| spanning.contains(&operation.path.as_str());
                of_method().filter(spans).find_map(|operation| {
                    let head = operation.segments.len() - 1;
                    let (first, last) = parts.split_at_checked(head)?;
                    let joined = last.join("/");
                    let parts: Vec<&str> = first.iter().copied().chain([joined.as_str()]).collect();
                    matched(operation, &parts)
                })
            })
    }
}

fn matched<'a>(operation: &'a Operation, parts: &[&str]) -> Option<Found<'a>> {
    if parts.len() != operation.segments.len() {
        return None;
    }
    let mut path = BTreeMap::new();
    for (segment, part) in operation.segments.iter().zip(parts) {
        match segment {
            Segment::Literal(literal) if literal == part => {}
            Segment::Parameter(name) if !part.is_empty() => {
                let value = percent_decode_str(part).decode_utf8().ok()?;
                path.insert(name.clone(), value.into_owned());
            }
            _ => return None,
        }
    }
    Some(Found { operation, path })
}

fn read(
    document: &Value,
    path: &str,
    method: &str,
    shared: &Value,
    operation: &Value,
) -> Operation {
    let (mut path_parameters, mut query) = (BTreeMap::new(), BTreeMap::new());
    let own = operation["parameters"].as_array().into_iter().flatten();
    for parameter in shared.as_array().into_iter().flatten().chain(own) {
        let parameter = follow(document, parameter);
        let name = parameter["name"]
            .as_str()
            .expect("a parameter has a name")
            .to_owned();
        let read = Parameter {
            required: parameter["required"] == json!(true),
            schema: schema(document, &parameter["schema"], false, 0),
        };
        match parameter["in"].as_str() {
            Some("path") => path_parameters.insert(name, read),
            Some("query") => query.insert(name, read),
            _ => None,
        };
    }
    let segment = |text: &str| match text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        Some(name) => Segment::Parameter(name.to_owned()),
        None => Segment::Literal(text.to_owned()),
    };
    Operation {
        id: operation["operationId"].as_str().unwrap_or(path).to_owned(),
        method: method.to_uppercase(),
        segments: path.split('/').skip(1).map(segment).collect(),
        path: path.to_owned(),
        path_parameters,
        query,
        body: operation
            .get("requestBody")
            .map(|body| request_body(document, body)),
        success: success(document, &operation["responses"]),
    }
}

fn request_body(document: &Value, body: &Value) -> RequestBody {
    let body = follow(document, body);
    let content = body["content"].as_object().into_iter().flatten();
    RequestBody {
        required: body["required"] == json!(true),
        content: content
            .map(|(kind, media)| (kind.clone(), schema(document, &media["schema"], true, 0)))
            .collect(),
    }
}

fn success(document: &Value, responses: &Value) -> (u16, Option<Value>) {
    let all = responses.as_object().into_iter().flatten();
    let mut known: Vec<(u16, &Value)> = all
        .filter_map(|(status, response)| Some((status.parse().ok()?, response)))
        .collect();
    known.retain(|(status, _)| (200..304).contains(status) && *status != 301);
    known.sort_by_key(|(status, _)| *status);
    let Some((status, response)) = known.first() else {
        return (200, None);
    };
    let content = follow(document, response)["content"].as_object();
    let json = content.and_then(|content| {
        content
            .iter()
            .find(|(kind, _)| kind.ends_with("json"))
            .map(|(_, media)| media)
    });
    (
        *status,
        json.map(|media| schema(document, &media["schema"], false, 0)),
    )
}

fn follow<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let mut value = value;
    for _ in 0..DEPTH_MAX {
        let Some(reference) = value["$ref"].as_str() else {
            return value;
        };
        value = document
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or(&Value::Null);
    }
    value
}

/// The schema in JSON Schema 2020-12. `strict` forbids members that the schema does not name.
fn schema(document: &Value, from: &Value, strict: bool, depth: usize) -> Value {
    let Some(members) = follow(document, from)
        .as_object()
        .filter(|_| depth < DEPTH_MAX)
    else {
        return json!({});
    };
    let below = |value: &Value| schema(document, value, strict, depth + 1);
    let all =
        |value: &Value| -> Value { value.as_array().into_iter().flatten().map(below).collect() };
    let mut out = Map::new();
    for (key, value) in members {
        match key.as_str() {
            "type" | "enum" | "minimum" | "maximum" | "minLength" | "maxLength" | "pattern"
            | "minItems" | "maxItems" | "uniqueItems" | "required" | "format" | "minProperties"
            | "maxProperties" | "multipleOf" => {
                out.insert(key.clone(), value.clone());
            }
            "items" | "not" => {
                out.insert(key.clone(), below(value));
            }
            "additionalProperties" if value.is_object() => {
                out.insert(key.clone(), below(value));
            }
            "additionalProperties" => {
                out.insert(key.clone(), value.clone());
            }
            "oneOf" | "anyOf" | "allOf" => {
                out.insert(key.clone(), all(value));
            }
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                let properties: Map<String, Value> = properties
                    .map(|(name, value)| (name.clone(), below(value)))
                    .collect();
                out.insert(key.clone(), Value::Object(properties));
            }
            _ => {}
        }
    }
    let is_composed = ["oneOf", "anyOf", "allOf"]
        .iter()
        .any(|key| out.contains_key(*key));
    if strict && out.contains_key("properties") && !is_composed {
        out.entry("additionalProperties").or_insert(json!(false));
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
