//! HTTP/1.1 by hand: a server that must be able to break off, to stop in the middle and to answer
//! twice cannot be built on one that never would.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::{Url, form_urlencoded};

use super::serve::Server;

/// Bytes of a request's head, and of its body.
const HEAD_MAX: usize = 64 * 1024;
const BODY_MAX: usize = 1024 * 1024;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    /// Without `?`; empty where there is none.
    pub query: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    /// A header's value; the empty text when it is absent or no text.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Parameters of the query, in order.
    pub fn parameters(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.query.as_bytes())
            .into_owned()
            .collect()
    }

    /// Fields of the body, form or JSON object of texts; empty for what is neither.
    pub fn fields(&self) -> BTreeMap<String, String> {
        if self.header("content-type").starts_with("application/json") {
            return serde_json::from_str(&self.body).unwrap_or_default();
        }
        form_urlencoded::parse(self.body.as_bytes())
            .into_owned()
            .collect()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![
            ("content-type", kind.to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        Self {
            status,
            headers,
            body: body.into(),
        }
    }

    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", body.to_string())
    }

    pub(super) fn html(status: u16, body: &str) -> Self {
        Self::new(status, "text/html; charset=utf-8", body)
    }

    pub(super) fn redirect(to: &str) -> Self {
        Self::new(302, "text/html", "").with("location", to)
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Because\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        [head.into_bytes(), self.body.clone()].concat()
    }
}

/// What happens on the connection.
pub(super) enum Act {
    Reply(Reply),
    /// The same bytes twice.
    Twice(Reply),
    /// Half of the bytes, and the end.
    Half(Reply),
    /// These bytes as they are, and the end.
    Raw(Vec<u8>),
    /// The end.
    Drop,
}

/// Sends a request on to another server on loopback and gives its whole answer, head and all.
pub(super) async fn forward(seen: &Seen, to: &Url) -> io::Result<Vec<u8>> {
    let address = to.socket_addrs(|| None)?;
    let mut stream = TcpStream::connect(&address[..]).await?;
    let mut head = format!(
        "{} {} HTTP/1.1\r\nconnection: close\r\n",
        seen.method,
        to.path()
    );
    for (name, value) in &seen.headers {
        let passes = !["connection", "authorization"].contains(&name.as_str());
        if let Ok(value) = value.to_str()
            && passes
        {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(b"\r\n").await?;
    stream.write_all(seen.body.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Serves until the task is aborted; the connections end with it.
pub(super) async fn serve(listener: TcpListener, server: Arc<Server>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(connection(stream, server.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, server: Arc<Server>) {
    let mut stream = BufReader::new(stream);
    // A connection that breaks is the other side's affair.
    while let Ok(Some(seen)) = read(&mut stream).await {
        let is_last = seen.header("connection").eq_ignore_ascii_case("close");
        let act = server.handle(seen).await;
        let (bytes, goes_on) = match act {
            Act::Reply(reply) => (reply.bytes(), true),
            Act::Twice(reply) => ([reply.bytes(), reply.bytes()].concat(), true),
            Act::Half(reply) => {
                let bytes = reply.bytes();
                let half = bytes.len() - reply.body.len() / 2 - 1;
                (bytes[..half].to_vec(), false)
            }
            Act::Raw(bytes) => (bytes, false),
            Act::Drop => return,
        };
        if stream.get_mut().write_all(&bytes).await.is_err() || !goes_on || is_last {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Seen>> {
    let mut lines = Vec::new();
    let mut size = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        size += line.len();
        if size > HEAD_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let (first, fields) = lines.split_first().ok_or_else(bad)?;
    let mut words = first.split(' ');
    let (method, target) = (words.next().ok_or_else(bad)?, words.next().ok_or_else(bad)?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for field in fields {
        let (name, value) = field.split_once(':').ok_or_else(bad)?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| bad())?;
        headers.append(name, value);
    }
    let length = headers.get("content-length");
    let length = length.map_or(Ok(0), |length| {
        let length = length.to_str().ok().and_then(|text| text.parse().ok());
        length.filter(|length| *length <= BODY_MAX).ok_or_else(bad)
    })?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Seen {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: String::from_utf8(body).map_err(|_| bad())?,
    }))
}
