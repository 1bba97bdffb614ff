//! Resources and prompts, as an engine answers them.

use serde_json::Value;

use crate::path::ResultPath;
use crate::template::Template;
use crate::uri::UriTemplate;

/// Resources of one kind. One without variables is a resource itself.
#[derive(Clone, Debug)]
pub struct Resource {
    pub uri: UriTemplate,
    pub name: String,
    pub title: String,
    pub description: String,
    /// Of a text or JSON that the tool gives; a file says itself what it is.
    pub mime_type: Option<String>,
    /// The tool that reads it.
    pub tool: String,
    /// By name, what the tool is called with.
    pub args: Vec<(String, ResourceArg)>,
    /// Where the text that is the resource stands in the tool's structured result; absent: all of
    /// the result is it.
    pub content: Option<ResultPath>,
    pub list: Option<ResourceList>,
}

/// What an argument of the tool is.
#[derive(Clone, Debug, PartialEq)]
pub enum ResourceArg {
    /// A variable of the address, by its place among them.
    Variable(usize),
    Fixed(Value),
}

/// How the resources that there are become known.
#[derive(Clone, Debug)]
pub struct ResourceList {
    /// The tool that lists them, a page a call.
    pub tool: String,
    /// What it is called with.
    pub args: serde_json::Map<String, Value>,
    /// The list in the tool's structured result.
    pub items: ResultPath,
    /// In the order of the address' variables, where each stands in an item.
    pub variables: Vec<ResultPath>,
    /// Where an item says what it is called, and what it is.
    pub title: Option<ResultPath>,
    pub description: Option<ResultPath>,
}

/// A text for a person to begin a conversation with.
#[derive(Clone, Debug)]
pub struct Prompt {
    pub name: String,
    pub title: String,
    pub description: String,
    pub arguments: Vec<PromptArg>,
    /// In templates, arguments are indices of `arguments`.
    pub messages: Vec<PromptMessage>,
}

#[derive(Clone, Debug)]
pub struct PromptArg {
    pub name: String,
    pub description: String,
    pub required: bool,
    /// What stands for it when it is not given.
    pub default: Option<String>,
    /// The values there are; empty when any text will do.
    pub choices: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct PromptMessage {
    /// `user` or `assistant`.
    pub role: &'static str,
    pub text: Template,
}
