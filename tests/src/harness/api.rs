//! Plain HTTP with JSON.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// A base address and a key to send.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
    /// Answers to changes come when these are in force at all gateways.
    waits: bool,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// `null` when the body is no JSON.
    pub(crate) json: Value,
}

impl Api {
    pub(crate) fn new(base: String, key: Option<&str>) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(120))
            .build()
            .unwrap();
        Self {
            http,
            base,
            key: key.map(str::to_owned),
            waits: false,
        }
    }

    /// The same, whose changes are answered when all gateways enforce them.
    pub(super) fn waiting(self) -> Self {
        Self {
            waits: true,
            ..self
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.change(self.request(Method::DELETE, &self.waited(path)))
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, &self.waited(path));
        self.change(request.json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        let request = self.request(Method::PUT, &self.waited(path));
        self.change(request.json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        let request = self.request(Method::PATCH, &self.waited(path));
        self.change(request.json(body)).await
    }

    /// The path of a change, with the wish to wait for it.
    fn waited(&self, path: &str) -> String {
        match path.split_once('?') {
            _ if !self.waits => path.to_owned(),
            Some((_, query)) if query.contains("wait=") => path.to_owned(),
            Some(_) => format!("{path}&wait=true"),
            None => format!("{path}?wait=true"),
        }
    }

    /// Sends a change. One that was made and waited for is in force.
    async fn change(&self, request: RequestBuilder) -> Answer {
        let answer = send(request).await;
        let made = (200..300).contains(&answer.status);
        assert!(
            !self.waits || !made || answer.header("turnbuckle-enforced") == "true",
            "not everywhere: {:?}",
            answer.headers
        );
        answer
    }

    /// A request to shape further; [`send`] sends it.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }
}

/// Sends a request and reads the whole answer.
pub(super) async fn send(request: RequestBuilder) -> Answer {
    Answer::read(request.send().await.unwrap()).await
}

impl Answer {
    pub(super) async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self {
            status,
            headers,
            text,
            json,
        }
    }

    /// The body of an answer that must have this status.
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json
    }

    /// Asserts that this is a problem document of this name and status.
    pub(crate) fn expect_problem(&self, status: u16, name: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(
            self.json["type"],
            format!("urn:turnbuckle:problem:{name}"),
            "{}",
            self.text
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
    }

    /// A header's value; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}
