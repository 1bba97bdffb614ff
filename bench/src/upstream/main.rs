//! An MCP server of both eras that does next to nothing, so that what stands before it is what is
//! measured. Its tools:
//!
//! - `echo` answers with the arguments as they came,
//! - `large` with 64 KiB of text,
//! - `steps` with 20 progress events before its answer, as a stream.
//!
//! A GET is answered with a stream that stays silent. Beside it stand some of GitHub, below `/github`
//! for native connectors, and at `/v1/traces` a collector that takes spans and forgets them.
//!
//! `bench-upstream` listens on a free port of loopback and prints its URL (`/mcp`). `/tools/{n}`
//! beside it is a server of `n` tools, for lists. `bench-upstream stdio` speaks over standard input
//! and output instead, in the legacy era, for a worker that hosts it.

mod answers;
mod github;
mod stdio;

use std::convert::Infallible;
use std::io::Write;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use answers::{INITIALIZED, SESSION, discovered, many, method_unknown, own_tools, steps};

/// As much of a message as must be read to answer it.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: &'a str,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Default, Deserialize)]
struct Params<'a> {
    #[serde(default)]
    name: Option<&'a str>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("stdio") {
        return stdio::serve();
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "http://{}/mcp", listener.local_addr()?)?;
    let own = |method: Method, headers: HeaderMap, body: Bytes| async move {
        answer(&method, &headers, &body, own_tools())
    };
    let lists = |Path(count): Path<usize>, method: Method, headers: HeaderMap, body: Bytes| async move {
        answer(&method, &headers, &body, &many(count))
    };
    let router = Router::new()
        .route("/mcp", post(own).delete(own).get(own))
        .route("/tools/{count}", post(lists).delete(lists).get(lists))
        .route("/v1/traces", post(spans).layer(DefaultBodyLimit::disable()))
        .merge(github::router());
    axum::serve(listener, router).await?;
    Ok(())
}

/// What OTLP has for "they are all here": a message with nothing in it.
async fn spans(_: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/x-protobuf")], Body::empty()).into_response()
}

/// A stream on which nothing happens.
fn silent() -> Response {
    let headers = [
        (CONTENT_TYPE.as_str(), "text/event-stream"),
        // nginx would hold even the head back.
        ("x-accel-buffering", "no"),
    ];
    let body = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    (headers, body).into_response()
}

fn answer(method: &Method, headers: &HeaderMap, body: &Bytes, tools: &str) -> Response {
    match *method {
        Method::POST => {}
        Method::DELETE => return StatusCode::NO_CONTENT.into_response(),
        Method::GET => return silent(),
        _ => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
    let Ok(message) = serde_json::from_slice::<Message<'_>>(body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Some(id) = message.id.map(RawValue::get) else {
        return StatusCode::ACCEPTED.into_response();
    };
    let modern = headers
        .get("mcp-protocol-version")
        .is_some_and(|version| version == "2026-07-28");
    let params = message.params.unwrap_or_default();
    let result = match message.method {
        "tools/call" => match params.name {
            Some("large") => answers::large().to_owned(),
            Some("steps") => {
                let token = params.meta.and_then(|meta| meta.progress_token);
                let body = steps(id, token.map_or("0", RawValue::get));
                return ([(CONTENT_TYPE, "text/event-stream")], Body::from(body)).into_response();
            }
            _ => answers::echo(params.arguments.map_or("{}", RawValue::get)),
        },
        "tools/list" => tools.to_owned(),
        "server/discover" if modern => discovered().to_owned(),
        "initialize" => {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{INITIALIZED}}}"#);
            let headers = [
                (CONTENT_TYPE.as_str(), "application/json"),
                ("mcp-session-id", SESSION),
            ];
            return (headers, body).into_response();
        }
        _ => return method_unknown(id),
    };
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
