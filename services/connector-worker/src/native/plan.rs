//! What a request to a native connector comes to: a call of a tool, whose result may become
//! something else, or an answer that needs none.

use bytes::Bytes;
use fabric::{FailureKind, Method, Outcome, Request, RpcError};
use mcp::codes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::resources::{Listed, Read};
use super::{Engine, complete, no_type, prompts, resources};
use crate::failure::unsent;

/// The way to a request's outcome.
pub(crate) enum Plan {
    /// It is known.
    Done(Outcome),
    /// A tool is to be called.
    Call {
        tool: String,
        /// The raw JSON object of its arguments.
        arguments: Option<Bytes>,
        then: Then,
    },
}

/// What becomes of a tool's outcome.
pub(crate) enum Then {
    /// It is the request's.
    Result,
    /// The contents of a resource.
    Contents(Box<Read>),
    /// A page of resources.
    Resources(Box<Listed>),
}

impl Then {
    pub(crate) fn finish(self, outcome: Outcome) -> Outcome {
        match self {
            Self::Result => outcome,
            Self::Contents(read) => read.finish(outcome),
            Self::Resources(listed) => listed.finish(outcome),
        }
    }
}

impl Engine {
    /// How a request to a connector of this type is answered.
    pub(crate) fn plan(&self, catalog: &str, request: &Request) -> Plan {
        if request.method == Method::CallTool {
            let Some(tool) = request.name.clone() else {
                return invalid("Invalid params: name is missing");
            };
            return Plan::Call {
                tool,
                arguments: request.arguments.clone(),
                then: Then::Result,
            };
        }
        let Some(connector) = self.connector(catalog) else {
            let gone = unsent(FailureKind::Gone, no_type(catalog));
            return Plan::Done(Outcome::Failed(gone));
        };
        let (resources, prompts) = (&connector.resources, &connector.prompts);
        match request.method {
            Method::ListResources if !resources.is_empty() => match params::<Cursor>(request) {
                Ok(Cursor { cursor }) => resources::list(&connector, cursor.as_deref()),
                Err(plan) => plan,
            },
            Method::ListResourceTemplates if !resources.is_empty() => {
                resources::templates(&connector)
            }
            Method::ReadResource if !resources.is_empty() => {
                resources::read(&connector, request.name.as_deref().unwrap_or_default())
            }
            Method::ListPrompts if !prompts.is_empty() => prompts::list(&connector),
            Method::GetPrompt if !prompts.is_empty() => prompts::get(
                &connector,
                request.name.as_deref().unwrap_or_default(),
                request.arguments.as_deref(),
            ),
            Method::Complete if connector.server_info().is_some() => {
                match params::<complete::Wanted>(request) {
                    Ok(wanted) => complete::complete(&connector, &wanted),
                    Err(plan) => plan,
                }
            }
            _ => error(
                codes::METHOD_NOT_FOUND,
                "Method not found: this connector has no such thing",
                None,
            ),
        }
    }
}

#[derive(Deserialize)]
struct Cursor {
    cursor: Option<String>,
}

/// The members of the request's params that are no name and no arguments.
fn params<T: DeserializeOwned>(request: &Request) -> Result<T, Plan> {
    let whole = [b"{".as_slice(), &request.rest, b"}"].concat();
    serde_json::from_slice(&whole).map_err(|error| invalid(&format!("Invalid params: {error}")))
}

pub(super) fn done(result: &Value) -> Plan {
    Plan::Done(Outcome::Result(result.to_string().into_bytes().into()))
}

pub(super) fn invalid(message: &str) -> Plan {
    error(codes::INVALID_PARAMS, message, None)
}

pub(super) fn error(code: i64, message: &str, data: Option<Value>) -> Plan {
    Plan::Done(Outcome::Error(rpc_error(code, message, data)))
}

pub(super) fn rpc_error(code: i64, message: &str, data: Option<Value>) -> RpcError {
    RpcError {
        code,
        message: message.to_owned(),
        data: data.map(|data| data.to_string().into_bytes().into()),
        raw: None,
    }
}
