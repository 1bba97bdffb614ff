//! MCP to any gateway of a cluster, by a client that lives through the loss of one.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::super::mcp::{LEGACY, MODERN, modern_params};
use super::Stream;

/// For a request whose answer comes at once.
const ANSWER: Duration = Duration::from_secs(60);
/// For a stream that stays open.
const OPEN: Duration = Duration::from_secs(24 * 60 * 60);

/// One endpoint at all gateways, and a key.
#[derive(Clone)]
pub(crate) struct Wire {
    http: reqwest::Client,
    bases: Vec<String>,
    path: String,
    /// What stands before the names of tools.
    prefix: String,
    key: String,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Got {
    /// A JSON-RPC response.
    Message(Value),
    /// Another status than 200.
    Refused(u16, String),
    /// The connection broke.
    Broken(String),
}

/// A legacy session.
#[derive(Clone)]
pub(crate) struct Legacy {
    wire: Wire,
    pub(crate) id: String,
}

impl Got {
    /// The text of a tool's result.
    pub(crate) fn text(&self) -> &str {
        let text = match self {
            Self::Message(message) => message["result"]["content"][0]["text"].as_str(),
            _ => None,
        };
        text.unwrap_or_else(|| panic!("no result: {self:?}"))
    }

    /// Whether it is the result of a tool that worked.
    pub(crate) fn is_result(&self) -> bool {
        match self {
            Self::Message(message) => {
                let result = &message["result"];
                result["content"].is_array() && result["isError"] != true
            }
            _ => false,
        }
    }

    pub(crate) fn message(&self) -> &Value {
        match self {
            Self::Message(message) => message,
            other => panic!("no message: {other:?}"),
        }
    }

    async fn read(request: RequestBuilder) -> Self {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Self::Broken(format!("{error:?}")),
        };
        let status = response.status().as_u16();
        match response.text().await {
            Err(error) => Self::Broken(format!("{error:?}")),
            Ok(text) if status != 200 => Self::Refused(status, text),
            Ok(text) => Self::parse(&text),
        }
    }

    /// JSON, or the last event of a stream.
    pub(super) fn parse(text: &str) -> Self {
        if let Ok(message) = serde_json::from_str(text) {
            return Self::Message(message);
        }
        let data = text
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("data:"));
        let message: Option<Value> = data.and_then(|data| serde_json::from_str(data).ok());
        match message {
            Some(message) if message.get("id").is_some() => Self::Message(message),
            _ => Self::Broken(format!("a stream without an answer: {text:?}")),
        }
    }
}

impl Wire {
    pub(super) fn new(bases: Vec<String>, path: String, key: &str) -> Self {
        let http = reqwest::Client::builder().timeout(ANSWER).build().unwrap();
        Self {
            http,
            bases,
            path,
            prefix: String::new(),
            key: key.to_owned(),
        }
    }

    /// The same with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    /// The same tools at the endpoint of the whole tenant, where their names have a prefix.
    pub(crate) fn among_all(&self) -> Self {
        let (tenant, rest) = self.path.split_once("/connectors/").expect("a connector's");
        let connector = rest.trim_end_matches("/mcp");
        Self {
            path: format!("{tenant}/mcp"),
            prefix: format!("{connector}_"),
            ..self.clone()
        }
    }

