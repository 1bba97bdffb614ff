//! The core behind every transport: what a message means.

use std::sync::Arc;

use ::mcp::{Meta, Params, ProtocolVersion, codes};
use domain::Principal;
use http::StatusCode;
use serde_json::value::RawValue;

use super::call::{self, Progress, Running};
use super::list::{self, Hints};
use super::reply::{Answer, Reply, shortened};
use crate::service::App;
use crate::snapshot::Endpoint;

/// How the client wants its answers dressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Legacy(ProtocolVersion),
    Modern,
}

/// A request on its way through the core.
pub(crate) struct Exchange<'a> {
    pub(crate) app: &'a Arc<App>,
    pub(crate) principal: Principal,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) tenant: domain::TenantId,
    pub(crate) client: Client,
    /// The JSON-RPC id, as it was written.
    pub(crate) id: &'a str,
    /// Whether events can reach the client before the answer.
    pub(crate) can_stream: bool,
    pub(crate) request_id: &'a str,
}

impl Exchange<'_> {
    /// Answers a request of a settled era. `headers` says whether the `Mcp-Param-*` of a call
    /// repeat its arguments (modern HTTP; other transports have no such headers).
    pub(crate) fn dispatch(
        &self,
        method: &str,
        params: &Params<'_>,
        meta: &Meta<'_>,
        headers: &http::HeaderMap,
    ) -> Reply {
        let answer = match (method, self.client) {
            ("tools/list", _) => self.list(params),
            ("tools/call", _) => match self.call(params, meta, headers) {
                Ok(running) => return Reply::Call(Box::new(running)),
                Err(answer) => answer,
            },
            ("ping", Client::Legacy(_)) => Answer::result(self.id, b"{}"),
            ("server/discover", Client::Modern) => {
                let result = self.endpoint.server.discover_result(self.ttl_ms());
                Answer::result(self.id, result.as_bytes())
            }
            (_, Client::Legacy(_)) => Answer::method_not_found(self.id, method),
            (_, Client::Modern) => {
                let answer = Answer::method_not_found(self.id, method);
                Answer {
                    status: StatusCode::NOT_FOUND,
                    ..answer
                }
            }
        };
        Reply::Message(answer)
    }

    fn ttl_ms(&self) -> u64 {
        u64::try_from(self.app.config.list_ttl.as_millis()).unwrap_or(u64::MAX)
    }

    fn list(&self, params: &Params<'_>) -> Answer {
        let hints = match self.client {
            Client::Modern => Some(Hints {
                ttl_ms: self.ttl_ms(),
            }),
            Client::Legacy(_) => None,
        };
        let per_page = self.app.config.tools_per_page;
        match list::tools(self.endpoint, params.cursor.as_deref(), per_page, hints) {
            Ok(result) => Answer::result(self.id, &result),
            Err(list::BadCursor) => Answer::invalid_params(self.id, "Invalid cursor"),
        }
    }

    fn call(
        &self,
        params: &Params<'_>,
        meta: &Meta<'_>,
        headers: &http::HeaderMap,
    ) -> Result<Running, Answer> {
        let invalid = |message: &str| Answer::invalid_params(self.id, message);
        let name = params
            .name
            .as_deref()
            .ok_or_else(|| invalid("params.name is missing"))?;
        if params
            .arguments
            .is_some_and(|raw| !raw.get().starts_with('{'))
        {
            return Err(invalid("params.arguments must be an object"));
        }
        let tool = match self.endpoint.tool(name) {
            Some(tool) if tool.enabled => tool,
            Some(_) => return Err(invalid(&format!("Tool is disabled: {}", shortened(name)))),
            None => return Err(invalid(&format!("Unknown tool: {}", shortened(name)))),
        };
        if self.client == Client::Modern {
            let values = |name: &str| {
                headers
                    .get_all(name.to_owned())
                    .iter()
                    .map(|v| v.as_bytes())
            };
            tool.header_params
                .check(params.arguments, values)
                .map_err(|mismatch| {
                    let (status, code) = (StatusCode::BAD_REQUEST, codes::HEADER_MISMATCH);
                    Answer::refused(status, self.id, code, &mismatch.to_string(), None)
                })?;
        }
        let progress = meta.progress_token.filter(|_| self.can_stream);
        let progress = progress.map(|token: &RawValue| Progress::new(token.get()));
        Ok(call::start(self, tool, params, progress))
    }
}
