//! MCP over Streamable HTTP, bare, so that a scenario can also do what no client would.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::api::Answer;

pub(crate) const LEGACY: &str = "2025-11-25";
pub(crate) const MODERN: &str = "2026-07-28";

/// An endpoint and a key.
#[derive(Clone)]
pub(crate) struct Mcp {
    http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) key: String,
}

/// A legacy session.
pub(crate) struct Session {
    mcp: Mcp,
    pub(crate) id: String,
}

impl Mcp {
    pub(crate) fn new(url: String, key: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(120))
            .build()
            .unwrap();
        Self {
            http,
            url,
            key: key.to_owned(),
        }
    }

    /// The same endpoint with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    /// Sends one message, with headers besides the usual ones.
    pub(crate) async fn post(&self, message: &Value, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, Some(message), headers).await
    }

    /// Any request.
    pub(crate) async fn send(
        &self,
        method: Method,
        message: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self
            .http
            .request(method, &self.url)
            .header("accept", "application/json, text/event-stream");
        if !self.key.is_empty() {
            request = request.bearer_auth(&self.key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(message) = message {
            request = request.json(message);
        }
        Answer::read(request.send().await.unwrap()).await
    }

    /// One request of the modern era, with all headers that it needs.
    pub(crate) async fn modern(&self, method: &str, params: Value) -> Answer {
        let name = params["name"].as_str().or(params["uri"].as_str());
        let name = name.unwrap_or_default().to_owned();
        let message = json!({
            "jsonrpc": "2.0", "id": 1, "method": method, "params": modern_params(params),
        });
        let mut headers = vec![("mcp-protocol-version", MODERN), ("mcp-method", method)];
        if !name.is_empty() {
            headers.push(("mcp-name", &name));
        }
        self.post(&message, &headers).await
    }

    /// Calls a tool in the modern era; the answer is the JSON-RPC response.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        let answer = self
            .modern(
                "tools/call",
                json!({ "name": tool, "arguments": arguments }),
            )
            .await;
        answer.response()
    }

    /// Names of all tools, from the modern era's first page.
    pub(crate) async fn tools(&self) -> Vec<String> {
        let response = self.modern("tools/list", json!({})).await.response();
        let tools = response["result"]["tools"]
            .as_array()
            .unwrap_or_else(|| panic!("{response}"));
        tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Opens a legacy session.
    pub(crate) async fn open(&self) -> Session {
        let message = json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": {
                "protocolVersion": LEGACY, "capabilities": {},
                "clientInfo": { "name": "scenario", "version": "1" },
            },
        });
        let answer = self.post(&message, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let session = Session {
            mcp: self.clone(),
            id: answer.header("mcp-session-id").to_owned(),
        };
        assert!(!session.id.is_empty(), "initialize gives a session");
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(session.post(&initialized).await.status, 202);
        session
    }
}

impl Session {
    /// The same session as somebody else would use it.
    pub(crate) fn through(&self, mcp: &Mcp) -> Self {
        Self {
            mcp: mcp.clone(),
            id: self.id.clone(),
        }
    }

    pub(crate) async fn post(&self, message: &Value) -> Answer {
        self.send(Method::POST, Some(message)).await
    }

    pub(crate) async fn send(&self, method: Method, message: Option<&Value>) -> Answer {
        let headers = [
            ("mcp-session-id", self.id.as_str()),
            ("mcp-protocol-version", LEGACY),
        ];
        self.mcp.send(method, message, &headers).await
    }

    pub(crate) async fn request(&self, method: &str, params: Value) -> Answer {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.post(&message).await
    }
}

impl Answer {
    /// The JSON-RPC response, whether it came as JSON or as the last event of a stream.
    pub(crate) fn response(&self) -> Value {
        if !self.json.is_null() {
            return self.json.clone();
        }
        let last = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .rfind(|data| {
                let message: Value = serde_json::from_str(data).unwrap_or_default();
                message.get("result").or(message.get("error")).is_some()
            });
        let data = last.unwrap_or_else(|| panic!("no response in {:?}", self.text));
        serde_json::from_str(data).unwrap()
    }
}

/// Adds what every modern request carries.
pub(super) fn modern_params(mut params: Value) -> Value {
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
    meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "scenario", "version": "1" });
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    params
}
