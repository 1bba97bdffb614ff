//! Completion: values that the manifest knows, of a prompt's argument or of a variable in an
//! address.

use catalog::Connector;
use serde::Deserialize;
use serde_json::{Value, json};

use super::encode;
use super::plan::{Plan, done, invalid};

/// Values of one answer (the protocol's bound).
const VALUES_MAX: usize = 100;

/// Params of `completion/complete`.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(rename = "ref")]
    reference: Reference,
    argument: Argument,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Reference {
    #[serde(rename = "ref/prompt")]
    Prompt { name: String },
    #[serde(rename = "ref/resource")]
    Resource { uri: String },
}

#[derive(Deserialize)]
struct Argument {
    name: String,
    value: String,
}

pub(super) fn complete(connector: &Connector, wanted: &Wanted) -> Plan {
    let Some(known) = known(connector, wanted) else {
        return invalid("Invalid params: the prompt, address or argument is not known");
    };
    let begun = wanted.argument.value.to_lowercase();
    let fitting = known.into_iter();
    let fitting = fitting.filter(|value| value.to_lowercase().starts_with(&begun));
    let mut values: Vec<String> = fitting.collect();
    let total = values.len();
    values.truncate(VALUES_MAX);
    done(&json!({
        "completion": { "values": values, "total": total, "hasMore": total > VALUES_MAX },
    }))
}

/// The values there are, none of an argument that takes any; `None` when there is no such thing.
fn known(connector: &Connector, wanted: &Wanted) -> Option<Vec<String>> {
    let name = &wanted.argument.name;
    match &wanted.reference {
        Reference::Prompt { name: prompt } => {
            let prompt = connector
                .prompts
                .iter()
                .find(|known| known.name == *prompt)?;
            let arg = prompt.arguments.iter().find(|arg| arg.name == *name)?;
            Some(arg.choices.clone())
        }
        Reference::Resource { uri } => {
            let mut all = connector.resources.iter();
            let resource = all.find(|known| known.uri.text() == uri)?;
            let at = resource
                .uri
                .variables()
                .iter()
                .position(|known| known == name)?;
            let mut args = resource.args.iter();
            let (arg, _) = args.find(|(_, arg)| *arg == catalog::ResourceArg::Variable(at))?;
            let schema = &connector.tool(&resource.tool)?.input_schema["properties"][arg];
            let choices = schema["enum"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            Some(
                choices
                    .iter()
                    .map(|value: &Value| encode::text(value))
                    .collect(),
            )
        }
    }
}
