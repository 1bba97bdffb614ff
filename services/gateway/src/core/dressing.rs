//! What an upstream's answer is to the client that asked.

use ::mcp::Split;
use ::mcp::edge::{self, CacheHints, Kind, ServerInfo};
use ::mcp::rename::{Shape, rename_split};
use bytes::Bytes;
use fabric::{Effect, Failure, FailureKind, Method, Outcome};
use serde_json::json;

use super::answer::Answer;
use super::caller::Caller;
use super::client::Client;
use super::errors::missing_capability;
use super::task_id;
use crate::metrics::End;
use crate::snapshot::{Reads, Upstream};

/// Knows who asked whom for what.
pub(super) struct Dressing {
    pub(super) caller: Caller,
    pub(super) client: Client,
    /// The JSON-RPC id, as it was written.
    pub(super) id: Box<str>,
    pub(super) method: Method,
    /// Which of the endpoint's upstreams is asked.
    pub(super) upstream: usize,
    /// Whether the client sees the tool's structured results wrapped.
    pub(super) wrapped: bool,
    pub(super) reads: Reads,
    /// The task as the client knows it, of a method about one.
    pub(super) task: Option<Box<str>>,
}

/// The kind that a method's results are to the edge.
pub(super) const fn kind_of(method: Method) -> Kind {
    match method {
        Method::CallTool => Kind::CallTool,
        Method::GetPrompt => Kind::GetPrompt,
        Method::ReadResource => Kind::ReadResource,
        Method::ListPrompts => Kind::ListPrompts,
        Method::ListResources => Kind::ListResources,
        Method::ListResourceTemplates => Kind::ListResourceTemplates,
        Method::Complete => Kind::Complete,
        _ => Kind::Other,
    }
}

impl Dressing {
    pub(super) fn upstream(&self) -> &Upstream {
        &self.caller.endpoint.upstreams()[self.upstream]
    }

    /// Who answers: of several upstreams behind one name, none by its own.
    pub(super) fn server(&self) -> ServerInfo<'_> {
        let endpoint = &self.caller.endpoint;
        match endpoint.connector {
            Some(_) => ServerInfo::Default(endpoint.server.json()),
            None => ServerInfo::Always(endpoint.server.json()),
        }
    }

    /// The answer that `outcome` is to this client. That more input is needed is none.
    pub(super) fn answer(&self, outcome: Outcome) -> Answer {
        match outcome {
            Outcome::Result(result) => self.result(&result),
            Outcome::Error(error) => self.error(&error),
            Outcome::Failed(failure) => self.failure(&failure),
            Outcome::InputRequired(_) => self.garbage("The upstream asked back where it may not."),
        }
    }

    fn result(&self, result: &Bytes) -> Answer {
        let Ok(split) = Split::of(result) else {
            return self.garbage("The upstream's result is no JSON object.");
        };
        let is_task = split.string("resultType").as_deref() == Some("task");
        let is_error = split.get("isError") == Some("true");
        if is_task && !self.client.profile().capabilities.tasks {
            return match &self.client {
                Client::Modern(_) => {
                    let required = json!({"extensions": {::mcp::TASKS_EXTENSION: {}}});
                    missing_capability(&self.id, &required)
                }
                Client::Legacy(_) => {
                    self.garbage("The upstream made a task of the call, which it may not.")
                }
            };
        }
        match self.dressed(&split, is_task) {
            Ok(dressed) => {
                let end = match is_error && self.method == Method::CallTool {
                    true => End::ToolError,
                    false => End::Ok,
                };
                Answer::result(&self.id, &dressed).with_end(end)
            }
            Err(_) => self.garbage("The upstream's result is no JSON object."),
        }
    }

    /// The result with the endpoint's names, URIs and task ids, and as the client's era has it.
    fn dressed(&self, result: &Split<'_>, is_task: bool) -> Result<Bytes, serde_json::Error> {
        let upstream = self.upstream();
        if is_task || self.method == Method::GetTask {
            let known = self.task.as_deref();
            let task = task_id::dress(result.whole(), &self.caller, upstream, known)?;
            return self.of_era(&Split::of(&task)?);
        }
        let shape = match self.method {
            Method::CallTool => Shape::ToolResult,
            Method::GetPrompt => Shape::PromptResult,
            Method::ReadResource => Shape::ResourceContents,
            _ => return self.of_era(result),
        };
        if upstream.is_bare() {
            return self.of_era(result);
        }
        let renamed = rename_split(shape, result, upstream.rename());
        match renamed.as_ptr() == result.whole().as_ptr() {
            true => self.of_era(result),
            false => self.of_era(&Split::of(&renamed)?),
        }
    }

    fn of_era(&self, result: &Split<'_>) -> Result<Bytes, serde_json::Error> {
        let kind = kind_of(self.method);
        match &self.client {
            Client::Modern(_) => {
                let ttl_ms = self.caller.ttl_ms();
                let hints = kind.is_cacheable().then_some(CacheHints { ttl_ms });
                Ok(edge::split_for_modern(kind, result, self.server(), hints))
            }
            // The worker has seen to it that a legacy upstream says nothing of the other era.
            Client::Legacy(client)
                if !self.wrapped && self.upstream().speaks_for(client.session.version) =>
            {
                Ok(result.whole().clone())
            }
            Client::Legacy(client) => {
                let version = client.session.version;
                edge::for_legacy(kind, version, result.whole(), self.wrapped)
            }
        }
    }

    /// The upstream answered something that is no answer.
    pub(super) fn garbage(&self, text: &str) -> Answer {
        self.failure(&Failure {
            kind: FailureKind::Garbage,
            message: text.to_owned(),
            effect: Effect::Possible,
        })
    }

    /// Words for the model instead of a result.
    pub(super) fn tool_error(&self, text: &str) -> Answer {
        let result = json!({"content": [{"type": "text", "text": text}], "isError": true});
        let result = Bytes::from(result.to_string());
        let dressed = match self.client {
            Client::Modern(_) => edge::complete_for_modern(&result, self.server()),
            Client::Legacy(_) => Ok(result),
        };
        let dressed = dressed.expect("an object of ours");
        Answer::result(&self.id, &dressed).with_end(End::ToolError)
    }
}
