//! An MCP server over Streamable HTTP whose every word a test speaks: handshakes it does by
//! itself, and all else that it is told goes to the test, which answers when and how it likes.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State as Extract;
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

/// How long a test waits for what should come.
const WITHIN: Duration = Duration::from_secs(10);

/// What a stage does by itself.
#[derive(Clone, Debug)]
pub struct Play {
    /// The revision that `initialize` is answered with; `2026-07-28` knows no handshake.
    pub version: &'static str,
    pub capabilities: Value,
    /// Whether streams may be opened by GET, which then go to the test as well.
    pub listens: bool,
}

impl Play {
    /// A server of 2025-11-25 with tools.
    pub fn legacy() -> Self {
        Self {
            version: "2025-11-25",
            capabilities: json!({"tools": {}}),
            listens: false,
        }
    }

    /// A server of 2026-07-28 with tools.
    pub fn modern() -> Self {
        Self {
            version: "2026-07-28",
            ..Self::legacy()
        }
    }
}

/// A running server. Ends when it is dropped.
#[derive(Debug)]
pub struct Stage {
    port: u16,
    heard: Mutex<mpsc::UnboundedReceiver<Heard>>,
    state: Arc<State>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    play: Play,
    tell: mpsc::UnboundedSender<Heard>,
    sessions: AtomicUsize,
    /// What clients declared in their handshakes, in order.
    declared: std::sync::Mutex<Vec<Value>>,
}

/// One message that the server was sent.
#[derive(Debug)]
pub struct Heard {
    /// The JSON-RPC method; `(response)` for an answer to a request of the server; `GET`,
    /// `DELETE`.
    pub method: String,
    pub headers: HeaderMap,
    pub body: Value,
    answer: Option<oneshot::Sender<Response>>,
}

impl Stage {
    pub async fn set(play: Play) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let (tell, heard) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            play,
            tell,
            sessions: AtomicUsize::new(0),
            declared: std::sync::Mutex::default(),
        });
        let router = Router::new()
            .route("/mcp", any(take))
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
            heard: Mutex::new(heard),
            state,
            server,
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// Sessions begun so far.
    pub fn sessions(&self) -> usize {
        self.state.sessions.load(Ordering::Relaxed)
    }

    /// What clients declared in their handshakes, in order.
    pub fn declared(&self) -> Vec<Value> {
        self.state
            .declared
            .lock()
            .expect("no panic while held")
            .clone()
    }

    /// The next message, whatever it is.
    ///
    /// # Panics
    /// None came within 10 s.
    pub async fn next(&self) -> Heard {
        let mut heard = self.heard.lock().await;
        match tokio::time::timeout(WITHIN, heard.recv()).await {
            Ok(Some(heard)) => heard,
            _ => panic!("nothing came within {WITHIN:?}"),
        }
    }

    /// The next message, which must be of this method.
    ///
    /// # Panics
    /// None came within 10 s, or another one.
    pub async fn expect(&self, method: &str) -> Heard {
        let heard = self.next().await;
        assert_eq!(heard.method, method, "{:?}", heard.body);
        heard
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Heard {
    /// A header's value; the empty text when it is absent or no text.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    pub fn id(&self) -> &Value {
        &self.body["id"]
    }

    /// Answers with a result.
    pub fn result(self, result: Value) {
        let message = json!({"jsonrpc": "2.0", "id": self.body["id"], "result": result});
        self.answer(plain(200, "application/json", message.to_string().into()));
    }

    /// Answers with a JSON-RPC error, in a response of this status.
    pub fn error(self, status: u16, error: Value) {
        let message = json!({"jsonrpc": "2.0", "id": self.body["id"], "error": error});
        self.answer(plain(
            status,
            "application/json",
            message.to_string().into(),
        ));
    }

    /// Answers with a status and no body.
    pub fn status(self, status: u16) {
        self.answer(plain(status, "text/plain", Body::empty()));
    }

    /// Answers with a stream of events that the test goes on with.
    pub fn stream(self) -> Stream {
        let (send, receive) = mpsc::channel::<Bytes>(64);
        let events = stream::unfold(receive, |mut receive| async move {
            let event = receive.recv().await?;
            Some((Ok::<_, Infallible>(event), receive))
        });
        let id = self.body["id"].clone();
        self.answer(plain(200, "text/event-stream", Body::from_stream(events)));
        Stream { id, send }
    }

    fn answer(self, response: Response) {
        if let Some(answer) = self.answer {
            let _ = answer.send(response);
        }
    }
}

