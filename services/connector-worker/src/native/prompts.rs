//! Prompts: texts with arguments, for a person to begin a conversation with.

use catalog::{Connector, Part, Prompt, Template};
use serde_json::{Map, Value, json};

use super::plan::{Plan, done, invalid};

pub(super) fn list(connector: &Connector) -> Plan {
    let prompts = connector.prompts.iter().map(|prompt| {
        let arguments = prompt.arguments.iter().map(|arg| {
            json!({
                "name": arg.name,
                "description": arg.description,
                "required": arg.required,
            })
        });
        json!({
            "name": prompt.name,
            "title": prompt.title,
            "description": prompt.description,
            "arguments": arguments.collect::<Vec<_>>(),
        })
    });
    done(&json!({ "prompts": prompts.collect::<Vec<_>>() }))
}

/// The messages of a prompt with these arguments, the raw JSON object of the request.
pub(super) fn get(connector: &Connector, name: &str, arguments: Option<&[u8]>) -> Plan {
    let Some(prompt) = connector.prompts.iter().find(|known| known.name == name) else {
        return invalid(&format!("Unknown prompt: {name}"));
    };
    let given: Map<String, Value> = match arguments.map(serde_json::from_slice) {
        None => Map::new(),
        Some(Ok(given)) => given,
        Some(Err(_)) => return invalid("Invalid params: arguments must be an object"),
    };
    let values = match values(prompt, &given) {
        Ok(values) => values,
        Err(why) => return invalid(&format!("Invalid params: {why}")),
    };
    let messages = prompt.messages.iter().map(|message| {
        let text = filled(&message.text, &values);
        json!({ "role": message.role, "content": { "type": "text", "text": text } })
    });
    done(&json!({
        "description": prompt.description,
        "messages": messages.collect::<Vec<_>>(),
    }))
}

/// The value of each argument, in their order.
fn values(prompt: &Prompt, given: &Map<String, Value>) -> Result<Vec<String>, String> {
    let known = |name: &str| prompt.arguments.iter().any(|arg| arg.name == name);
    if let Some(name) = given.keys().find(|name| !known(name)) {
        let names: Vec<_> = prompt
            .arguments
            .iter()
            .map(|arg| arg.name.as_str())
            .collect();
        let names = names.join(", ");
        return Err(format!(
            "argument {name:?} is not known; the prompt takes: {names}"
        ));
    }
    let values = prompt.arguments.iter().map(|arg| {
        let value = match given.get(&arg.name) {
            None | Some(Value::Null) => arg.default.clone(),
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => return Err(format!("argument {:?} must be a text", arg.name)),
        };
        let value = value.ok_or_else(|| format!("argument {:?} is required", arg.name))?;
        if !arg.choices.is_empty() && !arg.choices.contains(&value) {
            let choices = arg.choices.join(", ");
            return Err(format!("argument {:?} must be one of {choices}", arg.name));
        }
        Ok(value)
    });
    values.collect()
}

fn filled(text: &Template, values: &[String]) -> String {
    let parts = text.0.iter().map(|part| match part {
        Part::Text(text) => text.as_str(),
        Part::Arg(at, _) => values[*at].as_str(),
    });
    parts.collect()
}
