//! What each method is, in each era.

use std::sync::Arc;

use ::mcp::{Meta, Params};
use fabric::Method;
use http::HeaderMap;
use secrecy::SecretString;

use super::answer::Answer;
use super::caller::Caller;
use super::client::{Client, LegacyClient};
use super::errors::method_not_found;
use super::recorded::Recorded;
use super::running::Reply;

/// A request on its way through the core.
pub(crate) struct Exchange<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) client: Client,
    /// The JSON-RPC id, as it was written.
    pub(crate) id: &'a str,
    /// Whether messages can reach the client before the answer.
    pub(crate) can_stream: bool,
    pub(crate) request_id: &'a str,
    /// The caller's own provider token, for native connectors.
    pub(crate) user_token: Option<Arc<SecretString>>,
}

impl Exchange<'_> {
    /// Answers a request of a settled era. `headers` are those of HTTP: they say whether the
    /// `Mcp-Param-*` of a modern call repeat its arguments, and may carry a trace.
    pub(crate) async fn dispatch(
        &self,
        method: &str,
        params: &Params<'_>,
        meta: &Meta<'_>,
        headers: Option<&HeaderMap>,
    ) -> Reply {
        let mut recorded = Recorded::begin(self, method, params, headers);
        let handled = recorded.as_ref().map(|recorded| recorded.handled());
        let reply = self.reply(method, params, meta, headers, &mut recorded);
        let reply = match handled {
            Some(handled) => handled.scope(reply).await,
            None => reply.await,
        };
        let reply = reply.unwrap_or_else(Reply::Message);
        match recorded {
            Some(recorded) => recorded.follow(reply),
            None => reply,
        }
    }

    async fn reply(
        &self,
        method: &str,
        params: &Params<'_>,
        meta: &Meta<'_>,
        headers: Option<&HeaderMap>,
        recorded: &mut Option<Box<Recorded>>,
    ) -> Result<Reply, Answer> {
        let can = self.caller.endpoint.capabilities();
        let not_found = || method_not_found(self.id, &self.client, method);
        let offered = |offered: bool| offered.then_some(()).ok_or_else(not_found);
        let route = match method {
            "tools/call" => self.tool(params, headers)?,
            "prompts/get" => {
                offered(can.prompts)?;
                self.prompt(params)?
            }
            "resources/read" => {
                offered(can.resources)?;
                self.resource(params)?
            }
            "completion/complete" => {
                offered(can.completions)?;
                self.completion(params)?
            }
            "tasks/get" => self.task(Method::GetTask, params)?,
            "tasks/update" => self.task(Method::UpdateTask, params)?,
            "tasks/cancel" => self.task(Method::CancelTask, params)?,
            "prompts/list" => {
                offered(can.prompts)?;
                let method = Method::ListPrompts;
                return self.list(method, params, headers, recorded).await;
            }
            "resources/list" => {
                offered(can.resources)?;
                let method = Method::ListResources;
                return self.list(method, params, headers, recorded).await;
            }
            "resources/templates/list" => {
                offered(can.resources)?;
                let method = Method::ListResourceTemplates;
                return self.list(method, params, headers, recorded).await;
            }
            "tools/list" => return Ok(Reply::Message(self.list_tools(params))),
            _ => {
                let reply = match &self.client {
                    Client::Legacy(client) => self.legacy(client, method, params).await,
                    Client::Modern(_) => self.modern(method, params),
                };
                return reply.ok_or_else(not_found);
            }
        };
        self.run(route, params, meta, headers, recorded).await
    }

    /// The methods that 2026-07-28 removed.
    async fn legacy(
        &self,
        client: &LegacyClient,
        method: &str,
        params: &Params<'_>,
    ) -> Option<Reply> {
        let can = self.caller.endpoint.capabilities();
        let reply = match method {
            "ping" => Err(Answer::result(self.id, b"{}")),
            "logging/setLevel" if can.logging => self.set_level(client, params).await,
            "resources/subscribe" if can.resources_subscribe => {
                self.subscribe(client, params, true).await
            }
            "resources/unsubscribe" if can.resources_subscribe => {
                self.subscribe(client, params, false).await
            }
            _ => return None,
        };
        Some(reply.unwrap_or_else(Reply::Message))
    }

    /// The methods that it brought.
    fn modern(&self, method: &str, params: &Params<'_>) -> Option<Reply> {
        match method {
            "server/discover" => {
                let result = self.caller.endpoint.discover_result(self.caller.ttl_ms());
                Some(Reply::Message(Answer::result(self.id, result.as_bytes())))
            }
            "subscriptions/listen" => Some(self.listen(params)),
            _ => None,
        }
    }
}
