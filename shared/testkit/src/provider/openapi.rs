//! OpenAPI 3.0 and 3.1.

use serde_json::{Value, json};

use super::api::{Api, Detail, Operation, Parameter, RequestBody};
use super::schema::{Document, Schema};

impl Api {
    /// Reads an OpenAPI description.
    ///
    /// # Panics
    /// When it is none: a test cannot go on without.
    pub fn openapi(text: &[u8]) -> Self {
        let root: Value = serde_json::from_slice(text).expect("the description is JSON");
        let document = Document {
            root: &root,
            shared: None,
            is_odata: root["components"]["schemas"]
                .as_object()
                .is_some_and(|all| all.keys().any(|name| name.starts_with("microsoft.graph."))),
        };
        let paths = root["paths"]
            .as_object()
            .expect("the description has paths");
        let mut operations = Vec::new();
        for (path, item) in paths {
            for method in ["get", "post", "put", "patch", "delete"] {
                if let Some(operation) = item.get(method) {
                    let shared = &item["parameters"];
                    operations.push(read(&document, path, method, shared, operation));
                }
            }
        }
        Self::of(operations)
    }
}

fn read<'a>(
    document: &Document<'a>,
    path: &str,
    method: &str,
    shared: &'a Value,
    operation: &'a Value,
) -> Operation {
    let unnamed = format!("{} {path}", method.to_uppercase());
    let id = operation["operationId"].as_str().unwrap_or(&unnamed);
    let mut read = Operation::new(id, method, path, Detail::Schemas);
    read.path_parameters.clear();
    let own = operation["parameters"].as_array().into_iter().flatten();
    for parameter in shared.as_array().into_iter().flatten().chain(own) {
        let parameter = document.follow(parameter);
        let name = parameter["name"]
            .as_str()
            .expect("a parameter has a name")
            .to_owned();
        let required = parameter["required"] == json!(true);
        let known = Parameter {
            required,
            joined: parameter["explode"] == json!(false),
            schema: Schema::new(sayable(document.loose(&parameter["schema"]))),
        };
        match parameter["in"].as_str() {
            Some("path") => {
                read.path_parameters.insert(name, known);
            }
            Some("query") => {
                read.query.insert(name, known);
            }
            Some("header") if required => read.headers.push(name),
            _ => {}
        }
    }
    let body = operation.get("requestBody");
    read.body = body.map(|body| request_body(document, body));
    read.success = success(document, &operation["responses"]);
    read
}

/// A parameter is text: what is said of it as an object without members says nothing.
fn sayable(schema: Value) -> Value {
    match schema["type"].as_str() {
        Some("object") if schema.get("properties").is_none() => json!({}),
        Some("array") => {
            let items = sayable(schema["items"].clone());
            let mut schema = schema;
            schema["items"] = items;
            schema
        }
        _ => schema,
    }
}

fn request_body<'a>(document: &Document<'a>, body: &'a Value) -> RequestBody {
    let body = document.follow(body);
    let content = body["content"].as_object().into_iter().flatten();
    let schema = |media: &'a Value| Schema::new(document.strict(&media["schema"]));
    RequestBody {
        required: body["required"] == json!(true),
        content: content
            .map(|(kind, media)| (kind.clone(), schema(media)))
            .collect(),
        media: Vec::new(),
    }
}

fn success<'a>(document: &Document<'a>, responses: &'a Value) -> (u16, Option<Value>) {
    let all = responses.as_object().into_iter().flatten();
    let mut known: Vec<(u16, &Value)> = all
        .filter_map(|(status, response)| Some((status.parse().ok()?, response)))
        .collect();
    known.retain(|(status, _)| (200..304).contains(status) && *status != 301);
    known.sort_by_key(|(status, _)| *status);
    let Some((status, response)) = known.first() else {
        return (200, None);
    };
    let content = document.follow(response)["content"].as_object();
    let json = content.and_then(|content| {
        let mut content = content.iter();
        content.find(|(kind, _)| kind.ends_with("json"))
    });
    let schema = json.map(|(_, media)| document.loose(&media["schema"]));
    (*status, schema)
}
