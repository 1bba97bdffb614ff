//! Tool parameters that also travel as headers (2026-07-28, `x-mcp-header`).

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::header::{self, PARAM_PREFIX};

/// The annotated parameters of one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderParams(Vec<HeaderParam>);

/// One annotated parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderParam {
    /// The header's full name in lower case, `mcp-param-…`.
    pub header: String,
    /// Where the value stands in `arguments`, property by property.
    pub path: Vec<String>,
    pub kind: HeaderParamType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderParamType {
    String,
    Integer,
    Boolean,
}

/// Why a tool's annotations break the rules; such a tool must not be offered over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("x-mcp-header {0}")]
pub struct InvalidHeaderParam(String);

/// Why a request's headers do not repeat its arguments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("header {header} {problem}")]
pub struct ParamMismatch {
    pub header: String,
    pub problem: &'static str,
}

/// Keywords below which a value has no exact place of its own.
const BRANCHING: [&str; 12] = [
    "items",
    "prefixItems",
    "oneOf",
    "anyOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "$defs",
    "definitions",
    "additionalProperties",
];
/// Schemas are bounded elsewhere; this bounds the walk.
const MAX_DEPTH: usize = 32;

impl HeaderParams {
    /// Finds the annotations in a tool's `inputSchema`.
    ///
    /// # Errors
    /// An annotation is no header token, stands twice, is on something else than a string,
    /// integer or boolean, or is not reached through `properties` alone.
    pub fn from_schema(schema: &Value) -> Result<Self, InvalidHeaderParam> {
        let mut found = Vec::new();
        collect(schema, &mut Vec::new(), true, &mut found)?;
        let mut names = BTreeSet::new();
        for param in &found {
            if !names.insert(param.header.as_str()) {
                return Err(InvalidHeaderParam(format!(
                    "{:?} is used twice",
                    param.header
                )));
            }
        }
        Ok(Self(found))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `header`, a full name in lower case, is that of an annotated parameter.
    pub fn has(&self, header: &str) -> bool {
        self.0.iter().any(|param| param.header == header)
    }

    /// Checks that each header repeats its argument, as a server must. `header` gives the values
    /// of a field, by lower-case name.
    pub fn check<'h, F, I>(
        &self,
        arguments: Option<&RawValue>,
        mut header: F,
    ) -> Result<(), ParamMismatch>
    where
        F: FnMut(&str) -> I,
        I: Iterator<Item = &'h [u8]>,
    {
        if self.0.is_empty() {
            return Ok(());
        }
        let arguments = parse_arguments(arguments);
        for param in &self.0 {
            let mismatch = |problem| ParamMismatch {
                header: param.header.clone(),
                problem,
            };
            let mut values = header(&param.header);
            let sent = values.next();
            if values.next().is_some() {
                return Err(mismatch("is given twice"));
            }
            match (param.value_in(&arguments), sent) {
                (None, None) => {}
                (None, Some(_)) => return Err(mismatch("has no argument in the body")),
                (Some(_), None) => return Err(mismatch("is missing")),
                (Some(value), Some(sent)) => {
                    let sent = header::decode_value(sent).ok_or(mismatch("is encoded wrongly"))?;
                    if !param.equals(value, &sent) {
                        return Err(mismatch("differs from the argument in the body"));
                    }
                }
            }
        }
        Ok(())
    }

    /// The headers that a client must send with `arguments`, names in lower case.
    pub fn headers<'s>(&'s self, arguments: Option<&RawValue>) -> Vec<(&'s str, String)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let arguments = parse_arguments(arguments);
        let header = |param: &'s HeaderParam| {
            let text = match param.value_in(&arguments)? {
                Value::String(text) => Cow::Borrowed(text.as_str()),
                other => Cow::Owned(other.to_string()),
            };
            Some((
                param.header.as_str(),
                header::encode_value(&text).into_owned(),
            ))
        };
        self.0.iter().filter_map(header).collect()
    }
}

fn parse_arguments(arguments: Option<&RawValue>) -> Value {
    arguments.map_or(Value::Null, |raw| {
        serde_json::from_str(raw.get()).unwrap_or(Value::Null)
    })
}

impl HeaderParam {
    fn value_in<'v>(&self, arguments: &'v Value) -> Option<&'v Value> {
        let mut value = arguments;
        for name in &self.path {
            value = value.get(name)?;
        }
        (!value.is_null()).then_some(value)
    }

    fn equals(&self, value: &Value, sent: &str) -> bool {
        match self.kind {
            HeaderParamType::String => value.as_str() == Some(sent),
            HeaderParamType::Boolean => {
                matches!(
                    (value.as_bool(), sent),
                    (Some(true), "true") | (Some(false), "false")
                )
            }
            HeaderParamType::Integer => match (integer(&value.to_string()), integer(sent)) {
                (Some(value), Some(sent)) => value == sent,
                _ => false,
            },
        }
    }
}

/// Reads an integer: 1, 1.0 and 1e0 are the same. Written so, it counts only as far as every
/// reader takes it for the same number.
fn integer(text: &str) -> Option<i128> {
    const EXACT: f64 = 9_007_199_254_740_991.0;
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i128)
    })
}

