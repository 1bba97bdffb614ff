//! One trace from the client through the platform to the upstream, as a collector reads it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AttributeValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{Home, Platform, eventually};

pub(super) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(super) const CLIENT: &str = "b7ad6b7169203331";
const SOON: Duration = Duration::from_secs(20);

/// What a server on loopback was sent: its headers' `traceparent`, and the body.
pub(super) type Heard = Arc<Mutex<Vec<(Option<String>, Bytes)>>>;

/// A server that notes what it hears and answers what `answer` makes of it.
#[expect(
    clippy::disallowed_methods,
    reason = "a test server needs no supervision"
)]
pub(super) async fn serve(answer: fn(&Bytes) -> Bytes) -> (String, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heard = Heard::default();
    let notes = heard.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let notes = notes.clone();
        async move {
            let parent = request.headers().get("traceparent");
            let parent = parent.map(|value| value.to_str().unwrap().to_owned());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let answer = answer(&body);
            notes.lock().unwrap().push((parent, body));
            let mut response = Response::new(Full::new(answer));
            let json = "application/json".parse().unwrap();
            response.headers_mut().insert("content-type", json);
            if response.body().size_hint().exact() == Some(0) {
                *response.status_mut() = hyper::StatusCode::ACCEPTED;
            }
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let mut connections = tokio::task::JoinSet::new();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service.clone());
            connections.spawn(served);
        }
    });
    (url, heard)
}

/// A legacy MCP server with two tools, one of which answers nonsense, as its lists of resources do.
pub(super) fn upstream(body: &Bytes) -> Bytes {
    // What is no message opens or ends a stream.
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(id) = message.get("id") else {
        return Bytes::new();
    };
    if message["method"] == "resources/list" || message["params"]["name"] == "break" {
        return Bytes::from_static(b"nonsense");
    }
    let tool = |name: &str| json!({ "name": name, "inputSchema": { "type": "object" } });
    let result = match message["method"].as_str().unwrap() {
        "initialize" => json!({
            "protocolVersion": "2025-11-25", "capabilities": { "tools": {}, "resources": {} },
            "serverInfo": { "name": "up", "version": "1" },
        }),
        "tools/list" => json!({ "tools": [tool("echo"), tool("break")] }),
        "tools/call" => json!({ "content": [{ "type": "text", "text": "hi" }] }),
        _ => {
            let error = json!({ "code": -32601, "message": "Method not found" });
            return json!({ "jsonrpc": "2.0", "id": id, "error": error })
                .to_string()
                .into();
        }
    };
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
        .to_string()
        .into()
}

/// A span, and what its resource says of the process that made it.
pub(super) type Told = (HashMap<String, String>, Span);

/// Spans of the trace that the collector was told.
pub(super) fn spans(heard: &Heard) -> Vec<Told> {
    let heard = heard.lock().unwrap();
    let mut all = Vec::new();
    for (_, body) in heard.iter() {
        let export = ExportTraceServiceRequest::decode(body.clone()).unwrap();
        for resource in export.resource_spans {
            let about = attributes(&resource.resource.unwrap_or_default().attributes);
            let scopes = resource.scope_spans.into_iter();
            let spans = scopes.flat_map(|scope| scope.spans);
            let spans = spans.filter(|span| hex(&span.trace_id) == TRACE);
            all.extend(spans.map(|span| (about.clone(), span)));
        }
    }
    all
}

