//! A request, held against the description.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::api::{Detail, Found, Operation, Parameter};
use super::rules::{Credential, Rules, Unlisted};
use super::schema::{Schema, is_list, readings};
use super::written;

/// Everything that is not allowed in the request, in words.
pub(crate) fn request(
    rules: &Rules,
    found: &Found<'_>,
    parts: &Parts,
    body: &Bytes,
) -> Vec<String> {
    let mut violations = Vec::new();
    let operation = found.operation;
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let credential = rules.credential(parts.uri.path(), &operation.name());
    credential_fits(&mut violations, credential, parts);
    let missing = rules
        .headers
        .iter()
        .copied()
        .chain(operation.headers.iter().map(String::as_str))
        .filter(|name| header(name).is_none_or(str::is_empty));
    violations.extend(missing.map(|name| format!("the header field {name} is missing")));

    for (name, value) in &found.path {
        match operation.path_parameters.get(name) {
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
    let query_text = parts.uri.query().unwrap_or_default();
    query(&mut violations, rules, operation, query_text);
    let sent = written::Sent {
        kind: header(CONTENT_TYPE.as_str()).unwrap_or_default(),
        body,
    };
    violations.extend(written::violations(rules, operation, credential, &sent));
    violations
}

/// The same for a GraphQL request, but for what it asks.
pub(crate) fn graphql(rules: &Rules, parts: &Parts) -> Vec<String> {
    let mut violations = Vec::new();
    let credential = rules.credential(parts.uri.path(), "");
    credential_fits(&mut violations, credential, parts);
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if parts.method != http::Method::POST || parts.uri.query().is_some() {
        violations.push("GraphQL goes by POST, without a query".to_owned());
    }
    if header(CONTENT_TYPE.as_str()) != Some("application/json") {
        violations.push("the body must be application/json".to_owned());
    }
    violations
}

/// The credential is where it belongs, and nowhere else.
fn credential_fits(violations: &mut Vec<String>, wanted: Option<&Credential>, parts: &Parts) {
    let mut places = vec![AUTHORIZATION.as_str()];
    if let Some(Credential::Header(name, value)) = wanted {
        places.retain(|place| place != name);
        let sent = parts.headers.get(*name);
        if sent.and_then(|sent| sent.to_str().ok()) != Some(value.as_str()) {
            violations.push(format!("{name} is missing or wrong"));
        }
    }
    for place in places {
        if parts.headers.contains_key(place) {
            violations.push(format!("{place} is sent, where it does not belong"));
        }
    }
}

fn query(violations: &mut Vec<String>, rules: &Rules, operation: &Operation, text: &str) {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs: Vec<(String, String)> = text
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    if operation.detail == Detail::Path {
        return;
    }
    let mut names: Vec<&String> = pairs.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    for name in names {
        let values: Vec<String> = pairs
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
            .collect();
        let unlisted = Unlisted::query(&operation.name(), name);
        let is_further = |(of, parameter, value): &(&str, &str, &str)| {
            *of == operation.name() && parameter == name && values == [*value]
        };
        if rules.further.iter().any(is_further) {
            continue;
        }
        match operation.query.get(name) {
            Some(parameter) => value_fits(violations, "query", name, &values, parameter),
            None if rules.unlisted.contains(&unlisted) => {}
            // A member of a parameter that is an object: `range[from]=1`.
            None if member(operation, name).is_some() => {
                let known = member(operation, name).unwrap_or_else(Parameter::any);
                value_fits(violations, "query", name, &values, &known);
            }
            None => violations.push(format!("query parameter {name} is not described")),
        }
    }
    for (name, parameter) in &operation.query {
        let unlisted = Unlisted::query(&operation.name(), name);
        let wanted = parameter.required && !rules.unlisted.contains(&unlisted);
        if wanted && !pairs.iter().any(|(known, _)| known == name) {
            violations.push(format!("query parameter {name} is missing"));
        }
    }
}

fn member(operation: &Operation, name: &str) -> Option<Parameter> {
    let (object, member) = name.strip_suffix(']')?.split_once('[')?;
    let schema = &operation.query.get(object)?.schema.value;
    let known = schema["properties"].get(member)?;
    Some(Parameter {
        schema: Schema::new(known.clone()),
        ..Parameter::any()
    })
}

fn value_fits(
    violations: &mut Vec<String>,
    place: &str,
    name: &str,
    values: &[String],
    parameter: &Parameter,
) {
    let schema = &parameter.schema;
    let readings = if is_list(&schema.value) {
        let split = |value: &String| match parameter.joined {
            true => value.split(',').map(str::to_owned).collect(),
            false => vec![value.clone()],
        };
        let texts: Vec<String> = values.iter().flat_map(split).collect();
        let all = |pick: &dyn Fn(&String) -> Value| texts.iter().map(pick).collect::<Value>();
        vec![
            all(&|text| readings(text).remove(0)),
            all(&|text| json!(text)),
        ]
    } else if let [value] = values {
        readings(value)
    } else {
        violations.push(format!("{place} parameter {name} is given more than once"));
        return;
    };
    // A parameter is text: it is right when one way to read it is.
    if !readings
        .iter()
        .any(|reading| schema.errors(reading).is_empty())
    {
        let why = schema.errors(&readings[0]).join(", ");
        violations.push(format!("{place} parameter {name}={values:?}: {why}"));
    }
}
