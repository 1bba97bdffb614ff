//! The HTTP side.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State as Extract};
use axum::response::Response;
use axum::routing::{any, post};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::record::{Received, Record};
use super::tools::{self, Deed};
use super::{Era, Script, rules};

#[derive(Debug)]
pub(super) struct State {
    script: Mutex<Script>,
    record: Record,
    sessions: Mutex<BTreeSet<String>>,
    next_session: AtomicU64,
    connections: AtomicUsize,
    go: watch::Sender<bool>,
}

/// An answer that is no result.
pub(super) struct Refusal {
    status: u16,
    error: Option<Value>,
}

impl Refusal {
    pub(super) fn status(status: u16) -> Self {
        Self {
            status,
            error: None,
        }
    }

    pub(super) fn error(status: u16, code: i64, message: &str) -> Self {
        Self {
            status,
            error: Some(json!({"code": code, "message": message})),
        }
    }

    pub(super) fn with_data(mut self, data: Value) -> Self {
        if let Some(error) = &mut self.error {
            error["data"] = data;
        }
        self
    }

    fn answer(self, id: &Value) -> Response {
        match self.error {
            None => plain(self.status, "text/plain", Body::empty()),
            Some(error) => json_answer(
                self.status,
                &json!({"jsonrpc": "2.0", "id": id, "error": error}),
            ),
        }
    }
}

impl State {
    pub(super) fn new(script: Script) -> Self {
        Self {
            script: Mutex::new(script),
            record: Record::default(),
            sessions: Mutex::default(),
            next_session: AtomicU64::new(1),
            connections: AtomicUsize::new(0),
            go: watch::Sender::new(false),
        }
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    pub(super) fn forget_sessions(&self) {
        self.sessions.lock().expect("no panic while held").clear();
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().expect("no panic while held"));
    }

    pub(super) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn let_go(&self) {
        self.go.send_replace(true);
    }

    fn script(&self) -> Script {
        self.script.lock().expect("no panic while held").clone()
    }

    fn knows(&self, session: &str) -> bool {
        self.sessions
            .lock()
            .expect("no panic while held")
            .contains(session)
    }
}

pub(super) fn router(state: Arc<State>) -> Router {
    let methods = post(take).get(take).delete(take);
    Router::new()
        .route("/mcp", methods)
        .route("/redirect", any(redirect))
        .with_state(state)
}

async fn redirect(RawQuery(location): RawQuery) -> Response {
    let mut answer = plain(308, "text/plain", Body::empty());
    let location = location
        .unwrap_or_default()
        .parse()
        .expect("a test names an address");
    answer.headers_mut().insert("location", location);
    answer
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
    state.record.add(Received {
        method: name,
        headers: headers.clone(),
        body: body.clone(),
    });
    let script = state.script();
    if let Some(status) = script.status {
        return plain(status, "text/plain", Body::empty());
    }
    let answered = match script.era {
        Era::Legacy if method == Method::GET => take_up(&state, &script, &headers),
        Era::Modern if method == Method::GET => Err(Refusal::status(405)),
        Era::Legacy if method == Method::DELETE => end_session(&state, &headers),
        Era::Modern if method == Method::DELETE => Err(Refusal::status(405)),
        Era::Legacy => legacy(&state, &script, &headers, &body).await,
        Era::Modern => modern(&state, &script, &headers, &body).await,
    };
    answered.unwrap_or_else(|refusal| refusal.answer(&body["id"]))
}

/// The rest of the stream of a call of `later`: nothing the first time, the answer the second.
fn take_up(state: &State, script: &Script, headers: &HeaderMap) -> Result<Response, Refusal> {
    if rules::text(headers, "accept") != "text/event-stream" {
        return Err(Refusal::status(406));
    }
    if script.sessions && !state.knows(&rules::text(headers, "mcp-session-id")) {
        return Err(Refusal::status(404));
    }
    let event = rules::text(headers, "last-event-id");
    if let Some(id) = event.strip_prefix("later-") {
        return Ok(stopped(&format!("soon-{id}")));
    }
    let id = event
        .strip_prefix("soon-")
        .and_then(|id| id.parse::<u64>().ok());
    let id = id.ok_or_else(|| Refusal::status(405))?;
    let result = json!({"content": [{"type": "text", "text": "at last"}]});
    Ok(events(vec![
        json!({"jsonrpc": "2.0", "id": id, "result": result}),
    ]))
}

