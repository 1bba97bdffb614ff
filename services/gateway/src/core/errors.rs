//! Errors in the words of each era (`-32002` and `-32602` for a resource that there is not,
//! `-32042` for 2025-11-25 alone, `-3202x` for modern clients alone).

use ::mcp::edge::error_with;
use ::mcp::rename::{Shape, rename};
use ::mcp::{ProtocolVersion, codes};
use fabric::{Effect, Failure, FailureKind, Method, RpcError};
use http::StatusCode;
use serde_json::json;

use super::answer::{Answer, shortened};
use super::client::Client;
use super::dressing::Dressing;
use crate::snapshot::Reads;

/// There is no such resource here.
pub(super) fn resource_not_found(id: &str, client: &Client, uri: &str) -> Answer {
    let code = match client {
        Client::Legacy(_) => codes::RESOURCE_NOT_FOUND,
        Client::Modern(_) => codes::INVALID_PARAMS,
    };
    let uri = shortened(uri);
    let data = json!({"uri": uri}).to_string();
    let message = format!("Resource not found: {uri}");
    Answer::error(id, code, &message, Some(data.as_bytes()))
}

/// There is no such method in the client's revision. A modern client learns it from the HTTP
/// status too; a legacy one would take that for a session that is gone.
pub(super) fn method_not_found(id: &str, client: &Client, method: &str) -> Answer {
    let answer = Answer::method_not_found(id, method);
    match client {
        Client::Modern(_) => answer.with_status(StatusCode::NOT_FOUND),
        Client::Legacy(_) => answer,
    }
}

/// The request needs a capability that its client did not declare.
pub(super) fn missing_capability(id: &str, required: &serde_json::Value) -> Answer {
    let data = json!({"requiredCapabilities": required}).to_string();
    let message = "The client did not declare a capability that this needs";
    let code = codes::MISSING_CLIENT_CAPABILITY;
    let status = StatusCode::BAD_REQUEST;
    Answer::error(id, code, message, Some(data.as_bytes())).with_status(status)
}

impl Dressing {
    /// An upstream's JSON-RPC error, with the codes that belong to the hop between us and it, or
    /// to the other era, translated.
    pub(super) fn error(&self, error: &RpcError) -> Answer {
        let (legacy, modern) = (self.client.legacy().is_some(), self.client.is_modern());
        let code = match error.code {
            codes::HEADER_MISMATCH | codes::UNSUPPORTED_PROTOCOL_VERSION => codes::INTERNAL_ERROR,
            codes::MISSING_CLIENT_CAPABILITY if legacy => {
                if self.method == Method::CallTool {
                    let message = &error.message;
                    let text = format!("The server needs what this client cannot do: {message}");
                    return self.tool_error(&text);
                }
                codes::INVALID_PARAMS
            }
            codes::RESOURCE_NOT_FOUND if modern => codes::INVALID_PARAMS,
            codes::INVALID_PARAMS if legacy && self.is_missing_resource(error) => {
                codes::RESOURCE_NOT_FOUND
            }
            codes::URL_ELICITATION_REQUIRED => match self.url_elicitation(error) {
                Ok(code) => code,
                Err(answer) => return answer,
            },
            code => code,
        };
        let data = error.data.as_ref().map(|data| {
            let renamed = match self.method {
                Method::ReadResource if !self.upstream().is_bare() => {
                    rename(Shape::ResourceUpdated, data, self.upstream().rename()).ok()
                }
                _ => None,
            };
            renamed.unwrap_or_else(|| data.clone())
        });
        // As the upstream wrote it, but for what was translated.
        let raw = error.raw.as_ref().and_then(|raw| {
            let code = Some(code).filter(|code| *code != error.code);
            let data = data
                .as_deref()
                .filter(|data| error.data.as_deref() != Some(data));
            error_with(raw, code, data).ok()
        });
        let answer = match raw {
            Some(raw) => Answer::raw_error(&self.id, &raw),
            None => Answer::error(&self.id, code, &error.message, data.as_deref()),
        };
        match code {
            codes::MISSING_CLIENT_CAPABILITY => answer.with_status(StatusCode::BAD_REQUEST),
            codes::METHOD_NOT_FOUND if modern => answer.with_status(StatusCode::NOT_FOUND),
            _ => answer,
        }
    }

