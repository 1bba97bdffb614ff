//! An MCP client of the 2026-07-28 revision: every request stands alone and says what it is in its
//! header too; the answer is one JSON document, or a stream of events that ends with it.

use std::time::Duration;

use egress::Response;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use mcp::{HeaderParams, ProtocolVersion, codes, header, keys};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use url::Url;

use super::api::{ANSWER_MAX_BYTES, Api};
use super::failure::{Failure, Problem, object};
use super::progress::Progress;

const LIST_PATIENCE: Duration = Duration::from_secs(60);
/// The only request on its connection, so one number is enough.
const REQUEST_ID: u64 = 1;

/// One MCP endpoint of the platform.
pub(super) struct McpClient<'a> {
    api: &'a Api,
    url: Url,
}

/// A call, and what is told of it on the way.
pub(super) struct ToolCall<'a> {
    pub(super) tool: &'a str,
    /// A JSON object.
    pub(super) arguments: &'a RawValue,
    pub(super) patience: Duration,
    /// Where the tool's progress is shown, if anybody watches.
    pub(super) progress: Option<&'a Progress>,
}

/// A request on its way out.
struct Outgoing<'a> {
    method: &'static str,
    name: Option<&'a str>,
    params: Box<RawValue>,
    headers: HeaderMap,
    patience: Duration,
    progress: Option<&'a Progress>,
}

#[derive(Serialize)]
struct CallParams<'a> {
    name: &'a str,
    arguments: &'a RawValue,
    #[serde(rename = "_meta")]
    meta: Value,
}

/// Any message that comes back.
#[derive(Deserialize)]
struct Incoming {
    method: Option<String>,
    params: Option<Value>,
    result: Option<Box<RawValue>>,
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    code: i64,
    message: String,
    data: Option<Value>,
}

/// Why there is no result.
enum Refusal {
    Rpc(StatusCode, RpcError),
    Other(Failure),
}

impl<'a> McpClient<'a> {
    /// `path` is what follows `/api/v1/`.
    pub(super) fn new(api: &'a Api, path: &[&str]) -> Self {
        Self {
            api,
            url: api.url(&["api", "v1"], path),
        }
    }

    /// All pages of `tools/list`.
    pub(super) async fn tools(&self) -> Result<Vec<Value>, Failure> {
        let mut tools = Vec::new();
        let mut cursor: Option<Value> = None;
        loop {
            let mut params = json!({"_meta": meta(false)});
            if let Some(cursor) = &cursor {
                params["cursor"] = cursor.clone();
            }
            let result = self.request(Outgoing {
                method: "tools/list",
                name: None,
                params: raw(&params)?,
                headers: HeaderMap::new(),
                patience: LIST_PATIENCE,
                progress: None,
            });
            let mut page: Value = serde_json::from_str(result.await.map_err(Failure::from)?.get())
                .map_err(|_| Failure::strange("the tool list is no JSON"))?;
            let Some(Value::Array(found)) = page.get_mut("tools").map(Value::take) else {
                return Err(Failure::strange("the tool list has no tools"));
            };
            tools.extend(found);
            match page.get("nextCursor") {
                None | Some(Value::Null) => return Ok(tools),
                next if next == cursor.as_ref() => {
                    return Err(Failure::strange("the tool list never ends"));
                }
                next => cursor = next.cloned(),
            }
        }
    }

    /// The result of one call, as it came.
    pub(super) async fn call(&self, call: &ToolCall<'_>) -> Result<Box<RawValue>, Failure> {
        match self.try_call(call, HeaderMap::new()).await {
            // Some tools want arguments repeated in the header; which ones, their schema says.
            Err(Refusal::Rpc(_, error)) if error.code == codes::HEADER_MISMATCH => {
                let headers = self.header_params(call).await?;
                Ok(self.try_call(call, headers).await?)
            }
            answer => Ok(answer?),
        }
    }

    async fn try_call(
        &self,
        call: &ToolCall<'_>,
        headers: HeaderMap,
    ) -> Result<Box<RawValue>, Refusal> {
        let params = CallParams {
            name: call.tool,
            arguments: call.arguments,
            meta: meta(call.progress.is_some()),
        };
        self.request(Outgoing {
            method: "tools/call",
            name: Some(call.tool),
            params: raw(&params)?,
            headers,
            patience: call.patience,
            progress: call.progress,
        })
        .await
    }

    async fn header_params(&self, call: &ToolCall<'_>) -> Result<HeaderMap, Failure> {
        let tools = self.tools().await?;
        let named = |tool: &&Value| tool.get("name").and_then(Value::as_str) == Some(call.tool);
        let schema = tools
            .iter()
            .find(named)
            .and_then(|tool| tool.get("inputSchema"));
        let unfit = |_| Failure::strange("the tool's schema breaks the rules for header arguments");
        let params = HeaderParams::from_schema(schema.unwrap_or(&Value::Null)).map_err(unfit)?;
        let mut headers = HeaderMap::new();
        for (name, value) in params.headers(Some(call.arguments)) {
            if let Ok(name) = HeaderName::try_from(name) {
                headers.insert(name, header_value(&value));
            }
        }
        Ok(headers)
    }