    /// The name of a tool here.
    pub(crate) fn tool(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn request(&self, method: Method, gateway: usize) -> RequestBuilder {
        let url = format!("{}{}", self.bases[gateway], self.path);
        self.http
            .request(method, url)
            .header("accept", "application/json, text/event-stream")
            .bearer_auth(&self.key)
    }

    /// A request of the modern era.
    fn modern_request(&self, gateway: usize, method: &str, params: Value) -> RequestBuilder {
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let mut params = modern_params(params);
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
            json!({ "elicitation": { "form": {} } });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut request = self
            .request(Method::POST, gateway)
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", method)
            .json(&message);
        if !name.is_empty() {
            request = request.header("mcp-name", name);
        }
        request
    }

    /// Any request of the modern era.
    pub(crate) async fn modern(&self, gateway: usize, method: &str, params: Value) -> Got {
        Got::read(self.modern_request(gateway, method, params)).await
    }

    /// Calls a tool in the modern era.
    pub(crate) async fn call(&self, gateway: usize, tool: &str, args: Value) -> Got {
        let params = json!({ "name": self.tool(tool), "arguments": args });
        self.modern(gateway, "tools/call", params).await
    }

    /// Calls the tool that asks who is there, in the modern era; returns what to call it with again
    /// once the person has answered.
    ///
    /// # Errors
    /// What came in place of the question.
    pub(crate) async fn ask(&self, gateway: usize) -> Result<Value, Got> {
        let mut params = json!({ "name": self.tool("ask"), "arguments": {} });
        let got = self.modern(gateway, "tools/call", params.clone()).await;
        let Got::Message(message) = &got else {
            return Err(got);
        };
        let result = &message["result"];
        let asked = result["inputRequests"].as_object();
        let Some(key) = asked.and_then(|asked| asked.keys().next()) else {
            return Err(got);
        };
        params["inputResponses"] =
            json!({ key: { "action": "accept", "content": { "name": "Ada" } } });
        params["requestState"] = result["requestState"].clone();
        Ok(params)
    }

    /// Calls it again, with the answer.
    pub(crate) async fn answer(&self, gateway: usize, params: &Value) -> Got {
        self.modern(gateway, "tools/call", params.clone()).await
    }

    /// Listens to changes of the tools as the modern era does.
    pub(crate) async fn watch(&self, gateway: usize) -> Result<Stream, Got> {
        let wish = json!({ "notifications": { "toolsListChanged": true } });
        let request = self.modern_request(gateway, "subscriptions/listen", wish);
        Stream::open(request.timeout(OPEN)).await
    }

    /// Names of the tools.
    pub(crate) async fn tools(&self, gateway: usize) -> Vec<String> {
        let got = self.modern(gateway, "tools/list", json!({})).await;
        let tools = got.message()["result"]["tools"].as_array().unwrap();
        let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
        tools.iter().map(name).collect()
    }

    /// Opens a legacy session of a client that can be asked.
    pub(crate) async fn open(&self, gateway: usize) -> Legacy {
        self.try_open(gateway)
            .await
            .unwrap_or_else(|got| panic!("no session: {got:?}"))
    }

    pub(crate) async fn try_open(&self, gateway: usize) -> Result<Legacy, Got> {
        let message = json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": {
                "protocolVersion": LEGACY, "capabilities": { "elicitation": {} },
                "clientInfo": { "name": "scenario", "version": "1" },
            },
        });
        let request = self.request(Method::POST, gateway).json(&message);
        let broken = |error: reqwest::Error| Got::Broken(format!("{error:?}"));
        let response = request.send().await.map_err(broken)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.map_err(broken)?;
        if status != 200 {
            return Err(Got::Refused(status, text));
        }
        let session = Legacy {
            wire: self.clone(),
            id: header(&headers, "mcp-session-id"),
        };
        assert!(!session.id.is_empty(), "initialize gives a session: {text}");
        let message = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        match session.post(gateway, &message).await {
            Got::Refused(202, _) => Ok(session),
            other => Err(other),
        }
    }
}

impl Legacy {
    fn request(&self, method: Method, gateway: usize) -> RequestBuilder {
        self.wire
            .request(method, gateway)
            .header("mcp-session-id", &self.id)
            .header("mcp-protocol-version", LEGACY)
    }

    /// Sends a message; a notification or a reply is `Refused(202, _)`.
    pub(crate) async fn post(&self, gateway: usize, message: &Value) -> Got {
        Got::read(self.request(Method::POST, gateway).json(message)).await
    }

    pub(crate) async fn call(&self, gateway: usize, tool: &str, args: Value) -> Got {
        self.call_as(1, gateway, tool, args).await
    }

    /// The same with a request id of its own, beside other calls of the session.
    pub(crate) async fn call_as(&self, id: usize, gateway: usize, tool: &str, args: Value) -> Got {
        let params = json!({ "name": self.wire.tool(tool), "arguments": args });
        let message =
            json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        self.post(gateway, &message).await
    }

    /// Calls a tool that streams; progress is wanted.
    pub(crate) async fn stream(&self, gateway: usize, tool: &str, args: Value) -> Stream {
        let stream = self.try_stream(gateway, tool, args).await;
        stream.unwrap_or_else(|got| panic!("no stream: {got:?}"))
    }

    pub(crate) async fn try_stream(
        &self,
        gateway: usize,
        tool: &str,
        args: Value,
    ) -> Result<Stream, Got> {
        let tool = self.wire.tool(tool);
        let message = json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": { "name": tool, "arguments": args, "_meta": { "progressToken": "p" } },
        });
        let request = self.request(Method::POST, gateway).json(&message);
        Stream::open(request.timeout(OPEN)).await
    }

    /// Opens the stream of the session, or takes one up after an event.
    pub(crate) async fn listen(&self, gateway: usize, after: &str) -> Stream {
        let stream = self.try_listen(gateway, after).await;
        stream.unwrap_or_else(|got| panic!("no stream: {got:?}"))
    }

    pub(crate) async fn try_listen(&self, gateway: usize, after: &str) -> Result<Stream, Got> {
        let mut request = self.request(Method::GET, gateway);
        if !after.is_empty() {
            request = request.header("last-event-id", after);
        }
        Stream::open(request.timeout(OPEN)).await
    }

    /// Ends the session.
    pub(crate) async fn delete(&self, gateway: usize) -> Got {
        Got::read(self.request(Method::DELETE, gateway)).await
    }

    /// Answers what the server asked.
    pub(crate) async fn reply(&self, gateway: usize, id: &Value, result: Value) {
        let message = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        let got = self.post(gateway, &message).await;
        assert!(matches!(got, Got::Refused(202, _)), "{got:?}");
    }
}

pub(super) fn header(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).map(|value| value.to_str().unwrap());
    value.unwrap_or_default().to_owned()
}
