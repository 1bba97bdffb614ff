//! Tools: what a connector offers to a model.

use serde_json::value::RawValue;

use crate::limits::{TOOL_DEFINITION_MAX_BYTES, TOOL_NAME_MAX_LENGTH};

/// A tool as its upstream describes it. The text is kept as it came: fields that we do not know
/// reach the client unchanged.
#[derive(Clone, Debug)]
pub struct ToolDefinition {
    /// The upstream's own name: unique in the connector, without a prefix.
    pub name: String,
    /// The whole definition, a JSON object with at least `name` and `inputSchema`.
    pub json: Box<RawValue>,
}

/// A definition with what the tenant decided about it.
#[derive(Clone, Debug)]
pub struct Tool {
    pub definition: ToolDefinition,
    /// Neither listed nor callable when false.
    pub enabled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTool {
    #[error("a tool definition is no JSON object with a name and an inputSchema object")]
    Shape,
    #[error("tool name {0:?} does not have 1 to {TOOL_NAME_MAX_LENGTH} characters without blanks")]
    Name(String),
    #[error("the definition of tool {0:?} is larger than {TOOL_DEFINITION_MAX_BYTES} bytes")]
    TooLarge(String),
}

#[derive(serde::Deserialize)]
struct Head {
    name: String,
    #[serde(rename = "inputSchema")]
    input_schema: serde_json::Map<String, serde_json::Value>,
}

impl ToolDefinition {
    /// Reads a definition from its JSON text.
    pub fn parse(json: Box<RawValue>) -> Result<Self, InvalidTool> {
        let head: Head = serde_json::from_str(json.get()).map_err(|_| InvalidTool::Shape)?;
        // Lenient on purpose: real servers use names outside the recommended alphabet.
        let blank = |c: char| c.is_whitespace() || c.is_control();
        let length = head.name.chars().count();
        if length == 0 || length > TOOL_NAME_MAX_LENGTH || head.name.contains(blank) {
            return Err(InvalidTool::Name(head.name));
        }
        if json.get().len() > TOOL_DEFINITION_MAX_BYTES {
            return Err(InvalidTool::TooLarge(head.name));
        }
        drop(head.input_schema);
        Ok(Self {
            name: head.name,
            json,
        })
    }
}

impl PartialEq for ToolDefinition {
    fn eq(&self, other: &Self) -> bool {
        self.json.get() == other.json.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ToolDefinition, InvalidTool> {
        ToolDefinition::parse(RawValue::from_string(text.to_owned()).unwrap())
    }

    #[test]
    fn a_definition_keeps_its_text_and_must_have_name_and_schema() {
        let text = r#"{"x":1.0, "name":"a.b","inputSchema":{"type":"object"}}"#;
        let tool = parse(text).unwrap();
        assert_eq!((tool.name.as_str(), tool.json.get()), ("a.b", text));

        assert_eq!(parse("[]"), Err(InvalidTool::Shape));
        assert_eq!(parse(r#"{"name":"a"}"#), Err(InvalidTool::Shape));
        assert_eq!(
            parse(r#"{"name":"a","inputSchema":[]}"#),
            Err(InvalidTool::Shape)
        );
        assert_eq!(
            parse(r#"{"name":"a b","inputSchema":{}}"#),
            Err(InvalidTool::Name("a b".to_owned()))
        );
    }
}