    /// A modern server says so by -32602 with the URI, which means something else in general.
    fn is_missing_resource(&self, error: &RpcError) -> bool {
        let names_uri = || {
            let data = error.data.as_deref().unwrap_or_default();
            let data: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
            data.get("uri").is_some()
        };
        self.method == Method::ReadResource && self.upstream().is_modern() && names_uri()
    }

    /// A legacy server wants a page opened before it is called again. Clients of 2025-11-25 that
    /// can do so are told just that; for modern ones see [`Rounds`](super::rounds::Rounds).
    fn url_elicitation(&self, error: &RpcError) -> Result<i64, Answer> {
        let opens_urls = self.client.profile().capabilities.elicitation_url;
        match &self.client {
            Client::Legacy(client)
                if opens_urls && client.session.version >= ProtocolVersion::V2025_11_25 =>
            {
                Ok(codes::URL_ELICITATION_REQUIRED)
            }
            Client::Modern(_) if !opens_urls => {
                let required = json!({"elicitation": {"url": {}}});
                Err(missing_capability(&self.id, &required))
            }
            _ if self.method == Method::CallTool => Err(self.tool_error(&in_words(error))),
            _ => Err(Answer::error(
                &self.id,
                codes::INTERNAL_ERROR,
                &in_words(error),
                None,
            )),
        }
    }

    /// There is no answer: the model gets words that it can act on, unless it is our own fault.
    pub(super) fn failure(&self, failure: &Failure) -> Answer {
        if failure.kind == FailureKind::Forgotten {
            // Nobody may assume success, and the words say so.
            let (code, text) = (codes::INTERNAL_ERROR, &failure.message);
            return Answer::error(&self.id, code, text, None);
        }
        let hint = match (failure.effect, self.reads) {
            (Effect::None, _) | (_, Reads::Surely) => None,
            (Effect::Possible, Reads::Declared) => {
                Some("The tool is declared read-only: trying again should do no harm.")
            }
            (Effect::Possible, Reads::Unknown) => {
                Some("The call may have had an effect: check before trying again.")
            }
        };
        let text = match hint {
            None => failure.message.clone(),
            Some(hint) => format!("{}. {hint}", failure.message.trim_end_matches('.')),
        };
        let ours = matches!(
            failure.kind,
            FailureKind::Busy | FailureKind::Gone | FailureKind::Internal
        );
        if ours {
            let answer = Answer::error(&self.id, codes::INTERNAL_ERROR, &text, None);
            return match failure.kind {
                FailureKind::Busy => answer.with_again(),
                _ => answer,
            };
        }
        self.trouble(&text)
    }

    /// Words for the model where it calls a tool, an error otherwise.
    pub(super) fn trouble(&self, text: &str) -> Answer {
        match self.method {
            Method::CallTool => self.tool_error(text),
            _ => Answer::error(&self.id, codes::INTERNAL_ERROR, text, None),
        }
    }
}

/// What -32042 asks for, for a model that must tell its user.
fn in_words(error: &RpcError) -> String {
    let data = error.data.as_deref().unwrap_or_default();
    let data: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
    let asked = data.get("elicitations").and_then(|all| all.as_array());
    let mut text = error.message.clone();
    for elicitation in asked.into_iter().flatten() {
        let member = |name: &str| elicitation.get(name).and_then(|value| value.as_str());
        if let Some(url) = member("url") {
            let message = member("message").unwrap_or("The server asks to open a page");
            text.push_str(&format!("\n{message}: {url}"));
        }
    }
    text
}
