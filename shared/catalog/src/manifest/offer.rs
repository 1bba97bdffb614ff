//! What a connector offers besides tools: resources and prompts.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Resources of one kind: what a tool that reads gives, under an address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResourceText {
    pub(crate) uri: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) mime_type: Option<String>,
    pub(crate) tool: String,
    #[serde(default)]
    pub(crate) args: Map<String, Value>,
    pub(crate) content: Option<String>,
    pub(crate) list: Option<ResourceListText>,
}

/// How those there are become known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResourceListText {
    pub(crate) tool: String,
    #[serde(default)]
    pub(crate) args: Map<String, Value>,
    pub(crate) items: String,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PromptText {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) arguments: Vec<PromptArgText>,
    pub(crate) messages: Vec<MessageText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PromptArgText {
    pub(crate) name: String,
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) required: bool,
    pub(crate) default: Option<String>,
    #[serde(default, rename = "enum")]
    pub(crate) choices: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageText {
    pub(crate) role: RoleText,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RoleText {
    User,
    Assistant,
}