fn collect(
    schema: &Value,
    path: &mut Vec<String>,
    exact: bool,
    found: &mut Vec<HeaderParam>,
) -> Result<(), InvalidHeaderParam> {
    let Some(object) = schema.as_object() else {
        return Ok(());
    };
    if path.len() > MAX_DEPTH {
        return Err(InvalidHeaderParam("is searched for too deeply".to_owned()));
    }
    if let Some(annotation) = object.get("x-mcp-header") {
        found.push(annotated(annotation, object, path, exact)?);
    }
    if let Some(properties) = object.get("properties").and_then(Value::as_object) {
        for (name, child) in properties {
            path.push(name.clone());
            collect(child, path, exact, found)?;
            path.pop();
        }
    }
    for keyword in BRANCHING {
        let children: Vec<&Value> = match object.get(keyword) {
            Some(Value::Array(list)) => list.iter().collect(),
            Some(Value::Object(map)) if keyword == "$defs" || keyword == "definitions" => {
                map.values().collect()
            }
            Some(child) => vec![child],
            None => continue,
        };
        for child in children {
            path.push(keyword.to_owned());
            collect(child, path, false, found)?;
            path.pop();
        }
    }
    Ok(())
}

fn annotated(
    annotation: &Value,
    schema: &serde_json::Map<String, Value>,
    path: &[String],
    exact: bool,
) -> Result<HeaderParam, InvalidHeaderParam> {
    let refuse = |why: &str| Err(InvalidHeaderParam(format!("at {} {why}", path.join("."))));
    let Some(name) = annotation.as_str() else {
        return refuse("is no string");
    };
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return refuse("is no header token");
    }
    if !exact || path.is_empty() {
        return refuse("is not reached through properties alone");
    }
    let kind = match schema.get("type").and_then(Value::as_str) {
        Some("string") => HeaderParamType::String,
        Some("integer") => HeaderParamType::Integer,
        Some("boolean") => HeaderParamType::Boolean,
        _ => return refuse("is not on a string, integer or boolean"),
    };
    let header = format!("{PARAM_PREFIX}{}", name.to_ascii_lowercase());
    Ok(HeaderParam {
        header,
        path: path.to_vec(),
        kind,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn params() -> HeaderParams {
        HeaderParams::from_schema(&json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "page": {"type": "object", "properties": {
                "size": {"type": "integer", "x-mcp-header": "Size"}
            }},
            "dry": {"type": "boolean", "x-mcp-header": "Dry"}
        }}))
        .unwrap()
    }

    fn check(arguments: &str, headers: &[(&str, &'static str)]) -> Result<(), &'static str> {
        let raw = RawValue::from_string(arguments.to_owned()).unwrap();
        params()
            .check(Some(&raw), |name| {
                let name = name.to_owned();
                let matching = headers.iter().filter(move |(header, _)| *header == name);
                matching
                    .map(|(_, value)| value.as_bytes())
                    .collect::<Vec<_>>()
                    .into_iter()
            })
            .map_err(|mismatch| mismatch.problem)
    }

    #[test]
    fn headers_must_repeat_the_arguments() {
        let all = [
            ("mcp-param-region", "=?base64?w6Q=?="),
            ("mcp-param-size", "10.0"),
            ("mcp-param-dry", "true"),
        ];
        let body = r#"{"region":"ä","page":{"size":10},"dry":true}"#;
        assert_eq!(check(body, &all), Ok(()));
        assert_eq!(check("{}", &[]), Ok(()));
        assert_eq!(check(r#"{"region":null}"#, &[]), Ok(()));
        assert_eq!(check(body, &all[1..]), Err("is missing"));
        assert_eq!(check("{}", &all[..1]), Err("has no argument in the body"));
        let twice = [("mcp-param-dry", "true"), ("mcp-param-dry", "true")];
        assert_eq!(check(r#"{"dry":true}"#, &twice), Err("is given twice"));
        let wrong = [("mcp-param-dry", "TRUE")];
        assert_eq!(
            check(r#"{"dry":true}"#, &wrong),
            Err("differs from the argument in the body")
        );
        let broken = [("mcp-param-region", "=?base64?!?=")];
        assert_eq!(
            check(r#"{"region":"x"}"#, &broken),
            Err("is encoded wrongly")
        );
    }

    #[test]
    fn integers_are_compared_by_their_exact_value() {
        let size = |body: &str, header| {
            let body = format!(r#"{{"page":{{"size":{body}}}}}"#);
            check(&body, &[("mcp-param-size", header)]).is_ok()
        };
        assert!(size("18446744073709551615", "18446744073709551615"));
        assert!(!size("18446744073709551615", "18446744073709551614"));
        assert!(!size("9007199254740993", "9007199254740992.0"));
        assert!(size("1e1", "10") && !size("10.5", "10.5") && !size(r#""10""#, "10"));
    }

    #[test]
    fn a_client_can_make_the_headers_itself() {
        let raw = RawValue::from_string(r#"{"region":"ä","page":{"size":3}}"#.to_owned()).unwrap();
        assert_eq!(
            params().headers(Some(&raw)),
            [
                ("mcp-param-region", "=?base64?w6Q=?=".to_owned()),
                ("mcp-param-size", "3".to_owned())
            ]
        );
    }

    #[test]
    fn annotations_that_break_the_rules_are_refused() {
        let refused = |schema| HeaderParams::from_schema(&schema).is_err();
        let one = |property: Value| json!({"properties": {"a": property}});
        assert!(refused(one(json!({"type": "string", "x-mcp-header": ""}))));
        assert!(refused(one(
            json!({"type": "string", "x-mcp-header": "a b"})
        )));
        assert!(refused(one(json!({"type": "string", "x-mcp-header": 1}))));
        assert!(refused(one(json!({"type": "number", "x-mcp-header": "a"}))));
        assert!(refused(one(
            json!({"items": {"type": "string", "x-mcp-header": "a"}})
        )));
        assert!(refused(one(
            json!({"anyOf": [{"type": "string", "x-mcp-header": "a"}]})
        )));
        assert!(refused(json!({"properties": {
            "a": {"type": "string", "x-mcp-header": "X"},
            "b": {"type": "string", "x-mcp-header": "x"}
        }})));
    }
}
