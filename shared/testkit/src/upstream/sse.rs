//! An MCP server over HTTP+SSE (2024-11-05). It does handshakes by itself; all else that it is
//! told goes to the test, which says on the stream what it likes. It refuses what a server of that
//! time does not know: POST to the stream's address, headers of later revisions, other streams'
//! messages.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State as Extract};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// How long a test waits for what should come.
const WITHIN: Duration = Duration::from_secs(10);
/// Headers that came with later revisions.
const LATER: [&str; 4] = [
    "mcp-session-id",
    "mcp-protocol-version",
    "mcp-method",
    "last-event-id",
];

/// A running server. Ends when it is dropped.
#[derive(Debug)]
pub struct SseServer {
    port: u16,
    posted: Mutex<mpsc::UnboundedReceiver<Posted>>,
    state: Arc<State>,
    server: JoinHandle<()>,
}

/// A message that was posted.
#[derive(Debug)]
pub struct Posted {
    /// The JSON-RPC method; `(response)` for an answer.
    pub method: String,
    pub body: Value,
    pub headers: HeaderMap,
}

#[derive(Debug)]
struct State {
    tell: mpsc::UnboundedSender<Posted>,
    capabilities: Value,
    facts: std::sync::Mutex<Facts>,
}

#[derive(Debug, Default)]
struct Facts {
    streams: u64,
    refused_posts: usize,
    /// The newest stream, with its number.
    open: Option<(u64, mpsc::Sender<Bytes>)>,
    /// What the `endpoint` event says instead of the truth.
    endpoint: Option<String>,
    /// Whether it has become a server that knows no streams.
    is_gone: bool,
}

impl SseServer {
    pub async fn start(capabilities: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let (tell, posted) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            tell,
            capabilities,
            facts: std::sync::Mutex::default(),
        });
        let router = Router::new()
            .route("/sse", get(open).post(refuse))
            .route("/messages", post(take))
            .with_state(state.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "the test kit has no runtime::Tasks"
        )]
        let server = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("serving does not fail");
        });
        Self {
            port,
            posted: Mutex::new(posted),
            state,
            server,
        }
    }

    /// Where the stream is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/sse", self.port)
    }

    /// Names another place for messages from now on.
    pub fn name_endpoint(&self, endpoint: &str) {
        self.state.facts().endpoint = Some(endpoint.to_owned());
    }

    /// Streams opened so far.
    pub fn streams(&self) -> u64 {
        self.state.facts().streams
    }

    /// Messages that were posted to the stream's address.
    pub fn refused_posts(&self) -> usize {
        self.state.facts().refused_posts
    }

    /// The next message, which must be of this method.
    ///
    /// # Panics
    /// None came within 10 s, or another one.
    pub async fn expect(&self, method: &str) -> Posted {
        let mut posted = self.posted.lock().await;
        match tokio::time::timeout(WITHIN, posted.recv()).await {
            Ok(Some(posted)) => {
                assert_eq!(posted.method, method, "{:?}", posted.body);
                posted
            }
            _ => panic!("no {method} came within {WITHIN:?}"),
        }
    }

    /// Says a message on the newest stream.
    ///
    /// # Panics
    /// There is none.
    pub async fn say(&self, message: Value) {
        let stream = self.state.facts().open.clone();
        let (_, stream) = stream.expect("a stream is open");
        say(&stream, &message).await;
    }

    /// Answers a request.
    pub async fn answer(&self, request: &Posted, result: Value) {
        let id = &request.body["id"];
        self.say(json!({"jsonrpc": "2.0", "id": id, "result": result}))
            .await;
    }

    /// Ends the newest stream.
    pub fn end_stream(&self) {
        self.state.facts().open = None;
    }

    /// Knows no streams from now on: answers 404 wherever one asks for one.
    pub fn be_gone(&self) {
        let mut facts = self.state.facts();
        facts.is_gone = true;
        facts.open = None;
    }

    /// Takes no messages for the newest stream any more, which stays open.
    pub fn forget_session(&self) {
        if let Some((number, _)) = &mut self.state.facts().open {
            *number = u64::MAX;
        }
    }

    /// Waits until nobody reads the newest stream any more.
    ///
    /// # Panics
    /// There is none, or it is read for 10 s more.
    pub async fn left(&self) {
        let stream = self.state.facts().open.clone();
        let (_, stream) = stream.expect("a stream is open");
        let left = tokio::time::timeout(WITHIN, stream.closed()).await;
        left.expect("nobody reads the stream any more");
    }
}

impl Drop for SseServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl State {
    fn facts(&self) -> std::sync::MutexGuard<'_, Facts> {
        self.facts.lock().expect("no panic while held")
    }
}

async fn refuse(Extract(state): Extract<Arc<State>>) -> StatusCode {
    state.facts().refused_posts += 1;
    StatusCode::METHOD_NOT_ALLOWED
}

async fn open(Extract(state): Extract<Arc<State>>, headers: HeaderMap) -> Response {
    let accepts = headers
        .get("accept")
        .is_some_and(|accept| accept == "text/event-stream");
    if !accepts || LATER.iter().any(|name| headers.contains_key(*name)) {
        return plain(StatusCode::BAD_REQUEST, "text/plain", Body::empty());
    }
    let (send, receive) = mpsc::channel::<Bytes>(1_024);
    let endpoint = {
        let mut facts = state.facts();
        if facts.is_gone {
            return plain(StatusCode::NOT_FOUND, "text/plain", Body::empty());
        }
        facts.streams += 1;
        let number = facts.streams;
        facts.open = Some((number, send.clone()));
        let truth = format!("/messages?session={number}");
        facts.endpoint.clone().unwrap_or(truth)
    };
    let first = Bytes::from(format!(": hello\n\nevent: endpoint\ndata: {endpoint}\n\n"));
    let _ = send.send(first).await;
    let events = stream::unfold(receive, |mut receive| async move {
        let event = receive.recv().await?;
        Some((Ok::<_, Infallible>(event), receive))
    });
    plain(
        StatusCode::OK,
        "text/event-stream",
        Body::from_stream(events),
    )
}

async fn take(
    Extract(state): Extract<Arc<State>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let open = state.facts().open.clone();
    let stream = open.filter(|(number, _)| query == Some(format!("session={number}")));
    let Some((_, stream)) = stream else {
        return StatusCode::NOT_FOUND;
    };
    let json = headers
        .get("content-type")
        .is_some_and(|kind| kind == "application/json");
    if !json || LATER.iter().any(|name| headers.contains_key(*name)) {
        return StatusCode::BAD_REQUEST;
    }
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let method = body["method"].as_str().unwrap_or("(response)").to_owned();
    match method.as_str() {
        "initialize" => {
            let result = json!({"protocolVersion": "2024-11-05",
                "capabilities": state.capabilities, "serverInfo": {"name": "old", "version": "1"}});
            let answer = json!({"jsonrpc": "2.0", "id": body["id"], "result": result});
            say(&stream, &answer).await;
        }
        "notifications/initialized" => {}
        _ => {
            let _ = state.tell.send(Posted {
                method,
                body,
                headers,
            });
        }
    }
    StatusCode::ACCEPTED
}

async fn say(stream: &mpsc::Sender<Bytes>, message: &Value) {
    let event = Bytes::from(format!("event: message\ndata: {message}\n\n"));
    // A reader that is gone is what some tests want.
    let _ = stream.send(event).await;
}

fn plain(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let content_type = http::HeaderValue::from_static(content_type);
    answer.headers_mut().insert("content-type", content_type);
    answer
}