    async fn request(&self, request: Outgoing<'_>) -> Result<Box<RawValue>, Refusal> {
        let Outgoing {
            method,
            name,
            params,
            mut headers,
            patience,
            progress,
        } = request;
        let version = HeaderValue::from_static(ProtocolVersion::LATEST.as_str());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        headers.insert(header::PROTOCOL_VERSION, version);
        headers.insert(header::METHOD, HeaderValue::from_static(method));
        if let Some(name) = name {
            headers.insert(header::NAME, header_value(&header::encode_value(name)));
        }
        let body = mcp::request(REQUEST_ID, method, &params);
        let response = self
            .api
            .send(Method::POST, &self.url, headers, body, patience)
            .await?;
        let streams = response.headers().get(CONTENT_TYPE).is_some_and(|kind| {
            kind.as_bytes()
                .to_ascii_lowercase()
                .starts_with(b"text/event-stream")
        });
        if streams && response.status().is_success() {
            return self.read_stream(response, progress).await;
        }
        let status = response.status();
        let body = response.collect(ANSWER_MAX_BYTES).await;
        let body = body.map_err(|error| self.api.unreachable(&error))?;
        match serde_json::from_slice::<Incoming>(&body) {
            Ok(Incoming {
                error: Some(error), ..
            }) => Err(Refusal::Rpc(status, error)),
            Ok(Incoming {
                result: Some(result),
                ..
            }) if status.is_success() => Ok(result),
            _ if status.is_success() => {
                Err(Failure::strange("the answer is no JSON-RPC response").into())
            }
            _ => Err(Failure::answered(status, &body).into()),
        }
    }

    async fn read_stream(
        &self,
        mut response: Response,
        progress: Option<&Progress>,
    ) -> Result<Box<RawValue>, Refusal> {
        let status = response.status();
        let mut decoder = mcp::sse::Decoder::new(ANSWER_MAX_BYTES);
        loop {
            let chunk = response
                .chunk()
                .await
                .map_err(|error| self.api.unreachable(&error))?;
            let Some(chunk) = chunk else {
                let detail = "the connection was closed before the answer came: try again";
                return Err(Failure::failed("interrupted", detail).into());
            };
            let mut events = Vec::new();
            decoder
                .feed(&chunk, |event| events.push(event))
                .map_err(|_| Failure::failed("too-large", "the answer is too large to be shown"))?;
            for event in events.into_iter().filter(|event| !event.data.is_empty()) {
                let message: Incoming = serde_json::from_slice(&event.data)
                    .map_err(|_| Failure::strange("an event of the answer is no JSON-RPC"))?;
                if let Some(error) = message.error {
                    return Err(Refusal::Rpc(status, error));
                }
                if let Some(result) = message.result {
                    return Ok(result);
                }
                if message.method.as_deref() == Some("notifications/progress") {
                    show_progress(progress, message.params.as_ref());
                }
            }
        }
    }
}

fn show_progress(progress: Option<&Progress>, params: Option<&Value>) {
    let (Some(progress), Some(params)) = (progress, params) else {
        return;
    };
    let number = |field| params.get(field).filter(|value| value.is_number());
    let count = match (number("progress"), number("total")) {
        (Some(done), Some(total)) => format!("{done}/{total}"),
        (Some(done), None) => done.to_string(),
        _ => String::new(),
    };
    let message = params
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or_default();
    progress.now(format!("{count} {message}").trim());
}

/// What every request says of its sender.
fn meta(progress: bool) -> Value {
    let mut meta = json!({
        keys::PROTOCOL_VERSION: ProtocolVersion::LATEST.as_str(),
        keys::CLIENT_INFO: {"name": "turnbuckle", "version": env!("CARGO_PKG_VERSION")},
        keys::CLIENT_CAPABILITIES: {},
    });
    if progress {
        meta[keys::PROGRESS_TOKEN] = REQUEST_ID.into();
    }
    meta
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>, Failure> {
    to_raw_value(value).map_err(|error| Failure::failed("internal", error.to_string()))
}

/// A value that `mcp` has made fit for a header.
fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("encoded values are printable ASCII")
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Other(failure) => failure,
            Refusal::Rpc(
                status,
                RpcError {
                    code,
                    message,
                    data,
                },
            ) => {
                let mut document = object(json!({
                    "type": "urn:turnbuckle:problem:rpc-error",
                    "title": "JSON-RPC error",
                    "status": status.as_u16(),
                    "detail": message,
                    "code": code,
                }));
                if let Some(data) = data {
                    document.insert("data".to_owned(), data);
                }
                let server = status.is_server_error() || code == codes::INTERNAL_ERROR;
                Self::Answered(Problem { document, server })
            }
        }
    }
}
