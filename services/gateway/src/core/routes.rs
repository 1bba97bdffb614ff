//! Which upstream a request is for, and what is asked of it there.

use ::mcp::rename::{Shape, rename};
use ::mcp::{Params, Reference, codes};
use bytes::Bytes;
use fabric::{Inputs, Method, Request};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use serde_json::value::RawValue;

use super::answer::{Answer, shortened};
use super::client::Client;
use super::dispatch::Exchange;
use super::errors::{method_not_found, missing_capability, resource_not_found};
use super::{param_headers, task_id};
use crate::snapshot::Reads;

/// A request on its way to an upstream.
pub(super) struct Route {
    /// Which of the endpoint's upstreams is asked.
    pub(super) upstream: usize,
    /// Under the upstream's own names.
    pub(super) request: Request,
    pub(super) wrapped: bool,
    /// Whether doing it twice does no harm.
    pub(super) repeatable: bool,
    pub(super) reads: Reads,
    /// The task as the client knows it.
    pub(super) task: Option<Box<str>>,
}

impl Route {
    fn new(upstream: usize, request: Request) -> Self {
        Self {
            upstream,
            // Prompts and resources are read.
            repeatable: request.method != Method::CallTool,
            reads: Reads::default(),
            request,
            wrapped: false,
            task: None,
        }
    }
}

fn raw(value: &RawValue) -> Bytes {
    Bytes::copy_from_slice(value.get().as_bytes())
}

