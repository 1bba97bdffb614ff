//! A strict stand-in for a provider's API, driven by the provider's own description: OpenAPI 3.0 and
//! 3.1, Google's discovery documents, GraphQL schemas, and lists of names where there is no more.
//!
//! Each request is held against the description: its method and path, every query parameter,
//! the media type and the members of its body, the header fields that the provider demands, and the
//! credential in its one place. What the description does not allow is refused with 400 and kept as a violation. What it allows is
//! answered with the least data that conforms, or with what the test has put on the script.

mod api;
mod check;
mod discovery;
mod graphql;
mod names;
mod openapi;
mod rules;
mod sample;
mod schema;
mod written;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use api::{Api, Detail, Place};
pub use rules::{Credential, Rules, Unlisted};
pub use schema::conforms;

/// Bytes of a request's body that are read.
const BODY_MAX_BYTES: usize = 4 * 1024 * 1024;

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
    /// How much the description says of it.
    pub detail: Option<Detail>,
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
    /// Answers by operation.
    fixed: BTreeMap<String, Reply>,
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

    /// Requests of this operation are answered so, unless the script says otherwise.
    pub fn answer(&self, operation: &str, reply: Reply) {
        self.log().fixed.insert(operation.to_owned(), reply);
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
    let held = hold(&shared, &parts, &body);
    let seen = Seen {
        method: parts.method.to_string(),
        target: target.clone(),
        headers: parts.headers.clone(),
        body,
        operation: held.operation.clone(),
        detail: held.detail,
    };
    let scripted = {
        let mut log = shared.log.lock().expect("no panic while held");
        log.seen.push(seen);
        let name = held.operation.unwrap_or_default();
        let told = held.violations.iter();
        let told = told.map(|rule| format!("{name} ({} {target}): {rule}", parts.method));
        log.violations.extend(told);
        match log.script.pop_front() {
            None => log.fixed.get(&name).or(log.forever.as_ref()).cloned(),
            next => next,
        }
    };
    match scripted {
        _ if !held.violations.is_empty() => {
            reply(Reply::json(400, &json!({ "message": held.violations }))).await
        }
        Some(scripted) => reply(scripted).await,
        None => reply(held.sample).await,
    }
}

/// What a request is, what is wrong with it, and the least answer.
struct Held {
    operation: Option<String>,
    detail: Option<Detail>,
    violations: Vec<String>,
    sample: Reply,
}

fn hold(shared: &Shared, parts: &Parts, body: &Bytes) -> Held {
    let (api, rules) = (&shared.api, &shared.rules);
    let empty = || Reply::json(200, &json!({}));
    let unknown = |violations| Held {
        operation: None,
        detail: None,
        violations,
        sample: empty(),
    };
    if api.allows_anything {
        return unknown(Vec::new());
    }
    let path = parts.uri.path();
    if let Some(graphql) = api.graphql.as_ref().filter(|graphql| graphql.path == path) {
        let mut violations = check::graphql(rules, parts);
        let asked = graphql.request(body);
        let (operation, sample) = match &asked {
            Ok(asked) => (
                Some(asked.operation.clone()),
                Reply::json(200, &asked.answer),
            ),
            Err(_) => (None, empty()),
        };
        violations.extend(asked.err().into_iter().flatten());
        return Held {
            operation,
            detail: Some(Detail::Schemas),
            violations,
            sample,
        };
    }
    let Some(found) = api.find(parts.method.as_str(), path, &rules.spanning) else {
        let rule = format!("{} {} is in no description", parts.method, parts.uri);
        return unknown(vec![rule]);
    };
    let accept = parts.headers.get(header::ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    Held {
        operation: Some(found.operation.id.clone()),
        detail: Some(found.operation.detail),
        violations: check::request(rules, &found, parts, body),
        sample: sample::reply(
            found.operation,
            accept.unwrap_or_default(),
            &shared.elsewhere,
        ),
    }
}

async fn download(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_MAX_BYTES)
        .await
        .unwrap_or_default();
    let scripted = {
        let mut log = shared.log.lock().expect("no panic while held");
        if parts.headers.contains_key(header::AUTHORIZATION) {
            log.violations
                .push("the credential was sent to another origin".to_owned());
        }
        log.downloads.push(Seen {
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            headers: parts.headers,
            body,
            operation: None,
            detail: None,
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
