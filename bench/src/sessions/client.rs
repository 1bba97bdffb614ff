//! A legacy client of one connection.

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// Where to go, and with what key.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    authority: String,
    path: String,
    key: Option<String>,
}

impl Target {
    #[expect(
        clippy::disallowed_methods,
        reason = "a tool of one run has no configuration"
    )]
    pub(crate) fn parse(url: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().context("the URL")?;
        let authority = uri.authority().context("the URL names no host")?;
        Ok(Self {
            authority: authority.to_string(),
            path: uri.path().to_owned(),
            key: std::env::var("BENCH_KEY")
                .ok()
                .filter(|key| !key.is_empty()),
        })
    }
}

/// One connection.
pub(crate) struct Client {
    target: Target,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    #[expect(
        clippy::disallowed_methods,
        reason = "ends with its connection, and the process"
    )]
    pub(crate) async fn connect(target: &Target) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(&target.authority).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            target: target.clone(),
            sender,
        })
    }

    /// The whole handshake; returns the session's id.
    pub(crate) async fn initialize(&mut self) -> anyhow::Result<String> {
        let answer = self.post(INITIALIZE, None, 200).await?;
        let session = answer
            .headers()
            .get("mcp-session-id")
            .context("no session id")?;
        let session = session.to_str()?.to_owned();
        self.post(INITIALIZED, Some(&session), 202).await?;
        Ok(session)
    }

    /// Sends a message and reads the answer to its end.
    pub(crate) async fn post(
        &mut self,
        body: &'static str,
        session: Option<&str>,
        status: u16,
    ) -> anyhow::Result<Response<()>> {
        let answer = self.send(Method::POST, body, session).await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        ensure!(
            parts.status == status,
            "{}: {}",
            parts.status,
            String::from_utf8_lossy(&body)
        );
        Ok(Response::from_parts(parts, ()))
    }

    pub(crate) async fn delete(&mut self, session: &str) -> anyhow::Result<()> {
        let answer = self.send(Method::DELETE, "", Some(session)).await?;
        ensure!(answer.status().is_success(), "{}", answer.status());
        answer.into_body().collect().await?;
        Ok(())
    }

    /// Opens the session's stream. It lives as long as what is returned.
    pub(crate) async fn get(mut self, session: &str) -> anyhow::Result<(Self, Response<Incoming>)> {
        let answer = self.send(Method::GET, "", Some(session)).await?;
        ensure!(answer.status() == 200, "{}", answer.status());
        Ok((self, answer))
    }

    async fn send(
        &mut self,
        method: Method,
        body: &'static str,
        session: Option<&str>,
    ) -> anyhow::Result<Response<Incoming>> {
        let accept = match method {
            Method::GET => "text/event-stream",
            _ => "application/json, text/event-stream",
        };
        let mut request = Request::builder()
            .method(method)
            .uri(&self.target.path)
            .header(HOST, &self.target.authority)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, accept);
        if let Some(key) = &self.target.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        if let Some(session) = session {
            request = request
                .header("mcp-session-id", session)
                .header("mcp-protocol-version", "2025-11-25");
        }
        self.sender.ready().await?;
        Ok(self
            .sender
            .send_request(request.body(Full::new(Bytes::from(body)))?)
            .await?)
    }
}