fn end_session(state: &State, headers: &HeaderMap) -> Result<Response, Refusal> {
    let session = rules::text(headers, "mcp-session-id");
    let known = state
        .sessions
        .lock()
        .expect("no panic while held")
        .remove(&session);
    if known {
        Ok(plain(200, "text/plain", Body::empty()))
    } else {
        Err(Refusal::status(404))
    }
}

async fn legacy(
    state: &Arc<State>,
    script: &Script,
    headers: &HeaderMap,
    body: &Value,
) -> Result<Response, Refusal> {
    rules::check_request(script, headers)?;
    if body["method"] == "initialize" {
        return Ok(initialize(state, script, body));
    }
    if body["method"] == "server/discover" && script.hangs_on_discover {
        return hang(state).await;
    }
    if script.sessions {
        match rules::text(headers, "mcp-session-id").as_str() {
            "" if script.before_initialize_status == 200 => {
                return Err(Refusal::error(200, -32_601, "Method not found"));
            }
            "" => {
                let status = script.before_initialize_status;
                return Err(Refusal::error(status, -32_000, "Bad Request: no session"));
            }
            session if !state.knows(session) => {
                let status = script.unknown_session_status;
                return Err(Refusal::error(status, -32_000, "Session not found"));
            }
            _ => rules::check_legacy(script, headers)?,
        }
    } else if body["method"] == "server/discover" {
        return Err(Refusal::error(200, -32_601, "Method not found"));
    }
    answer(state, script, body).await
}

async fn modern(
    state: &Arc<State>,
    script: &Script,
    headers: &HeaderMap,
    body: &Value,
) -> Result<Response, Refusal> {
    rules::check_request(script, headers)?;
    if body["method"] == "server/discover" && script.hangs_on_discover {
        return hang(state).await;
    }
    rules::check_modern(headers, body)?;
    if body["method"] == "server/discover" {
        let result = json!({"resultType": "complete", "supportedVersions": ["2026-07-28"],
                            "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private"});
        return Ok(result_answer(script, body, &result));
    }
    answer(state, script, body).await
}

fn initialize(state: &State, script: &Script, body: &Value) -> Response {
    let result = json!({"protocolVersion": script.version, "capabilities": {"tools": {}},
                        "serverInfo": {"name": "fake", "version": "1"}});
    let mut answer = result_answer(script, body, &result);
    if script.sessions {
        let session = format!(
            "session-{}",
            state.next_session.fetch_add(1, Ordering::Relaxed)
        );
        let value = session.parse().expect("it is printable");
        answer.headers_mut().insert("mcp-session-id", value);
        state
            .sessions
            .lock()
            .expect("no panic while held")
            .insert(session);
    }
    answer
}

async fn answer(state: &Arc<State>, script: &Script, body: &Value) -> Result<Response, Refusal> {
    if body["id"].is_null() || body["method"].is_null() {
        return Ok(plain(202, "text/plain", Body::empty()));
    }
    match body["method"].as_str().unwrap_or_default() {
        "tools/list" => Ok(result_answer(script, body, &page(script, body))),
        "tools/call" => call(state, script, body).await,
        "ping" => Ok(result_answer(script, body, &json!({}))),
        _ => Err(Refusal::error(404, -32_601, "Method not found")),
    }
}

fn page(script: &Script, body: &Value) -> Value {
    let all = tools::definitions(script);
    let from: usize = body["params"]["cursor"]
        .as_str()
        .and_then(|cursor| cursor.parse().ok())
        .unwrap_or(0);
    let to = all.len().min(from + script.page_size);
    let mut page = json!({"tools": all[from.min(to)..to]});
    if script.circular_list {
        page["nextCursor"] = json!("0");
    } else if to < all.len() {
        page["nextCursor"] = json!(to.to_string());
    }
    if script.era == Era::Modern {
        page["resultType"] = json!("complete");
    }
    page
}

