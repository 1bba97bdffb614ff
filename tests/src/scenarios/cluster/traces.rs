//! One trace through processes of their own, as a collector reads it, and what their logs say of it.

use std::collections::HashMap;
use std::time::Duration;

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::super::traces::{self, CLIENT, TRACE, Told, attributes, hex, serve, spans, told};
use crate::harness::cluster::{Cluster, Member, Wire};
use crate::harness::eventually;

const SOON: Duration = Duration::from_secs(30);

/// A cluster that tells a collector, and a tenant with one upstream.
async fn traced(collector: &str, upstream: &str) -> (Cluster, Wire) {
    let mut cluster = Cluster::prepare();
    for role in ["gateway", "worker"] {
        cluster.configure_further(role, |toml| {
            format!("{toml}\n[telemetry]\notlp_endpoint = \"{collector}\"\n")
        });
    }
    cluster.launch().await;
    let (_, key) = cluster.tenant("acme").await;
    let remote = json!({ "slug": "up", "type": "remote_mcp", "config": { "url": upstream } });
    cluster.connector("acme", &remote).await;
    let wire = cluster.wire("acme", "up", &key).among_all();
    (cluster, wire)
}

fn with_parent(mut params: Value) -> Value {
    params["_meta"] = json!({ "traceparent": format!("00-{TRACE}-{CLIENT}-01") });
    params
}

/// The spans of the trace, when there are as many as expected.
async fn exported(exports: &traces::Heard, count: usize) -> Vec<Told> {
    eventually(SOON, &format!("{count} spans"), async || {
        let all = spans(exports);
        (all.len() >= count).then_some(all)
    })
    .await
}

/// The first line of these processes' logs that is of the trace and says `text`.
fn line(members: &[Member], text: &str) -> Option<Value> {
    let lines = members.iter().flat_map(|member| {
        let log = member.log();
        let parsed = log.lines().map(serde_json::from_str::<Value>);
        parsed.filter_map(Result::ok).collect::<Vec<_>>()
    });
    lines.filter(|line| line["trace_id"] == TRACE).find(|line| {
        line["message"]
            .as_str()
            .is_some_and(|said| said.contains(text))
    })
}

#[tokio::test]
async fn a_call_is_one_trace_from_the_gateway_through_a_worker_to_the_upstream() {
    let (collector, exports) = serve(|_| Bytes::new()).await;
    let (url, upstream) = serve(traces::upstream).await;
    let (_cluster, wire) = traced(&collector, &url).await;

    let params = with_parent(json!({ "name": "up_echo", "arguments": {} }));
    let answer = wire.modern(0, "tools/call", params).await;
    assert_eq!(answer.text(), "hi");

    let all = exported(&exports, 3).await;
    assert_eq!(all.len(), 3, "{all:?}");
    let below: HashMap<String, &Told> = all
        .iter()
        .map(|told| (hex(&told.1.parent_span_id), told))
        .collect();
    let child_of = |parent: &str| {
        let child = below.get(parent);
        let (about, span) = child.unwrap_or_else(|| panic!("nothing below {parent}: {all:?}"));
        (about, span)
    };
    let (at_gateway, gateway) = child_of(CLIENT);
    let (at_worker, worker) = child_of(&hex(&gateway.span_id));
    let (at_exchange, exchange) = child_of(&hex(&worker.span_id));

    assert_eq!(at_gateway["service.name"], "turnbuckle-gateway");
    assert_eq!(at_worker["service.name"], "turnbuckle-worker");
    assert_eq!(at_worker, at_exchange);
    let [one, other] = [at_gateway, at_worker].map(|about| &about["service.instance.id"]);
    assert!(!one.is_empty() && one != other, "{one} and {other}");

    let (mine, theirs) = ("tools/call up_echo", "tools/call echo");
    let names = [gateway, worker, exchange].map(|span| (&*span.name, span.kind));
    assert_eq!(names, [(mine, 2), (theirs, 2), (theirs, 3)]);
    for (span, tool) in [(gateway, "up_echo"), (worker, "echo"), (exchange, "echo")] {
        let noted = attributes(&span.attributes);
        assert_eq!(noted["mcp.method.name"], "tools/call");
        assert_eq!(noted["gen_ai.tool.name"], tool);
        assert_eq!(noted["gen_ai.operation.name"], "execute_tool");
        assert_eq!(noted.get("error.type"), None);
    }
    let (header, meta) = told(&upstream);
    let own = format!("00-{TRACE}-{}-01", hex(&exchange.span_id));
    assert_eq!(header.as_deref(), Some(&*own));
    assert_eq!(meta["traceparent"], own);
}

#[tokio::test]
async fn lines_of_every_role_say_which_trace_and_request_they_belong_to() {
    let (collector, exports) = serve(|_| Bytes::new()).await;
    let (url, _) = serve(traces::upstream).await;
    let (cluster, wire) = traced(&collector, &url).await;

    let params = with_parent(json!({ "name": "up_break", "arguments": {} }));
    wire.modern(0, "tools/call", params).await;
    wire.modern(0, "resources/list", with_parent(json!({})))
        .await;
    wire.modern(0, "there/is/none", with_parent(json!({})))
        .await;

    let all = exported(&exports, 7).await;
    for (service, members, text) in [
        ("turnbuckle-worker", &cluster.workers, "a call failed"),
        ("turnbuckle-gateway", &cluster.gateways, "left out"),
        // The access log's, after the request.
        ("turnbuckle-gateway", &cluster.gateways, "request answered"),
    ] {
        let line = eventually(SOON, text, async || line(members, text)).await;
        let named = all.iter().find(|(about, span)| {
            about["service.name"] == service && line["span_id"] == hex(&span.span_id)
        });
        let (_, span) = named.unwrap_or_else(|| panic!("no span of {service} is meant by {line}"));
        let request = &attributes(&span.attributes)["turnbuckle.request.id"];
        assert_eq!(line["request.id"], **request, "{line}");
    }
}