impl Exchange<'_> {
    fn invalid(&self, message: &str) -> Answer {
        Answer::invalid_params(self.id, message)
    }

    fn arguments(&self, params: &Params<'_>) -> Result<Option<Bytes>, Answer> {
        match params.arguments {
            Some(arguments) if !arguments.get().starts_with('{') => {
                Err(self.invalid("params.arguments must be an object"))
            }
            arguments => Ok(arguments.map(raw)),
        }
    }

    /// `tools/call`. `headers` say whether the `Mcp-Param-*` of a modern call repeat its
    /// arguments; transports without headers have none.
    pub(super) fn tool(
        &self,
        params: &Params<'_>,
        headers: Option<&HeaderMap>,
    ) -> Result<Route, Answer> {
        let name = params.name.as_deref();
        let name = name.ok_or_else(|| self.invalid("params.name is missing"))?;
        let arguments = self.arguments(params)?;
        let tool = match self.caller.endpoint.tool(name) {
            Some(tool) if tool.enabled => tool,
            Some(_) => return Err(self.invalid(&format!("Tool is disabled: {}", shortened(name)))),
            None => return Err(self.invalid(&format!("Unknown tool: {}", shortened(name)))),
        };
        let mut param_headers = Vec::new();
        if let (Client::Modern(_), Some(headers)) = (&self.client, headers) {
            let values = |name: &str| {
                let values = headers.get_all(name.to_owned()).iter();
                values.map(|value| value.as_bytes())
            };
            let checked = tool.header_params.check(params.arguments, values);
            checked.map_err(|mismatch| {
                let (status, code) = (StatusCode::BAD_REQUEST, codes::HEADER_MISMATCH);
                Answer::refused(status, self.id, code, &mismatch.to_string(), None)
            })?;
            if self.caller.endpoint.upstreams()[tool.upstream].is_modern() {
                param_headers = param_headers::unknown(&tool.header_params, headers);
            }
        }
        let request = Request {
            arguments,
            param_headers,
            // A hint of 2025-11-25 clients; who does not offer tasks ignores it.
            rest: params.rest(Method::CallTool.as_str(), &["task"]),
            to_its_end: !self.client.is_modern(),
            ..Request::new(Method::CallTool, Some(tool.name.clone()))
        };
        Ok(Route {
            wrapped: tool.wrapped,
            repeatable: tool.repeatable,
            reads: tool.reads,
            ..Route::new(tool.upstream, request)
        })
    }

    pub(super) fn prompt(&self, params: &Params<'_>) -> Result<Route, Answer> {
        let name = params.name.as_deref();
        let name = name.ok_or_else(|| self.invalid("params.name is missing"))?;
        let arguments = self.arguments(params)?;
        let unknown = || self.invalid(&format!("Unknown prompt: {}", shortened(name)));
        let (upstream, own) = self.caller.endpoint.prompt(name).ok_or_else(unknown)?;
        let request = Request {
            arguments,
            rest: params.rest(Method::GetPrompt.as_str(), &[]),
            ..Request::new(Method::GetPrompt, Some(own.to_owned()))
        };
        Ok(Route::new(upstream, request))
    }

    pub(super) fn resource(&self, params: &Params<'_>) -> Result<Route, Answer> {
        let uri = params.uri.as_deref();
        let uri = uri.ok_or_else(|| self.invalid("params.uri is missing"))?;
        let endpoint = &self.caller.endpoint;
        let found = endpoint.resource_at(uri);
        let found = found.filter(|(at, _)| endpoint.upstreams()[*at].capabilities.resources);
        let not_found = || resource_not_found(self.id, &self.client, uri);
        let (upstream, own) = found.ok_or_else(not_found)?;
        let request = Request {
            rest: params.rest(Method::ReadResource.as_str(), &[]),
            ..Request::new(Method::ReadResource, Some(own.into_owned()))
        };
        Ok(Route::new(upstream, request))
    }

    /// `completion/complete`: the upstream is that of the prompt or template.
    pub(super) fn completion(&self, params: &Params<'_>) -> Result<Route, Answer> {
        let reference = params.reference;
        let reference = reference.ok_or_else(|| self.invalid("params.ref is missing"))?;
        let endpoint = &self.caller.endpoint;
        let at = match Reference::parse(reference) {
            Ok(Reference::Prompt { name }) => endpoint.prompt(&name).map(|(at, _)| at),
            Ok(Reference::Resource { uri }) => endpoint.resource_at(&uri).map(|(at, _)| at),
            Err(error) => return Err(self.invalid(&format!("Invalid params: {error}"))),
        };
        let completes = |at: &usize| endpoint.upstreams()[*at].capabilities.completions;
        let at = at.filter(completes);
        let at =
            at.ok_or_else(|| self.invalid("params.ref names nothing that can be completed"))?;
        let rest = params.rest(Method::Complete.as_str(), &[]);
        let upstream = &endpoint.upstreams()[at];
        let rest = match upstream.is_bare() {
            true => rest,
            false => {
                let whole = Bytes::from([b"{".as_slice(), &rest, b"}"].concat());
                let own = rename(Shape::Completion, &whole, upstream.restore());
                let own = own.map_err(|error| self.invalid(&format!("Invalid params: {error}")))?;
                own.slice(1..own.len() - 1)
            }
        };
        let request = Request {
            rest,
            ..Request::new(Method::Complete, None)
        };
        Ok(Route::new(at, request))
    }

    /// `tasks/get`, `tasks/update` and `tasks/cancel` of the 2026-07-28 extension.
    pub(super) fn task(&self, method: Method, params: &Params<'_>) -> Result<Route, Answer> {
        let endpoint = &self.caller.endpoint;
        if !self.client.is_modern() || !endpoint.capabilities().tasks {
            return Err(method_not_found(self.id, &self.client, method.as_str()));
        }
        if !self.client.profile().capabilities.tasks {
            let required = json!({"extensions": {::mcp::TASKS_EXTENSION: {}}});
            return Err(missing_capability(self.id, &required));
        }
        let sealed = params.task_id.as_deref();
        let sealed = sealed.ok_or_else(|| self.invalid("params.taskId is missing"))?;
        let inputs = match (method, params.input_responses) {
            (Method::UpdateTask, Some(responses)) if responses.get().starts_with('{') => {
                Some(Inputs {
                    responses: Some(raw(responses)),
                    state: None,
                })
            }
            (Method::UpdateTask, _) => {
                return Err(self.invalid("params.inputResponses must be an object"));
            }
            _ => None,
        };
        let found = task_id::open(self.caller, sealed).and_then(|(connector, own)| {
            let at = endpoint.position(connector)?;
            Some((at, own))
        });
        let (upstream, own) = found.ok_or_else(|| self.invalid("Unknown task"))?;
        let request = Request {
            rest: params.rest(method.as_str(), &[]),
            inputs,
            ..Request::new(method, Some(own))
        };
        Ok(Route {
            task: Some(sealed.into()),
            ..Route::new(upstream, request)
        })
    }
}
