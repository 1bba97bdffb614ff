//! The person: fills in forms with what they suggest.

use anyhow::{Context, bail};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// An answer to each of `requests`, a JSON object of `{"method":…,"params":…}` by key.
///
/// # Errors
/// Something is asked for that was not declared.
pub(crate) fn to_all(requests: &Bytes) -> anyhow::Result<Bytes> {
    let requests: Map<String, Value> = serde_json::from_slice(requests)?;
    let answers = requests
        .into_iter()
        .map(|(key, request)| Ok((key, to_one(&request)?)))
        .collect::<anyhow::Result<Map<String, Value>>>()?;
    Ok(Bytes::from(Value::Object(answers).to_string()))
}

fn to_one(request: &Value) -> anyhow::Result<Value> {
    match request["method"].as_str() {
        Some("elicitation/create") => {
            let fields = request["params"]["requestedSchema"]["properties"]
                .as_object()
                .context("a form has fields")?;
            Ok(json!({ "action": "accept", "content": filled_in(fields) }))
        }
        other => bail!("{other:?} was not declared"),
    }
}

/// Each field with what it suggests; one that suggests nothing is ticked if it can be, and else
/// left out.
fn filled_in(fields: &Map<String, Value>) -> Map<String, Value> {
    let value = |field: &Value| {
        field
            .get("default")
            .cloned()
            .or_else(|| (field["type"] == "boolean").then_some(Value::Bool(true)))
    };
    fields
        .iter()
        .filter_map(|(name, field)| Some((name.clone(), value(field)?)))
        .collect()
}
