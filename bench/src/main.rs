//! An MCP server of the modern era that does next to nothing, so that what stands before it is
//! what is measured: one tool, `echo`, whose answer has the arguments in it as they came.
//!
//! `bench-upstream` listens on a free port of loopback and prints its URL.

use std::io::Write;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::value::RawValue;

/// As much of a message as must be read to answer it.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: &'a str,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

const DISCOVER: &str = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"bench-upstream","version":"1"}}}"#;
const TOOLS: &str = r#"{"tools":[{"name":"echo","description":"Says the arguments back.","inputSchema":{"type":"object","properties":{"message":{"type":"string"}},"required":["message"]}}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "http://{}/mcp", listener.local_addr()?)?;
    axum::serve(listener, Router::new().route("/mcp", post(answer))).await?;
    Ok(())
}

async fn answer(body: Bytes) -> Response {
    let Ok(message) = serde_json::from_slice::<Message<'_>>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Some(id) = message.id.map(RawValue::get) else {
        return StatusCode::ACCEPTED.into_response();
    };
    let result = match message.method {
        "tools/call" => {
            let arguments = message.params.and_then(|params| params.arguments);
            called(arguments.map_or("{}", RawValue::get))
        }
        "tools/list" => TOOLS.to_owned(),
        "server/discover" => DISCOVER.to_owned(),
        _ => {
            let error = r#"{"code":-32601,"message":"no such method"}"#;
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
            return (
                StatusCode::NOT_FOUND,
                [(CONTENT_TYPE, "application/json")],
                body,
            )
                .into_response();
        }
    };
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn called(arguments: &str) -> String {
    format!(
        r#"{{"content":[{{"type":"text","text":"echo"}}],"structuredContent":{arguments},"resultType":"complete"}}"#
    )
}
