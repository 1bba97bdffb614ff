//! A client of one connection: HTTP/1.1, MCP of both eras.

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

/// Where to go, and with what key.
#[derive(Clone)]
pub struct Target {
    authority: String,
    path: String,
    key: Option<String>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// One connection.
pub struct Client {
    target: Target,
    sender: SendRequest<Full<Bytes>>,
}

impl Target {
    /// # Errors
    /// `url` is none, or names no host.
    pub fn new(url: &str, key: Option<&str>) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("the URL {url}"))?;
        let authority = uri.authority().context("the URL names no host")?;
        Ok(Self {
            authority: authority.to_string(),
            path: uri.path().to_owned(),
            key: key.map(str::to_owned),
        })
    }

    /// The same with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..self.clone()
        }
    }
}

impl Answer {
    /// Whether it holds the result of a tool that worked.
    pub fn is_result(&self) -> bool {
        let has = |part: &[u8]| self.body.windows(part.len()).any(|window| window == part);
        self.status == 200 && has(br#""result":{"#) && !has(br#""isError":true"#)
    }

    /// What it says, for an error.
    pub fn told(&self) -> String {
        let body = String::from_utf8_lossy(&self.body[..self.body.len().min(500)]);
        format!("{}: {body}", self.status)
    }
}

impl Client {
    /// # Errors
    /// Nobody listens there.
    #[expect(
        clippy::disallowed_methods,
        reason = "ends with its connection, and the process"
    )]
    pub async fn connect(target: &Target) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(&target.authority).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            target: target.clone(),
            sender,
        })
    }

    /// Sends other requests with another key from now on.
    pub fn set_key(&mut self, key: &str) {
        self.target.key = Some(key.to_owned());
    }

    /// Sends other requests elsewhere at the same host from now on, with another key.
    pub fn set_target(&mut self, target: &Target) {
        self.target = target.clone();
    }

    /// The handshake of a legacy client; returns the session's id.
    ///
    /// # Errors
    /// The connection broke, or no session was begun.
    pub async fn initialize(&mut self) -> anyhow::Result<String> {
        let answer = self.post(INITIALIZE, None, 200).await?;
        let session = answer.headers.get("mcp-session-id");
        let session = session.context("no session id")?.to_str()?.to_owned();
        self.post(INITIALIZED, Some(&session), 202).await?;
        Ok(session)
    }

    /// Sends a legacy message, whose answer must have this status.
    ///
    /// # Errors
    /// The connection broke, or the answer has another status.
    pub async fn post(
        &mut self,
        body: &'static str,
        session: Option<&str>,
        status: u16,
    ) -> anyhow::Result<Answer> {
        let answer = self.legacy(Bytes::from(body), session).await?;
        ensure!(answer.status == status, "{}", answer.told());
        Ok(answer)
    }

    /// Calls a tool in a session.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn call_in(&mut self, session: &str, tool: &str) -> anyhow::Result<Answer> {
        let params = format!(r#"{{"name":"{tool}","arguments":{{"message":"x"}}}}"#);
        let body = format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{params}}}"#);
        self.legacy(body.into(), Some(session)).await
    }

    /// Calls a tool in the modern era.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn call(&mut self, tool: &str) -> anyhow::Result<Answer> {
        self.call_with(tool, r#"{"message":"x"}"#).await
    }

    /// The same with other arguments, a JSON object.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn call_with(&mut self, tool: &str, arguments: &str) -> anyhow::Result<Answer> {
        let meta = format!(
            r#"{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{}}}}"#
        );
        let params = format!(r#"{{"name":"{tool}","_meta":{meta},"arguments":{arguments}}}"#);
        let body = format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{params}}}"#);
        let headers = [
            ("mcp-protocol-version", MODERN),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
        ];
        let path = self.target.path.clone();
        read(
            self.send(Method::POST, &path, body.into(), &headers)
                .await?,
        )
        .await
    }

    /// # Errors
    /// The connection broke, or the session was not ended.
    pub async fn delete(&mut self, session: &str) -> anyhow::Result<()> {
        let (path, headers) = (self.target.path.clone(), in_session(session));
        let sent = self.send(Method::DELETE, &path, Bytes::new(), &headers);
        let answer = read(sent.await?).await?;
        ensure!(answer.status.is_success(), "{}", answer.told());
        Ok(())
    }

    /// Opens the session's stream. It lives as long as what is returned.
    ///
    /// # Errors
    /// The connection broke, or there is no stream.
    pub async fn get(mut self, session: &str) -> anyhow::Result<(Self, Response<Incoming>)> {
        let (path, headers) = (self.target.path.clone(), in_session(session));
        let sent = self.send(Method::GET, &path, Bytes::new(), &headers);
        let answer = sent.await?;
        ensure!(answer.status() == 200, "{}", answer.status());
        Ok((self, answer))
    }

    /// Sends JSON to another path of the same host.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn json(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        read(self.send(method, path, body, &[]).await?).await
    }

    async fn legacy(&mut self, body: Bytes, session: Option<&str>) -> anyhow::Result<Answer> {
        let path = self.target.path.clone();
        let headers = session.map(in_session);
        let headers = headers.as_ref().map_or(&[][..], |headers| headers);
        read(self.send(Method::POST, &path, body, headers).await?).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Response<Incoming>> {
        let accept = match method {
            Method::GET => "text/event-stream",
            _ => "application/json, text/event-stream",
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.target.authority)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, accept);
        if let Some(key) = &self.target.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        Ok(self
            .sender
            .send_request(request.body(Full::new(body))?)
            .await?)
    }
}

fn in_session(session: &str) -> [(&str, &str); 2] {
    [
        ("mcp-session-id", session),
        ("mcp-protocol-version", LEGACY),
    ]
}

async fn read(answer: Response<Incoming>) -> anyhow::Result<Answer> {
    let (parts, body) = answer.into_parts();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await?.to_bytes(),
    })
}
