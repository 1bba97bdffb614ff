//! A strict stand-in for a provider's API, driven by the provider's own OpenAPI 3 description.
//!
//! Each request is held against the description: its method and path, every query parameter,
//! the media type and the members of its body, and the header fields that the provider demands. What
//! the description does not allow is refused with 400 and kept as a violation. What it allows is
//! answered with the least data that conforms, or with what the test has put on the script.

mod check;
mod openapi;
mod sample;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use openapi::Api;

/// Bytes of a request's body that are read.
const BODY_MAX_BYTES: usize = 4 * 1024 * 1024;

/// What the provider demands besides its description.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The exact `Authorization` of each request.
    pub authorization: String,
    /// Header fields that each request must have.
    pub headers: Vec<&'static str>,
    /// Paths whose last parameter may span several segments.
    pub spanning: Vec<&'static str>,
    /// `operation id`, `parameter` pairs that are allowed although the description lacks them.
    pub unlisted: Vec<(&'static str, &'static str)>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The operation that the description calls it; none for what it does not know.
    pub operation: Option<String>,
}

/// An answer that a test decides.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Never answers.
    pub hangs: bool,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json; charset=utf-8", body.to_string())
    }

    pub fn text(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self {
            status,
            headers,
            body: body.into(),
            hangs: false,
        }
    }

    pub fn hang() -> Self {
        Self {
            hangs: true,
            ..Self::text(200, "text/plain", "")
        }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// A running provider. It ends when this is dropped.
#[derive(Debug)]
pub struct Provider {
    url: String,
    /// Another origin of the same provider, where downloads are.
    elsewhere: String,
    shared: Arc<Shared>,
    _end: DropGuard,
}

#[derive(Debug)]
struct Shared {
    api: Api,
    rules: Rules,
    elsewhere: String,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    seen: Vec<Seen>,
    violations: Vec<String>,
    script: VecDeque<Reply>,
    /// Answers everything once the script is used up.
    forever: Option<Reply>,
    downloads: Vec<Seen>,
    download: Option<Reply>,
}

impl Provider {
    /// Starts on a free loopback port.
    pub async fn start(api: Api, rules: Rules) -> Self {
        let (main, downloads) = (listen().await, listen().await);
        let url = format!(
            "http://{}",
            main.local_addr().expect("a bound socket has an address")
        );
        let elsewhere = format!(
            "http://{}",
            downloads
                .local_addr()
                .expect("a bound socket has an address")
        );
        let log = Mutex::default();
        let shared = Arc::new(Shared {
            api,
            rules,
            elsewhere: elsewhere.clone(),
            log,
        });
        let end = CancellationToken::new();
        serve(
            main,
            axum::Router::new()
                .fallback(answer)
                .with_state(shared.clone()),
            &end,
        );
        serve(
            downloads,
            axum::Router::new()
                .fallback(download)
                .with_state(shared.clone()),
            &end,
        );
        Self {
            url,
            elsewhere,
            shared,
            _end: end.drop_guard(),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The other origin: no request to it may carry a credential.
    pub fn elsewhere(&self) -> &str {
        &self.elsewhere
    }

    /// The next requests are answered so, in this order, if they are allowed at all.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.log().script.extend(replies);
    }

    /// All requests after the script are answered so.
    pub fn forever(&self, reply: Reply) {
        self.log().forever = Some(reply);
    }

    /// What the other origin answers.
    pub fn offer_download(&self, reply: Reply) {
        self.log().download = Some(reply);
    }

    /// The requests so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.log().seen.clone()
    }

    /// The requests to the other origin so far.
    pub fn downloads(&self) -> Vec<Seen> {
        self.log().downloads.clone()
    }

    /// What was not allowed, in words.
    pub fn violations(&self) -> Vec<String> {
        self.log().violations.clone()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.shared.log.lock().expect("no panic while held")
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("loopback has free ports")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test double lives as long as its test"
)]
fn serve(listener: TcpListener, router: axum::Router, end: &CancellationToken) {
    let end = end.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = end.cancelled() => {}
            _ = axum::serve(listener, router).into_future() => {}
        }
    });
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_MAX_BYTES)
        .await
        .unwrap_or_default();
    let target = parts.uri.to_string();
    let found = shared.api.find(
        parts.method.as_str(),
        parts.uri.path(),
        &shared.rules.spanning,
    );
    let operation = found.as_ref().map(|found| found.operation.id.clone());
    let violations = match &found {
        None if shared.api.allows_anything => Vec::new(),
        None => vec![format!("{} {target} is in no description", parts.method)],
        Some(found) => check::request(&shared.rules, found, &parts, &body),
    };
    let seen = Seen {
        method: parts.method.to_string(),
        target: target.clone(),
        headers: parts.headers.clone(),
        body,
        operation: operation.clone(),
    };
    let scripted = {
        let mut log = shared.log.lock().expect("no panic while held");
        log.seen.push(seen);
        let name = operation.unwrap_or_default();
        let told = violations
            .iter()
            .map(|rule| format!("{name} ({} {target}): {rule}", parts.method));
        log.violations.extend(told);
        match log.script.pop_front() {
            None => log.forever.clone(),
            next => next,
        }
    };
    match (violations.is_empty(), scripted, found) {
        (false, _, _) => reply(Reply::json(400, &json!({ "message": violations }))).await,
        (true, Some(scripted), _) => reply(scripted).await,
        (true, None, None) => reply(Reply::json(200, &json!({}))).await,
        (true, None, Some(found)) => {
            let accept = parts
                .headers
                .get(header::ACCEPT)
                .and_then(|value| value.to_str().ok());
            reply(sample::reply(
                found.operation,
                accept.unwrap_or_default(),
                &shared.elsewhere,
            ))
            .await
        }
    }
}

async fn download(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let scripted = {
        let mut log = shared.log.lock().expect("no panic while held");
        if request.headers().contains_key(header::AUTHORIZATION) {
            log.violations
                .push("the credential was sent to another origin".to_owned());
        }
        log.downloads.push(Seen {
            method: request.method().to_string(),
            target: request.uri().to_string(),
            headers: request.headers().clone(),
            body: Bytes::new(),
            operation: None,
        });
        log.download.clone()
    };
    reply(scripted.unwrap_or_else(|| Reply::text(200, "text/plain", "a download\n"))).await
}

async fn reply(reply: Reply) -> Response {
    if reply.hangs {
        std::future::pending::<()>().await;
    }
    let mut response = Response::builder()
        .status(StatusCode::from_u16(reply.status).expect("tests use real statuses"));
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response
        .body(Body::from(reply.body))
        .expect("tests use real header fields")
}
