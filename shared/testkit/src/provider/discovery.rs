//! Google's discovery documents.

use serde_json::{Value, json};

use super::api::{Api, Detail, Operation, Parameter, RequestBody};
use super::schema::{Document, Schema};

impl Api {
    /// Reads a discovery document. Paths begin where its host ends.
    ///
    /// # Panics
    /// When it is none: a test cannot go on without.
    pub fn discovery(text: &[u8]) -> Self {
        let root: Value = serde_json::from_slice(text).expect("the description is JSON");
        let document = Document {
            root: &root,
            shared: Some("schemas"),
            is_odata: false,
        };
        let mut operations = Vec::new();
        resources(&document, &root, &mut operations);
        assert!(!operations.is_empty(), "the description has methods");
        Self::of(operations)
    }
}

fn resources<'a>(document: &Document<'a>, at: &'a Value, operations: &mut Vec<Operation>) {
    for method in at["methods"]
        .as_object()
        .into_iter()
        .flat_map(|m| m.values())
    {
        let service = document.root["servicePath"].as_str().unwrap_or_default();
        let path = method["path"].as_str().unwrap_or_default();
        operations.push(read(document, method, &format!("/{service}{path}"), false));
        let simple = method["mediaUpload"]["protocols"]["simple"]["path"].as_str();
        operations.extend(simple.map(|path| read(document, method, path, true)));
    }
    for inner in at["resources"]
        .as_object()
        .into_iter()
        .flat_map(|r| r.values())
    {
        resources(document, inner, operations);
    }
}

fn read<'a>(document: &Document<'a>, method: &'a Value, path: &str, upload: bool) -> Operation {
    let text = |key: &str| method[key].as_str().unwrap_or_default();
    let path = path.replace("{+", "{");
    let mut read = Operation::new(text("id"), text("httpMethod"), &path, Detail::Schemas);
    let shared = document.root["parameters"]
        .as_object()
        .into_iter()
        .flatten();
    let own = method["parameters"].as_object().into_iter().flatten();
    for (name, described) in shared.chain(own) {
        let one = document.loose(described);
        let known = Parameter {
            required: described["required"] == json!(true),
            joined: false,
            schema: Schema::new(match described["repeated"] == json!(true) {
                true => json!({ "type": "array", "items": one }),
                false => one,
            }),
        };
        match described["location"].as_str() {
            Some("path") => read.path_parameters.insert(name.clone(), known),
            _ => read.query.insert(name.clone(), known),
        };
    }
    if let Some(request) = method.get("request") {
        let schema = || Schema::new(document.strict(request));
        let accepted = method["mediaUpload"]["accept"]
            .as_array()
            .into_iter()
            .flatten();
        let media: Vec<String> = accepted
            .filter_map(|kind| Some(kind.as_str()?.to_owned()))
            .collect();
        let kinds: &[&str] = match upload {
            true => &["multipart/related"],
            false => &["application/json"],
        };
        let members = document.follow(request)["properties"].as_object();
        let is_said = members.is_some_and(|members| !members.is_empty());
        read.body = Some(RequestBody {
            required: !upload && is_said,
            content: kinds
                .iter()
                .map(|kind| ((*kind).to_owned(), schema()))
                .collect(),
            media: media.into_iter().filter(|_| upload).collect(),
        });
    }
    let answer = method.get("response").map(|answer| document.loose(answer));
    let status = if answer.is_some() { 200 } else { 204 };
    read.success = (status, answer);
    read
}
