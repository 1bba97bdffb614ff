//! A request, held against the description.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::Rules;
use super::openapi::{Found, Operation, Parameter};

/// Everything that is not allowed in the request, in words.
pub(crate) fn request(
    rules: &Rules,
    found: &Found<'_>,
    parts: &Parts,
    body: &Bytes,
) -> Vec<String> {
    let mut violations = Vec::new();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if header(AUTHORIZATION.as_str()) != Some(rules.authorization.as_str()) {
        violations.push("Authorization is missing or wrong".to_owned());
    }
    let missing = rules
        .headers
        .iter()
        .filter(|name| header(name).is_none_or(str::is_empty));
    violations.extend(missing.map(|name| format!("the header field {name} is missing")));

    for (name, value) in &found.path {
        match found.operation.path_parameters.get(name) {
            Some(parameter) => value_fits(
                &mut violations,
                "path",
                name,
                std::slice::from_ref(value),
                parameter,
            ),
            None => violations.push(format!("path parameter {name} is not described")),
        }
    }
    query(
        &mut violations,
        rules,
        found.operation,
        parts.uri.query().unwrap_or_default(),
    );
    body_fits(
        &mut violations,
        found.operation,
        header(CONTENT_TYPE.as_str()),
        body,
    );
    violations
}

fn query(violations: &mut Vec<String>, rules: &Rules, operation: &Operation, text: &str) {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs: Vec<(String, String)> = text
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    let mut names: Vec<&String> = pairs.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    for name in names {
        let values: Vec<String> = pairs
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
            .collect();
        match operation.query.get(name) {
            Some(parameter) => value_fits(violations, "query", name, &values, parameter),
            None if rules
                .unlisted
                .contains(&(operation.id.as_str(), name.as_str())) => {}
            None => violations.push(format!("query parameter {name} is not described")),
        }
    }
    for (name, parameter) in &operation.query {
        if parameter.required && !pairs.iter().any(|(known, _)| known == name) {
            violations.push(format!("query parameter {name} is missing"));
        }
    }
}

fn value_fits(
    violations: &mut Vec<String>,
    place: &str,
    name: &str,
    values: &[String],
    parameter: &Parameter,
) {
    let schema = &parameter.schema;
    let readings = if schema["type"] == json!("array") {
        let items = values.iter().map(|value| readings(value).remove(0));
        vec![items.collect::<Value>()]
    } else if let [value] = values {
        readings(value)
    } else {
        violations.push(format!("{place} parameter {name} is given more than once"));
        return;
    };
    // A parameter is text: it is right when one way to read it is.
    if !readings
        .iter()
        .any(|reading| errors(schema, reading).is_empty())
    {
        let why = errors(schema, &readings[0]).join(", ");
        violations.push(format!("{place} parameter {name}={values:?}: {why}"));
    }
}

/// What a parameter's text may mean, the likeliest first.
fn readings(text: &str) -> Vec<Value> {
    let mut readings: Vec<Value> = Vec::new();
    if let Ok(number) = text.parse::<i64>() {
        readings.push(json!(number));
    }
    if let Ok(truth) = text.parse::<bool>() {
        readings.push(json!(truth));
    }
    readings.push(json!(text));
    readings
}

fn body_fits(
    violations: &mut Vec<String>,
    operation: &Operation,
    kind: Option<&str>,
    body: &Bytes,
) {
    let Some(described) = &operation.body else {
        if !body.is_empty() {
            violations.push("a body is sent, but none is described".to_owned());
        }
        return;
    };
    if body.is_empty() {
        if described.required {
            violations.push("the body is missing".to_owned());
        }
        return;
    }
    let kind = kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let Some(schema) = described.content.get(kind) else {
        violations.push(format!(
            "a body of the media type {kind:?} is not described"
        ));
        return;
    };
    match serde_json::from_slice(body) {
        Ok(body) => {
            violations.extend(
                errors(schema, &body)
                    .into_iter()
                    .map(|why| format!("body: {why}")),
            );
        }
        Err(error) => violations.push(format!("the body is no JSON: {error}")),
    }
}

fn errors(schema: &Value, value: &Value) -> Vec<String> {
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(schema);
    match validator {
        Ok(validator) => {
            let told = |error: jsonschema::ValidationError<'_>| {
                format!("{} {error}", error.instance_path())
            };
            validator.iter_errors(value).map(told).collect()
        }
        Err(error) => vec![format!("the described schema cannot be used: {error}")],
    }
}
