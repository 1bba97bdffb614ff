//! What clients send.

use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Answer, MODERN, Rig};

impl Rig {
    pub(crate) async fn send(&self, request: http::Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    /// A POST to acme's aggregate endpoint with acme's key.
    pub(crate) fn post(
        &self,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> http::Request<Body> {
        self.post_to("/api/v1/acme/mcp", &self.keys[0], headers, body)
    }

    pub(crate) fn post_to(
        &self,
        path: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> http::Request<Body> {
        let mut request = http::Request::post(path)
            .header("authorization", format!("Bearer {key}"))
            .header("accept", "application/json, text/event-stream");
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.into()).unwrap()
    }

    /// A modern request with everything that it must have, of a client without capabilities.
    pub(crate) async fn modern(&self, method: &str, params: Value) -> Answer {
        self.modern_as("/api/v1/acme/mcp", json!({}), method, params)
            .await
    }

    /// The same of a client with capabilities, at an endpoint of acme.
    pub(crate) async fn modern_as(
        &self,
        path: &str,
        capabilities: Value,
        method: &str,
        mut params: Value,
    ) -> Answer {
        let name = ["name", "uri", "taskId"].iter().find_map(|key| {
            let named = match *key {
                "uri" => method == "resources/read",
                _ => true,
            };
            params
                .get(key)
                .filter(|_| named)?
                .as_str()
                .map(str::to_owned)
        });
        let given = params.get("_meta").cloned().unwrap_or(json!({}));
        params["_meta"] = meta();
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities;
        for (name, value) in given.as_object().unwrap() {
            params["_meta"][name] = value.clone();
        }
        let mut headers = vec![("mcp-protocol-version", MODERN), ("mcp-method", method)];
        headers.extend(name.as_deref().map(|name| ("mcp-name", name)));
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.send(self.post_to(path, &self.keys[0], &headers, body.to_string()))
            .await
    }

    /// The answer, whichever of its forms it came in.
    pub(crate) fn last(answer: &Answer) -> Value {
        match answer.headers["content-type"].to_str().unwrap() {
            "text/event-stream" => answer.events().pop().unwrap(),
            _ => answer.json(),
        }
    }

    /// Begins a legacy session and returns its id.
    pub(crate) async fn session(&self, path: &str, key: &str) -> String {
        let answer = self
            .send(self.post_to(path, key, &[], initialize("2025-11-25")))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.headers["mcp-session-id"]
            .to_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) async fn legacy(&self, session: &str, method: &str, params: Value) -> Answer {
        let headers = [
            ("mcp-session-id", session),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        let body = json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params});
        self.send(self.post(&headers, body.to_string())).await
    }

    /// Begins a legacy session of a client with capabilities.
    pub(crate) async fn session_as(
        &self,
        path: &str,
        version: &str,
        capabilities: Value,
    ) -> String {
        let client = json!({"name": "test", "version": "1"});
        let params = json!({
            "protocolVersion": version, "capabilities": capabilities, "clientInfo": client,
        });
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let request = self.post_to(path, &self.keys[0], &[], body.to_string());
        let answer = self.send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let session = answer.headers["mcp-session-id"].to_str().unwrap();
        session.to_owned()
    }

    /// A message of a legacy session at one of acme's endpoints.
    pub(crate) fn message(&self, path: &str, session: &str, body: Value) -> http::Request<Body> {
        let headers = [("mcp-session-id", session)];
        self.post_to(path, &self.keys[0], &headers, body.to_string())
    }

    /// A request of a legacy session at one of acme's endpoints.
    pub(crate) async fn legacy_at(
        &self,
        path: &str,
        session: &str,
        method: &str,
        params: Value,
    ) -> Answer {
        let body = json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params});
        self.send(self.message(path, session, body)).await
    }
}

pub(crate) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

pub(crate) fn initialize(version: &str) -> String {
    let client = json!({"name": "test", "version": "1"});
    let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string()
}