async fn call(state: &Arc<State>, script: &Script, body: &Value) -> Result<Response, Refusal> {
    let name = body["params"]["name"].as_str().unwrap_or_default();
    let modern = script.era == Era::Modern;
    let id = &body["id"];
    match tools::call(name, &body["params"]["arguments"], modern) {
        Deed::Result(mut result) => {
            if modern && result["resultType"].is_null() {
                result["resultType"] = json!("complete");
            }
            Ok(result_answer(script, body, &result))
        }
        Deed::Error {
            code,
            message,
            data,
        } => Err(Refusal::error(200, code, message).with_data(data)),
        Deed::Progress { steps } => Ok(events(progress(body, steps, modern))),
        Deed::Ask => Ok(events(ask(id))),
        Deed::Raw { content_type, body } => Ok(plain(200, content_type, Body::from(body))),
        Deed::WrongId => Ok(json_answer(
            200,
            &json!({"jsonrpc": "2.0", "id": 999_999, "result": {}}),
        )),
        Deed::Status(status) => {
            let mut answer = plain(status, "text/plain", Body::empty());
            if status == 429 {
                answer
                    .headers_mut()
                    .insert("retry-after", "7".parse().expect("a number"));
            }
            Ok(answer)
        }
        Deed::Die => {
            let parts = stream::iter([
                Ok(Bytes::from_static(b"{\"jsonrpc\":\"2.0\",")),
                Err(std::io::Error::other("the test wants it so")),
            ]);
            Ok(plain(200, "application/json", Body::from_stream(parts)))
        }
        Deed::Later => Ok(stopped(&format!("later-{id}"))),
        Deed::EndEarly => Ok(events(vec![
            json!({"jsonrpc": "2.0", "method": "notifications/x"}),
        ])),
        Deed::Hang => hang(state).await,
        Deed::Hold => {
            let mut go = state.go.subscribe();
            // The sender lives as long as the state.
            let _ = go.wait_for(|go| *go).await;
            Ok(result_answer(script, body, &json!({"content": []})))
        }
    }
}

/// Waits for ever, and notes when the caller has given up.
async fn hang(state: &Arc<State>) -> Result<Response, Refusal> {
    struct Note(Arc<State>);
    impl Drop for Note {
        fn drop(&mut self) {
            self.0.record.abandoned();
        }
    }
    let _note = Note(state.clone());
    std::future::pending().await
}

fn progress(body: &Value, steps: u64, modern: bool) -> Vec<Value> {
    let note =
        |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": method, "params": params});
    let mut messages = vec![note(
        "notifications/message",
        json!({"level": "info", "data": "hi"}),
    )];
    let token = &body["params"]["_meta"]["progressToken"];
    if !token.is_null() {
        messages.extend((1..=steps).map(|step| {
            let params = json!({"progressToken": token, "progress": step, "total": steps,
                                "message": format!("step {step}"), "x": {"y": 1}});
            note("notifications/progress", params)
        }));
        // That of somebody else.
        messages.push(note(
            "notifications/progress",
            json!({"progressToken": 0, "progress": 9}),
        ));
    }
    let mut result = json!({"content": [{"type": "text", "text": "done"}]});
    if modern {
        result["resultType"] = json!("complete");
    }
    messages.push(json!({"jsonrpc": "2.0", "id": body["id"], "result": result}));
    messages
}

fn ask(id: &Value) -> Vec<Value> {
    let ask = |id: Value, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method});
    vec![
        ask(json!("p"), "ping"),
        ask(json!(1), "elicitation/create"),
        json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}}),
    ]
}

fn result_answer(script: &Script, body: &Value, result: &Value) -> Response {
    let message = json!({"jsonrpc": "2.0", "id": body["id"], "result": result});
    if script.events {
        events(vec![message])
    } else {
        json_answer(200, &message)
    }
}

fn json_answer(status: u16, message: &Value) -> Response {
    plain(status, "application/json", Body::from(message.to_string()))
}

/// A stream that ends after it has named an event and when to ask for more.
fn stopped(event: &str) -> Response {
    let text = format!("id: {event}\nretry: 50\ndata:\n\n");
    plain(200, "text/event-stream", Body::from(text))
}

/// A stream of events: one that only sets an id, then the messages. As with real servers, the end
/// of the stream does not come together with its last message.
fn events(messages: Vec<Value>) -> Response {
    let prime = stream::iter([Bytes::from_static(b"id: 1\ndata:\n\n")]);
    let messages = stream::iter(messages)
        .map(|message| Bytes::from(format!("event: message\ndata: {message}\n\n")));
    let end = stream::once(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Bytes::from_static(b": bye\n\n")
    });
    let all = prime.chain(messages).chain(end).map(Ok::<_, Infallible>);
    plain(200, "text/event-stream", Body::from_stream(all))
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