/// Attributes that are text.
pub(super) fn attributes(all: &[KeyValue]) -> HashMap<String, String> {
    let text = |value: &KeyValue| match value.value.as_ref()?.value.as_ref()? {
        AttributeValue::StringValue(text) => Some((value.key.clone(), text.clone())),
        _ => None,
    };
    all.iter().filter_map(text).collect()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The trace context that the upstream's only tool call came with: the header, and `_meta`.
pub(super) fn told(heard: &Heard) -> (Option<String>, Value) {
    let heard = heard.lock().unwrap();
    let calls = heard.iter().filter_map(|(header, body)| {
        let message: Value = serde_json::from_slice(body).ok()?;
        (message["method"] == "tools/call").then(|| {
            let meta = message["params"]["_meta"].clone();
            (header.clone(), meta)
        })
    });
    calls.last().expect("a call")
}

async fn with_upstream(home: Home, url: &str) -> (Platform, String) {
    let platform = home.start().await;
    let user = platform.tenant("acme").await;
    let remote = json!({ "slug": "up", "type": "remote_mcp", "config": { "url": url } });
    platform.connector("acme", &remote).await;
    (platform, user)
}

async fn call(platform: &Platform, user: &str, parent: &str) {
    let params = json!({
        "name": "up_echo", "arguments": { "secret": "planted-argument" },
        "_meta": { "traceparent": parent, "tracestate": "a=1", "baggage": "k=v" },
    });
    let answer = platform
        .mcp("acme", user)
        .modern("tools/call", params)
        .await;
    assert_eq!(answer.response()["result"]["content"][0]["text"], "hi");
}

#[tokio::test]
async fn a_call_is_one_trace_from_the_client_to_the_upstream() {
    let (collector, exports) = serve(|_| Bytes::new()).await;
    let (url, upstream) = serve(upstream).await;
    let home = Home::new().with_env("TURNBUCKLE_TELEMETRY__OTLP_ENDPOINT", &collector);
    let (platform, user) = with_upstream(home, &url).await;

    call(&platform, &user, &format!("00-{TRACE}-{CLIENT}-01")).await;

    let all = eventually(SOON, "three spans", async || {
        let all = spans(&exports);
        (all.len() == 3).then_some(all)
    })
    .await;
    let below: HashMap<String, &Span> = all
        .iter()
        .map(|(_, span)| (hex(&span.parent_span_id), span))
        .collect();
    let gateway = below[CLIENT];
    let worker = below[&hex(&gateway.span_id)];
    let exchange = below[&hex(&worker.span_id)];
    assert_eq!(gateway.name, "tools/call up_echo");
    assert_eq!(worker.name, "tools/call echo");
    assert_eq!((gateway.kind, worker.kind, exchange.kind), (2, 2, 3));
    assert!(all.iter().all(|(_, span)| span.trace_state == "a=1"));
    let (header, meta) = told(&upstream);
    let own = format!("00-{TRACE}-{}-01", hex(&exchange.span_id));
    assert_eq!(header.as_deref(), Some(&*own));
    assert_eq!(meta["traceparent"], own);
    assert_eq!(meta["tracestate"], "a=1");
    assert_eq!(meta["baggage"], Value::Null);
    let text = format!("{all:?}");
    assert!(!text.contains("planted-argument"), "{text}");

    let unsampled = format!("00-{TRACE}-{CLIENT}-00");
    call(&platform, &user, &unsampled).await;
    let (header, meta) = told(&upstream);
    assert_eq!(header.as_deref(), Some(&*unsampled));
    assert_eq!(meta["traceparent"], unsampled);
    platform.stop().await;
    assert_eq!(spans(&exports).len(), 3, "what is not sampled is not told");
}

#[tokio::test]
async fn a_collector_that_is_away_harms_no_call_and_is_told_of_once() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let (url, _) = serve(upstream).await;
    let home = Home::new().with_env("TURNBUCKLE_TELEMETRY__OTLP_ENDPOINT", &endpoint);
    let (platform, user) = with_upstream(home, &url).await;

    let warning = "traces cannot be exported";
    for _ in 0..20 {
        call(&platform, &user, &format!("00-{TRACE}-{CLIENT}-01")).await;
    }
    eventually(SOON, "a warning", async || {
        platform.home().log().contains(warning).then_some(())
    })
    .await;
    let home = platform.stop().await;
    assert_eq!(home.log().matches(warning).count(), 1);
}