/// The stream that answers one request; it ends when this is dropped.
#[derive(Debug)]
pub struct Stream {
    id: Value,
    send: mpsc::Sender<Bytes>,
}

impl Stream {
    /// Says an event as it is written here, its empty line included.
    pub async fn event(&self, text: &str) {
        let _ = self.send.send(Bytes::from(text.to_owned())).await;
    }

    /// Says one message.
    pub async fn say(&self, message: Value) {
        let event = Bytes::from(format!("event: message\ndata: {message}\n\n"));
        // A reader that is gone is what some tests want.
        let _ = self.send.send(event).await;
    }

    pub async fn ask(&self, id: Value, method: &str, params: Value) {
        self.say(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await;
    }

    pub async fn notify(&self, method: &str, params: Value) {
        self.say(json!({"jsonrpc": "2.0", "method": method, "params": params}))
            .await;
    }

    /// Says the result of the request, and ends.
    pub async fn result(self, result: Value) {
        let id = self.id.clone();
        self.say(json!({"jsonrpc": "2.0", "id": id, "result": result}))
            .await;
    }

    /// Waits until nobody reads any more.
    pub async fn left(&self) {
        self.send.closed().await;
    }
}

async fn take(
    Extract(state): Extract<Arc<State>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let name = match (&body, body["method"].as_str()) {
        (Value::Null, _) => method.to_string(),
        (_, None) => "(response)".to_owned(),
        (_, Some(name)) => name.to_owned(),
    };
    let modern = state.play.version == "2026-07-28";
    match name.as_str() {
        "server/discover" if modern => {
            return answer(
                &body,
                json!({"resultType": "complete",
                "supportedVersions": [state.play.version], "capabilities": state.play.capabilities,
                "ttlMs": 0, "cacheScope": "private"}),
            );
        }
        "server/discover" => return plain(400, "text/plain", Body::empty()),
        "initialize" if !modern => {
            let number = state.sessions.fetch_add(1, Ordering::Relaxed) + 1;
            let declared = body["params"]["capabilities"].clone();
            state
                .declared
                .lock()
                .expect("no panic while held")
                .push(declared);
            let mut answer = answer(
                &body,
                json!({"protocolVersion": state.play.version,
                "capabilities": state.play.capabilities, "serverInfo": {"name": "stage", "version": "1"}}),
            );
            let session = format!("session-{number}")
                .parse()
                .expect("it is printable");
            answer.headers_mut().insert("mcp-session-id", session);
            return answer;
        }
        "notifications/initialized" => return plain(202, "text/plain", Body::empty()),
        "GET" if !state.play.listens => return plain(405, "text/plain", Body::empty()),
        _ => {}
    }
    let is_question = name == "GET" || !body["id"].is_null() && name != "(response)";
    let (send, receive) = oneshot::channel();
    let heard = Heard {
        method: name,
        headers,
        body,
        answer: is_question.then_some(send),
    };
    let _ = state.tell.send(heard);
    if !is_question {
        return plain(202, "text/plain", Body::empty());
    }
    match receive.await {
        Ok(response) => response,
        // The test dropped it: an answer that never comes.
        Err(_) => std::future::pending().await,
    }
}

fn answer(body: &Value, result: Value) -> Response {
    let message = json!({"jsonrpc": "2.0", "id": body["id"], "result": result});
    plain(200, "application/json", message.to_string().into())
}

fn plain(status: u16, content_type: &str, body: Body) -> Response {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).expect("a test names a status");
    answer.headers_mut().insert(
        "content-type",
        content_type.parse().expect("a content type"),
    );
    answer
}
